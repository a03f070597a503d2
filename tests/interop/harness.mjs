// What the interop tests stand on: Node peers and `sheaf` as processes of their own, folders that vanish, and a
// TCP proxy that counts and cuts. Everything waits for an event and nothing for a time; the only times here are
// the bounds after which waiting has failed.
//
// Each helper takes the test's context `t` and ends what it started when the test ends. A Node peer that crashed
// fails the test that started it, whatever the test asserts.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Readable } from 'node:stream'
import { lines } from './blocks.mjs'

const here = path.dirname(fileURLToPath(import.meta.url))
const patience = 180_000 // ms; the most that one step of a test waits

// Runs `what` when the test ends, the last one first: a process goes before the folder that it works in.
const endings = new WeakMap()
function atEnd (t, what) {
  if (!endings.has(t)) {
    const stack = []
    endings.set(t, stack)
    t.after(async () => {
      const failures = []
      while (stack.length) await Promise.resolve().then(stack.pop()).catch((error) => failures.push(error))
      if (failures.length) throw failures[0]
    })
  }
  endings.get(t).push(what)
}

export function freshFolder (t) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'sheaf-interop-'))
  atEnd(t, () => fs.rmSync(folder, { recursive: true, force: true }))
  return folder
}

// Fails with what was waited for, instead of letting a test hang.
export function within (promise, what, ms = patience) {
  let timer
  const late = new Promise((resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${ms} ms for ${what}`)), ms)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

// Asks again until the answer satisfies; for what a program can only be asked and does not tell by itself.
export async function eventually (ask, satisfies, what, ms = patience) {
  const until = Date.now() + ms
  for (;;) {
    const answer = await ask()
    if (satisfies(answer)) return answer
    if (Date.now() > until) throw new Error(`waited ${ms} ms for ${what}; last: ${JSON.stringify(answer)}`)
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
}

// A child process that says JSON, one object a line.
class Talker {
  constructor (command, args, options = {}) {
    this.name = options.name || path.basename(command)
    this.child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, ...options.env } })
    this.said = []
    this.waiting = []
    this.stderr = ''
    this.child.on('error', (error) => { this.stderr += error.message })
    this.child.stdin.on('error', () => {})
    this.child.stderr.on('data', (data) => { this.stderr = (this.stderr + data).slice(-20_000) })
    let rest = ''
    this.child.stdout.setEncoding('utf8').on('data', (data) => {
      const parts = (rest + data).split('\n')
      rest = parts.pop()
      for (const part of parts) if (part) this.#hear(JSON.parse(part))
    })
    this.exited = new Promise((resolve) => this.child.on('close', (code, signal) => resolve({ code, signal })))
    this.exited.then((how) => {
      this.how = how
      for (const { reject, what } of this.waiting.splice(0)) {
        reject(new Error(`${this.name} ended with ${how.code ?? how.signal} before ${what}: ${this.stderr}`))
      }
    })
  }

  #hear (message) {
    this.said.push(message)
    this.waiting = this.waiting.filter(({ matches, resolve }) => {
      if (!matches(message)) return true
      resolve(message)
      return false
    })
  }

  // The first message, said already or still to come, that matches.
  next (matches, what, ms = patience) {
    const already = this.said.find(matches)
    if (already) return Promise.resolve(already)
    if (this.how) return Promise.reject(new Error(`${this.name} is gone; no ${what}: ${this.stderr}`))
    return within(new Promise((resolve, reject) => this.waiting.push({ matches, resolve, reject, what })), what, ms)
  }

  async kill (signal = 'SIGKILL') {
    if (!this.how) this.child.kill(signal)
    return this.exited
  }
}

export class NodePeer extends Talker {
  #number = 0

  static async start (t, folder = freshFolder(t)) {
    const peer = new NodePeer(folder)
    atEnd(t, async () => {
      await peer.end()
      assert.deepEqual(peer.said.filter((m) => m.event === 'crashed'), [], 'a Node peer crashed')
    })
    await peer.next((m) => m.event === 'ready', 'a Node peer to start')
    return peer
  }

  constructor (folder) {
    super(process.execPath, [path.join(here, 'peer.mjs'), folder], { name: 'Node peer' })
    this.folder = folder
  }

  async do (what, args = {}, ms = patience) {
    const id = ++this.#number
    this.child.stdin.write(JSON.stringify({ id, do: what, ...args }) + '\n')
    const answer = await this.next((m) => m.id === id, `the answer to ${what} ${JSON.stringify(args)}`, ms)
    this.said.splice(this.said.indexOf(answer), 1)
    if (answer.error !== undefined) throw new Error(`${what}: ${answer.error}`)
    return answer.value
  }

  // Listens if it does not yet, and gives the address as `sheaf` writes it.
  async address () {
    if (!this.port) this.port = (await this.do('listen')).port
    return `tcp://127.0.0.1:${this.port}`
  }

  async webSocketAddress ({ odd = false } = {}) {
    return `ws://127.0.0.1:${(await this.do('listenWebSocket', { odd })).port}`
  }

  connected (number) {
    return this.next((m) => m.event === 'connected' && (!number || m.connection === number), 'a connection')
  }

  // The n-th event of that name.
  nth (event, n) {
    return this.next(() => this.said.filter((m) => m.event === event).length >= n, `${event}, number ${n}`)
  }

  closed (number) {
    return this.next((m) => m.event === 'closed' && (!number || m.connection === number), 'a connection to end')
  }

  // Connections that ended without our asking.
  get lost () { return this.said.filter((m) => m.event === 'closed' && !m.asked) }

  // Nothing has gone wrong between this peer and others: no core paused anyone, nothing failed verification,
  // and no connection ended with an error.
  async assertUnharmed () {
    const faults = this.said.filter((m) => m.event === 'closed' && m.error !== null)
    assert.deepEqual(faults, [], 'a connection ended with an error')
    for (const [name, facts] of Object.entries(await this.do('facts'))) {
      assert.equal(facts.everPaused, false, `${name} paused its peer`)
      assert.deepEqual(facts.invalid, [], `${name} was sent something invalid`)
      assert.equal(facts.conflicts, 0, `${name} saw a conflict`)
      for (const peer of facts.peers) {
        assert.equal(peer.invalidRequests, 0, `${name} was asked for an impossible proof`)
      }
    }
  }

  async end () {
    this.child.stdin.end()
    const timer = setTimeout(() => this.child.kill('SIGKILL'), 10_000)
    const how = await this.exited
    clearTimeout(timer)
    return how
  }
}

// The command line of `sheaf` on one folder.
export class Sheaf {
  constructor (t, folder = freshFolder(t)) {
    if (!process.env.SHEAF) throw new Error('SHEAF must name the executable')
    this.t = t
    this.folder = folder
  }

  #command (args) { return ['--json', '--dir', this.folder, ...args.map(String)] }

  // Runs one command to its end. stdin is a buffer, or pieces that are written one after another.
  async run (args, { input = Buffer.alloc(0), code = 0, ms = patience, cwd } = {}) {
    const child = spawn(process.env.SHEAF, this.#command(args), { stdio: ['pipe', 'pipe', 'pipe'], cwd })
    const stop = () => child.kill('SIGKILL')
    atEnd(this.t, stop)
    const out = []
    let err = ''
    child.stdout.on('data', (data) => out.push(data))
    child.stderr.on('data', (data) => { err = (err + data).slice(-20_000) })
    child.stdin.on('error', () => {})
    Readable.from(Buffer.isBuffer(input) ? [input] : input).pipe(child.stdin)
    const [status, signal] = await within(once(child, 'close'), `sheaf ${args.join(' ')}`, ms).catch((error) => {
      stop()
      throw error
    })
    if (code !== null) assert.equal(status, code, `sheaf ${args.join(' ')}: ${status ?? signal}, ${err}`)
    return { code: status, stdout: Buffer.concat(out), stderr: err }
  }

  async json (args, options) {
    const { stdout } = await this.run(args, options)
    return JSON.parse(stdout.toString())
  }

  async createCore (name) { return (await this.json(['core', 'create', name])).key }

  append (core, pattern, from, to, options) {
    return this.run(['core', 'append', core, '--lines'], { input: lines(pattern, from, to), ...options })
  }

  info (core) { return this.json(['core', 'info', core]) }

  async get (core, index, ...more) { return (await this.run(['core', 'get', core, index, ...more])).stdout }

  follow (key, ...more) { return this.run(['add', key, '--core', ...more]) }

  // A command that stays, such as serve. It ends with 0 on SIGTERM, and the test fails if it does not.
  start (args) {
    const running = new Talker(process.env.SHEAF, this.#command(args), { name: `sheaf ${args.join(' ')}` })
    running.child.stdin.end()
    running.stop = async () => {
      if (!running.how) running.child.kill('SIGTERM')
      const how = await within(running.exited, `${running.name} to end`, 20_000).catch(async (error) => {
        await running.kill()
        throw error
      })
      assert.deepEqual(how, { code: 0, signal: null }, `${running.name}: ${running.stderr}`)
    }
    atEnd(this.t, () => running.kill())
    return running
  }

  // Dials the Node peer, by way of the address, and stays; done once they are connected.
  async live (peer, address, ...more) {
    const before = peer.said.filter((m) => m.event === 'connected').length
    const running = this.start(['connect', '--live', ...more, address])
    await Promise.race([
      peer.nth('connected', before + 1),
      running.exited.then(() => { throw new Error(`${running.name} ended: ${running.stderr}`) })
    ])
    return running
  }

  // Serves on a free port; the result's `port` and `address` say where.
  serve (...more) { return this.serveAt('tcp://127.0.0.1:0', ...more) }

  async serveAt (where, ...more) {
    const running = this.start(['serve', '--listen', where, ...more])
    const { address } = await running.next((m) => m.event === 'listening', 'the address that is listened on')
    running.address = address
    running.port = Number(address.slice(address.lastIndexOf(':') + 1))
    return running
  }
}

// Carries bytes between whoever dials it and a target, counts them, and can cut.
export class Proxy {
  static async start (t, targetPort) {
    const proxy = new Proxy(targetPort)
    atEnd(t, () => proxy.end())
    proxy.server.listen(0, '127.0.0.1')
    await once(proxy.server, 'listening')
    proxy.port = proxy.server.address().port
    proxy.address = `tcp://127.0.0.1:${proxy.port}`
    return proxy
  }

  constructor (targetPort) {
    this.links = []
    this.cutAt = Infinity
    this.server = net.createServer((near) => {
      const far = net.connect({ port: targetPort, host: '127.0.0.1', noDelay: true })
      near.setNoDelay(true)
      const link = { sent: 0, received: 0, near, far } // as the dialling side sees them
      this.links.push(link)
      const cut = () => { near.destroy(); far.destroy() }
      near.on('data', (data) => { link.sent += data.length })
      far.on('data', (data) => {
        link.received += data.length
        if (link.received < this.cutAt) return
        this.cutAt = Infinity
        cut()
      })
      near.pipe(far)
      far.pipe(near)
      for (const side of [near, far]) side.on('error', cut).on('close', cut)
    })
  }

  // Cuts the next connection once the dialling side has been sent that many bytes.
  cutAfter (bytes) { this.cutAt = bytes }

  cut () { for (const { near, far } of this.links) { near.destroy(); far.destroy() } }

  end () {
    this.cut()
    this.server.close()
  }
}
