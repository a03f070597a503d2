// A WebSocket of the package `ws` as the raw stream of a Hypercore connection.
//
// What is written together goes out as one message, or with `odd` in messages and fragments of odd sizes, an
// empty one and a ping among them, since boundaries must mean nothing.
import { Duplex } from 'node:stream'

const mostPings = 50 // more than 100 in a second are a flood to sheaf

export class WebSocketDuplex extends Duplex {
  constructor (socket, { odd = false } = {}) {
    super()
    this.socket = socket
    this.odd = odd
    this.bytesRead = this.bytesWritten = 0
    this.pings = this.pongs = 0
    this.closeCode = null
    this.step = 0
    this.sentPings = 0
    socket.on('message', (data, isBinary) => {
      if (!isBinary) return this.destroy(new Error('a message of text'))
      this.bytesRead += data.length
      if (!this.push(data)) socket.pause()
    })
    socket.on('ping', () => { this.pings++ })
    socket.on('pong', () => { this.pongs++ })
    socket.on('error', (error) => this.destroy(error))
    socket.on('close', (code) => {
      this.closeCode = code
      this.push(null)
      this.destroy()
    })
  }

  setNoDelay () {}

  _construct (done) {
    if (this.socket.readyState === this.socket.OPEN) return done()
    this.socket.once('open', () => done())
    this.socket.once('error', done)
  }

  _read () { this.socket.resume() }

  _writev (chunks, done) {
    const bytes = Buffer.concat(chunks.map(({ chunk }) => chunk))
    this.bytesWritten += bytes.length
    if (!this.odd) return this.socket.send(bytes, done)
    for (let at = 0; at < bytes.length;) {
      const size = 1 + (this.step++ * 7919) % 5000
      const fin = this.step % 3 !== 0 || at + size >= bytes.length
      if (this.step % 11 === 0 && this.sentPings++ < mostPings) this.socket.ping()
      this.socket.send(bytes.subarray(at, at + size), { binary: true, fin })
      if (fin && this.step % 5 === 0) this.socket.send(Buffer.alloc(0))
      at += size
    }
    this.socket.send(Buffer.alloc(0), done)
  }

  _final (done) {
    this.socket.close(1000)
    done()
  }

  _destroy (error, done) {
    if (this.socket.readyState === this.socket.OPEN) this.socket.close(1000)
    done(error)
  }
}
