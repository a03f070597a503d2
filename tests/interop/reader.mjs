// Prints the blocks of a core as text, as they arrive: node reader.mjs KEY tcp://HOST:PORT [COUNT]
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import Hypercore from 'hypercore'
import SecretStream from '@hyperswarm/secret-stream'

const [key, address, count = Infinity] = process.argv.slice(2)
const { hostname, port } = new URL(address)
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'reader-'))
process.on('exit', () => fs.rmSync(folder, { recursive: true, force: true }))

const core = new Hypercore(folder, Buffer.from(key, 'hex'))
await core.ready()
core.replicate(new SecretStream(true, net.connect(port, hostname)))
for (let i = 0; i < count; i++) console.log(`block ${i}: ${await core.get(i)}`)
process.exit(0)
