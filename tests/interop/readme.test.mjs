// The Node.js programs that the README and scripts/demo name do what is said of them.
import test from 'node:test'
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { once } from 'node:events'
import { promisify } from 'node:util'
import readline from 'node:readline'
import { Sheaf, freshFolder } from './harness.mjs'

const limit = { timeout: 120_000 }
const beside = (name) => new URL(name, import.meta.url).pathname
const run = promisify(execFile)

test('drive_reader.mjs prints every file of an archive that sheaf serves', limit, async (t) => {
  const sheaf = new Sheaf(t)
  const { key } = await sheaf.json(['init'])
  await sheaf.run(['write', 'hello.txt'], { input: Buffer.from('hello') })
  await sheaf.run(['write', 'docs/more.txt'], { input: Buffer.from('more') })
  const served = await sheaf.serve()
  const { stdout } = await run(process.execPath, [beside('drive_reader.mjs'), key, `tcp://127.0.0.1:${served.port}`])
  assert.equal(stdout, '/docs/more.txt: more\n/hello.txt: hello\n')
  await served.stop()
})

test('reader.mjs prints the blocks of a core that sheaf serves', limit, async (t) => {
  const sheaf = new Sheaf(t)
  const { key } = await sheaf.json(['core', 'create', 'notes'])
  await sheaf.run(['core', 'append', 'notes', '--lines'], { input: Buffer.from('one\ntwo\n') })
  const served = await sheaf.serve()
  const { stdout } = await run(process.execPath, [beside('reader.mjs'), key, `tcp://127.0.0.1:${served.port}`, '2'])
  assert.equal(stdout, 'block 0: one\nblock 1: two\n')
  await served.stop()
})

test('what drive_server.mjs serves is cloned and exported', limit, async (t) => {
  const server = spawn(process.execPath, [beside('drive_server.mjs'), '/docs/hello.txt=by Node.js', '/x=y'],
    { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(() => server.kill('SIGKILL'))
  const [line] = await once(readline.createInterface(server.stdout), 'line')
  const [key, address] = line.split(' ')
  const sheaf = new Sheaf(t)
  await sheaf.run(['clone', key, address])
  const out = path.join(freshFolder(t), 'out')
  await sheaf.run(['export', out])
  assert.equal(fs.readFileSync(path.join(out, 'docs/hello.txt'), 'utf8'), 'by Node.js')
  assert.equal(fs.readFileSync(path.join(out, 'x'), 'utf8'), 'y')
  const ended = once(server, 'exit')
  server.kill('SIGTERM')
  assert.deepEqual(await ended, [0, null])
})
