// Prints every file of a hyperdrive that somebody serves: node drive_reader.mjs KEY tcp://HOST:PORT
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import Corestore from 'corestore'
import Hyperdrive from 'hyperdrive'
import SecretStream from '@hyperswarm/secret-stream'

const [key, address] = process.argv.slice(2)
const { hostname, port } = new URL(address)
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'drive-reader-'))
process.on('exit', () => fs.rmSync(folder, { recursive: true, force: true }))

const store = new Corestore(folder)
const drive = new Hyperdrive(store, Buffer.from(key, 'hex'))
await drive.ready()
drive.findingPeers() // so that what follows waits for the first one
store.replicate(new SecretStream(true, net.connect(port, hostname)))
await drive.update({ wait: true })
for await (const { key: name } of drive.list('/')) console.log(`${name}: ${await drive.get(name)}`)
process.exit(0)
