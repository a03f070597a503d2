// On a terminal a command that takes long says how far it is, on stderr, and takes it back; elsewhere it does not.
import test from 'node:test'
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { Sheaf, freshFolder, within } from './harness.mjs'

const limit = { timeout: 120_000 }
const drawn = /\r[^\r\n]* of \d+ blocks, \d+\/s\x1b\[K/
const key = 'ab'.repeat(32)

// A peer that takes connections and says nothing, until it is told to hang up.
async function mute (t) {
  const sockets = new Set()
  const server = net.createServer((socket) => sockets.add(socket.on('error', () => {})))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const hangUp = () => {
    for (const socket of sockets) socket.destroy()
    server.close()
  }
  t.after(hangUp)
  return { address: `tcp://127.0.0.1:${server.address().port}`, hangUp }
}

const quoted = (word) => `'${String(word).replaceAll("'", "'\\''")}'`

// Runs sheaf with its stderr on a terminal of its own and its stdout in a file, and hangs up when there is
// progress to be seen.
async function onTerminal (t, sheaf, peer, args) {
  const out = path.join(freshFolder(t), 'out')
  const command = [process.env.SHEAF, '--dir', sheaf.folder, ...args].map(quoted).join(' ') + ` > ${quoted(out)}`
  const child = spawn('script', ['-qefc', command, '/dev/null'], { stdio: ['pipe', 'pipe', 'pipe'] })
  t.after(() => child.kill('SIGKILL'))
  let seen = ''
  child.stdout.setEncoding('utf8').on('data', (text) => {
    seen += text
    if (drawn.test(seen)) peer.hangUp()
  })
  const [code] = await within(once(child, 'close'), `sheaf ${args.join(' ')} on a terminal`)
  return { code, seen, stdout: fs.readFileSync(out, 'utf8') }
}

for (const [name, prepare, args] of [
  ['connect', [], (address) => ['connect', address]],
  ['clone', [], (address) => ['clone', key, address]],
  ['download', ['add', key], (address) => ['download', key, '--peer', address]]
]) {
  test(`${name} says on a terminal how far it is, and leaves a clean line`, limit, async (t) => {
    const sheaf = new Sheaf(t)
    if (prepare.length) await sheaf.run(prepare)
    const peer = await mute(t)
    const { code, seen, stdout } = await onTerminal(t, sheaf, peer, args(peer.address))
    assert.equal(code, 6, seen)
    assert.match(seen, drawn)
    // The last that was drawn is wiped before anything else is said.
    const rest = seen.slice(seen.lastIndexOf('blocks,'))
    assert.match(rest, /^blocks, \d+\/s\x1b\[K\r\x1b\[K[^\r\n\x1b]/)
    assert.ok(!stdout.includes('blocks,') && !stdout.includes('\x1b'), stdout)
  })

  test(`${name} draws nothing where nobody looks`, limit, async (t) => {
    const sheaf = new Sheaf(t)
    if (prepare.length) await sheaf.run(prepare)
    const peer = await mute(t)
    // As long as it takes to be drawn on the terminal beside it.
    const beside = onTerminal(t, new Sheaf(t), { hangUp: () => peer.hangUp() }, ['clone', key, peer.address])
    const { stdout, stderr } = await sheaf.run(args(peer.address), { code: 6 })
    await beside
    assert.ok(!/blocks,|\x1b|\r/.test(stdout + stderr), stdout + stderr)
  })
}
