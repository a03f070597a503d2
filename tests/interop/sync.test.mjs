// Sessions over standard input and output: two `sheaf sync` joined by socat, by one socket or by pipes, and one
// that is dialled as a command.
import test from 'node:test'
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { NodePeer, Sheaf, eventually, within } from './harness.mjs'

const limit = { timeout: 300_000 }
const command = (sheaf, ...more) => [process.env.SHEAF, '-d', sheaf.folder, 'sync', ...more].filter(Boolean).join(' ')

// Joins two commands as a user would at a shell.
function socat (a, b, how = '') {
  const child = spawn('socat', [`EXEC:${a}${how}`, `EXEC:${b}${how}`], { stdio: ['ignore', 'pipe', 'pipe'] })
  let err = ''
  child.stderr.on('data', (data) => { err += data })
  const ended = once(child, 'close').then(([code]) => ({ code, err }))
  return { child, ended }
}

// a writes a core that b follows, and the other way round.
async function pair (t, blocks = 500) {
  const a = new Sheaf(t)
  const b = new Sheaf(t)
  const keyOfA = await a.createCore('a')
  const keyOfB = await b.createCore('b')
  await a.append('a', 'mixed/a', 0, blocks)
  await b.append('b', '10/b', 0, blocks)
  await a.follow(keyOfB)
  await b.follow(keyOfA)
  return { a, b, keyOfA, keyOfB, blocks }
}

async function assertBothHave ({ a, b, keyOfA, keyOfB, blocks }) {
  assert.equal((await b.info(keyOfA)).local, blocks)
  assert.equal((await a.info(keyOfB)).local, blocks)
}

for (const how of ['', ',pipes']) {
  test(`two syncs joined by socat${how} end complete`, limit, async (t) => {
    const both = await pair(t)
    const joined = socat(command(both.a), command(both.b), how)
    assert.deepEqual(await within(joined.ended, 'socat to end'), { code: 0, err: '' })
    await assertBothHave(both)
  })
}

test('roles may be given, to one side or to both', limit, async (t) => {
  for (const [one, other] of [['--initiator', '--responder'], ['--initiator', '']]) {
    const both = await pair(t, 20)
    const joined = socat(command(both.a, one), command(both.b, other))
    assert.deepEqual(await within(joined.ended, 'socat to end'), { code: 0, err: '' })
    await assertBothHave(both)
  }
})

test('sync works in a folder that another process holds', limit, async (t) => {
  const both = await pair(t, 50)
  const holder = await both.a.serve()
  const joined = socat(command(both.a), command(both.b))
  assert.deepEqual(await within(joined.ended, 'socat to end'), { code: 0, err: '' })
  await assertBothHave(both)
  await holder.stop()
})

test('HM-33: sync --live carries on over stdin and stdout what is written, and goes on until the other side closes', limit, async (t) => {
  const both = await pair(t, 10)
  const joined = socat(command(both.a, '--live'), command(both.b, '--live'))
  await eventually(() => both.b.info(both.keyOfA), ({ local }) => local === 10, 'the blocks')
  await both.a.append('a', 'mixed/a', 10, 30)
  await eventually(() => both.b.info(both.keyOfA), ({ local }) => local === 30, 'the blocks written meanwhile')
  joined.child.kill('SIGTERM')
  await within(joined.ended, 'socat to end')
  await eventually(() => both.a.run(['core', 'info', 'a'], { code: null }), ({ code }) => code === 0, 'the folder')
})

test('exec: dials a command, as connect and as a peer of serve', limit, async (t) => {
  const both = await pair(t)
  await both.a.run(['connect', 'exec:' + command(both.b)])
  await assertBothHave(both)
  await both.b.append('b', '10/b', both.blocks, both.blocks + 5)
  const served = await both.a.serve('--peer', 'exec:' + command(both.b, '--live', '--responder'))
  await eventually(() => both.a.info(both.keyOfB), ({ local }) => local === both.blocks + 5, 'the blocks')
  await served.stop()
})

test('what is no agreement, an end, and a file are told apart by their exit codes', limit, async (t) => {
  const sheaf = new Sheaf(t)
  await sheaf.createCore('a')
  const garbage = await sheaf.run(['sync'], { input: Buffer.from('this is no peer at all'), code: 6 })
  assert.match(garbage.stderr, /stdio:/)
  const nothing = await sheaf.run(['sync'], { code: 6 })
  // Only the agreement went out, nothing for a person.
  assert.equal(nothing.stdout.length, 24)
  assert.equal(nothing.stdout.subarray(0, 8).toString('latin1'), 'SHEAF\0\0\x01')
  const gone = await sheaf.run(['connect', 'exec:exit 1'], { code: 6 })
  assert.match(gone.stderr, /exec:exit 1/)
})

test('a Node peer behind socat', limit, async (t) => {
  const writer = await NodePeer.start(t)
  const { key } = await writer.do('open', { core: 'a' })
  await writer.do('append', { core: 'a', pattern: '10/x', count: 100 })
  const sheaf = new Sheaf(t)
  await sheaf.follow(key)
  const { port } = await writer.do('listen')
  await sheaf.run(['connect', `exec:socat - TCP:127.0.0.1:${port}`])
  assert.equal((await sheaf.info(key)).local, 100)
  await writer.assertUnharmed()
})
