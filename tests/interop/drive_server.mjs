// Writes a hyperdrive of the files that are given and serves it until it is ended: node drive_server.mjs NAME=TEXT…
// Prints one line: its key, and where it listens.
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import Corestore from 'corestore'
import Hyperdrive from 'hyperdrive'
import SecretStream from '@hyperswarm/secret-stream'

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'drive-server-'))
process.on('exit', () => fs.rmSync(folder, { recursive: true, force: true }))
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(0))

const store = new Corestore(folder)
const drive = new Hyperdrive(store)
for (const [name, text] of process.argv.slice(2).map((word) => word.split('=', 2))) await drive.put(name, text)
const server = net.createServer((socket) => {
  store.replicate(new SecretStream(false, socket.on('error', () => {}))).on('error', () => {}) // peers come and go
})
server.listen(0, '127.0.0.1', () => {
  console.log(drive.key.toString('hex'), `tcp://127.0.0.1:${server.address().port}`)
})
