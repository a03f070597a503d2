// Hyperbees both ways: what the public interface wrote is read by the real hyperbee, and the other way.
import test from 'node:test'
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { NodePeer, Sheaf, within } from './harness.mjs'

const limit = { timeout: 600_000 }

// The program over the public interface, on a folder that no `sheaf` holds meanwhile.
async function beePeer (t, folder, args, input = []) {
  const child = spawn(process.env.SHEAF_BEE_PEER, [folder, ...args.map(String)], { stdio: ['pipe', 'pipe', 'pipe'] })
  t.after(() => child.kill('SIGKILL'))
  let out = ''
  let err = ''
  child.stdout.on('data', (data) => { out += data })
  child.stderr.on('data', (data) => { err += data })
  child.stdin.end(input.map((line) => JSON.stringify(line) + '\n').join(''))
  const [code] = await within(once(child, 'close'), `bee_peer ${args.join(' ')}`)
  assert.equal(code, 0, err)
  return out.split('\n').filter(Boolean).map((line) => JSON.parse(line))
}

// 800 operations on 300 keys: single ones, batches, deletions of what is there and of what is not. The same
// each time.
function operations () {
  let state = 7
  const random = (most) => { state = (state * 48271) % 2147483647; return state % most }
  const one = () => {
    const key = `key/${String(random(300)).padStart(3, '0')}`
    if (random(3) === 0) return { del: key }
    return { put: key, value: random(20) === 0 ? null : `value ${random(1e6)} of ${key}` }
  }
  const out = []
  for (let count = 0; count < 800;) {
    const batch = random(10) === 0 ? Array.from({ length: 1 + random(40) }, one) : null
    out.push(batch ? { batch } : one())
    count += batch ? batch.length : 1
  }
  return out
}

const entriesOf = (lines) => lines.filter((line) => !('put' in line))
const historyOf = (lines) => lines.filter((line) => 'put' in line)

test('a tree of ours is read by hyperbee: entries, ranges, history, an older version; its blocks are equal', limit, async (t) => {
  const sheaf = new Sheaf(t)
  const all = operations()
  const half = Math.floor(all.length / 2)
  const [before] = await beePeer(t, sheaf.folder, ['write', 'tree'], all.slice(0, half))
  const [{ key, version }] = await beePeer(t, sheaf.folder, ['write', 'tree'], all.slice(half))
  const ours = await beePeer(t, sheaf.folder, ['read', key, 0])
  const older = await beePeer(t, sheaf.folder, ['read', key, before.version])
  const served = await sheaf.serve()
  const node = await NodePeer.start(t)
  await node.do('open', { core: 'tree', key })
  await node.do('dial', { port: served.port })
  const theirs = await node.do('beeRead', { core: 'tree', version })
  assert.deepEqual(entriesOf(ours), theirs.entries)
  assert.deepEqual(historyOf(ours), theirs.history)
  assert.ok(theirs.entries.length > 100, `${theirs.entries.length} entries`)
  const then = await node.do('beeRead', { core: 'tree', version: before.version })
  assert.deepEqual(entriesOf(older), then.entries)
  // The same operations, done by hyperbee.
  const again = await node.do('beeWrite', { core: 'again', operations: all })
  assert.equal(again.version, version)
  assert.equal(await node.do('sameBlocks', { core: 'tree', other: 'again' }), version)
  await node.assertUnharmed()
  await served.stop()
})

test("hyperbee's tree is read by us, and what it writes later, too", limit, async (t) => {
  const node = await NodePeer.start(t)
  const all = operations()
  const half = all.slice(0, Math.floor(all.length / 2))
  const { key } = await node.do('beeWrite', { core: 'tree', operations: half })
  const address = await node.address()
  const sheaf = new Sheaf(t)
  await sheaf.follow(key)
  for (const more of [[], all.slice(half.length)]) {
    const { version } = await node.do('beeWrite', { core: 'tree', operations: more })
    await sheaf.run(['connect', address])
    const theirs = await node.do('beeRead', { core: 'tree', version })
    const ours = await beePeer(t, sheaf.folder, ['read', key, 0])
    assert.deepEqual(entriesOf(ours), theirs.entries)
    assert.deepEqual(historyOf(ours), theirs.history)
  }
  await node.assertUnharmed()
})
