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

// Runs `sheaf COMMAND GOAL` on a terminal of its own, on another with --quiet, and without one, beside each other;
// calls `goOn` when something was drawn on the first.
async function threeWays (t, sheaf, command, goals, goOn) {
  const line = (at) => [process.env.SHEAF, '--dir', sheaf.folder, command, goals[at]].map(quoted).join(' ')
  const three = [['script', ['-qefc', line(0), '/dev/null']], ['script', ['-qefc', line(1) + ' --quiet', '/dev/null']],
    ['sh', ['-c', line(2)]]]
  const all = await Promise.all(three.map(async ([program, args], at) => {
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] })
    t.after(() => child.kill('SIGKILL'))
    let seen = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        seen += text
        if (at === 0 && /\r[^\r]*\d[^\r]*\x1b\[K/.test(seen)) goOn()
      })
    }
    const [code] = await within(once(child, 'close'), line(at))
    assert.equal(code, 0, seen)
    return seen
  }))
  return { drawn: all[0], quiet: all[1], plain: all[2] }
}

// What was drawn, each line once, and what else was said. The last that was drawn has to be wiped.
function divide (seen) {
  const lines = seen.split(/(\r[^\r\n]*\x1b\[K)/)
  const drawn = lines.filter((_, i) => i % 2 === 1)
  const wiped = '\r\x1b[K'
  assert.equal(drawn.at(-1), wiped)
  return { drawn: [...new Set(drawn)].filter((line) => line !== wiped), said: lines.filter((_, i) => i % 2 === 0).join('') }
}

test('import says on a terminal how far it is, and nothing elsewhere or with --quiet', limit, async (t) => {
  const sheaf = new Sheaf(t)
  const folder = freshFolder(t)
  fs.writeFileSync(path.join(folder, 'name'), 'ten bytes.')
  const server = await sheaf.serve()
  // A file that is being written keeps other contents away until it is whole.
  const writer = spawn(process.env.SHEAF, ['--dir', sheaf.folder, 'write', 'large'], { stdio: ['pipe', 'ignore', 'pipe'] })
  t.after(() => writer.kill('SIGKILL'))
  await within(new Promise((resolve) => writer.stdin.write(Buffer.alloc(4 << 20, 1), resolve)), 'most to be read')
  const goals = [folder, folder, folder]
  const { drawn, quiet, plain } = await threeWays(t, sheaf, 'import', goals, () => writer.stdin.end())
  const shown = divide(drawn)
  assert.deepEqual(shown.drawn, ['\r1 files, 10 B put\x1b[K'])
  // Whoever came too late found it there.
  for (const said of [shown.said, quiet, plain]) assert.match(said, /^(add \/name\r?\n)?$/)
  await server.stop()
})

test('export says on a terminal how far it is, and nothing elsewhere or with --quiet', limit, async (t) => {
  const writer = new Sheaf(t)
  for (const name of ['one', 'other']) await writer.run(['write', name], { input: Buffer.from('ten bytes.') })
  const { key } = await writer.json(['init'])
  const source = await writer.serve()
  const sheaf = new Sheaf(t)
  await sheaf.run(['add', key])
  const server = await sheaf.serve('--sparse', '--peer', source.address)
  await sheaf.run(['download', 'one'])
  await sheaf.run(['get', 'other'])
  source.child.kill('SIGSTOP')
  const goals = [freshFolder(t), freshFolder(t), freshFolder(t)]
  const { drawn, quiet, plain } = await threeWays(t, sheaf, 'export', goals, () => source.child.kill('SIGCONT'))
  const shown = divide(drawn)
  assert.deepEqual(shown.drawn, ['\r2 of 2 entries, 10 B written\x1b[K'])
  for (const said of [shown.said, quiet, plain]) assert.match(said, /^add \/one\r?\nadd \/other\r?\n$/)
  for (const out of goals) assert.equal(fs.readFileSync(path.join(out, 'other'), 'utf8'), 'ten bytes.')
  await server.stop()
  await source.stop()
})
