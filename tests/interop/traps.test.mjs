// The traps of the replication protocol, one test each: what a peer must do so that a Node peer does not hang,
// pause it, close a stream that should live, or crash. docs/testing.md lists them.
import test from 'node:test'
import assert from 'node:assert/strict'
import { NodePeer, Sheaf, eventually, freshFolder } from './harness.mjs'
import { block } from './blocks.mjs'

const limit = { timeout: 120_000 }

async function served (t, { pattern, count = 0, options = {}, more = [] } = {}) {
  const sheaf = new Sheaf(t)
  const key = await sheaf.createCore('a')
  if (count) await sheaf.append('a', pattern, 0, count)
  const server = await sheaf.serve(...more)
  const reader = await NodePeer.start(t)
  await reader.do('open', { core: 'a', key, ...options })
  await reader.do('dial', { port: server.port })
  return { sheaf, server, reader, key }
}

async function followed (t, { pattern, count = 0, options = {} } = {}) {
  const writer = await NodePeer.start(t)
  const { key } = await writer.do('open', { core: 'a', ...options })
  if (count) await writer.do('append', { core: 'a', pattern, count })
  const sheaf = new Sheaf(t)
  await sheaf.follow(key)
  return { writer, sheaf, key, address: await writer.address() }
}

const holds = (sheaf, key, length, fork = 0) => eventually(() => sheaf.info(key),
  (info) => info.length === length && info.local === length && info.fork === fork, `${length} blocks at fork ${fork}`)

test('trap 1: the length that a reader announces is acknowledged, so it asks for each append', limit, async (t) => {
  const { sheaf, server, reader } = await served(t)
  await reader.do('until', { core: 'a', synced: true })
  for (let length = 1; length <= 8; length++) {
    await sheaf.append('a', '10/ack', length - 1, length)
    await reader.do('until', { core: 'a', length })
  }
  await reader.assertUnharmed()
  await server.stop()
})

test('trap 2: no upgrade is asked of a peer that cannot prove it', limit, async (t) => {
  const { writer, sheaf, key, address } = await followed(t, { pattern: '10/p', count: 5 })
  await sheaf.run(['connect', address])
  await writer.do('append', { core: 'a', pattern: '10/p', count: 6 })
  // The other reader knows length 11 by its roots alone, so it cannot prove the way from 5 to 11, although its
  // first sync says that it can.
  const other = await NodePeer.start(t)
  await other.do('open', { core: 'a', key })
  const { connection } = await other.do('dial', { port: writer.port })
  await other.do('until', { core: 'a', length: 11 })
  await other.do('close', { connection })
  const marker = await other.do('open', { core: 'marker' })
  await other.do('append', { core: 'marker', pattern: '10/marker', count: 20 })
  await sheaf.follow(marker.key)
  const live = await sheaf.live(other, await other.address())
  await other.do('until', { core: 'a', synced: true })
  await holds(sheaf, marker.key, 20)
  assert.deepEqual(other.lost, [], 'the stream lives')
  await live.stop()
  await other.assertUnharmed()
})

test('trap 3: a sync is not answered with a sync for ever', limit, async (t) => {
  const { writer, sheaf, key, address } = await followed(t, { pattern: '10/p', count: 10 })
  const live = await sheaf.live(writer, address)
  await holds(sheaf, key, 10)
  for (let length = 11; length <= 20; length++) {
    await writer.do('append', { core: 'a', pattern: '10/p', count: 1 })
    await holds(sheaf, key, length)
  }
  const [peer] = (await writer.do('info', { core: 'a' })).peers
  assert.ok(peer.syncs.received <= 4 * 11, `${peer.syncs.received} syncs for 11 lengths`)
  await live.stop()
})

test('trap 4: a manifest is announced and delivered for a normal core', limit, async (t) => {
  const { server, reader } = await served(t, { pattern: '10/p', count: 3 })
  await reader.do('verify', { core: 'a', pattern: '10/p', from: 0, to: 3 })
  const [peer] = (await reader.do('info', { core: 'a' })).peers
  assert.equal(peer.hasManifest, true)
  await reader.assertUnharmed()
  await server.stop()
})

test('trap 4: no manifest is announced for a compat core', limit, async (t) => {
  const { writer, sheaf, key, address } = await followed(t,
    { pattern: '10/p', count: 3, options: { alone: true, compat: true, seed: 'trap 4' } })
  await sheaf.run(['connect', address])
  await writer.end()
  const server = await sheaf.serve()
  const reader = await NodePeer.start(t)
  await reader.do('open', { core: 'a', key, alone: true })
  await reader.do('dial', { port: server.port })
  await reader.do('verify', { core: 'a', pattern: '10/p', from: 0, to: 3 })
  const [peer] = (await reader.do('info', { core: 'a' })).peers
  assert.equal(peer.hasManifest, false)
  await reader.assertUnharmed()
  await server.stop()
})

test('trap 5: the blocks that we have are announced, not only the length', limit, async (t) => {
  const { server, reader } = await served(t, { pattern: '10/p', count: 100 })
  await reader.do('until', { core: 'a', remoteContiguous: 100 })
  await server.stop()
})

test('trap 5: of a core that we have in part, each block that we have can be read, at once', limit, async (t) => {
  const { writer, sheaf, key, address } = await followed(t, { pattern: '10/p', count: 3000 })
  const indices = [5, 1023, 2999]
  for (const index of indices) await sheaf.get(key, index, '--peer', address)
  await writer.end()
  const server = await sheaf.serve('--sparse')
  const reader = await NodePeer.start(t)
  await reader.do('open', { core: 'a', key })
  await reader.do('dial', { port: server.port })
  await reader.do('verify', { core: 'a', pattern: '10/p', indices })
  await assert.rejects(reader.do('get', { core: 'a', index: 6, timeout: 300 }), /REQUEST_TIMEOUT|timed out/)
  await reader.assertUnharmed()
  await server.stop()
})

test('trap 6: every request is answered', limit, async (t) => {
  const { server, reader } = await served(t, { pattern: 'mixed/p', count: 900 })
  await reader.do('verify', { core: 'a', pattern: 'mixed/p', from: 0, to: 900 })
  await reader.do('seek', { core: 'a', bytes: 100_000 })
  const { peers: [peer] } = await reader.do('info', { core: 'a' })
  assert.equal(peer.inflight, 0)
  await reader.assertUnharmed()
  await server.stop()
})

// Two histories of one core for the same lengths and fork, signed by the same key.
async function twoHistories (t) {
  const writers = []
  for (const history of ['one', 'other']) {
    const writer = await NodePeer.start(t)
    const { key } = await writer.do('open', { core: 'a', alone: true, seed: 'two histories' })
    await writer.do('append', { core: 'a', pattern: `10/${history}`, count: history === 'one' ? 6 : 3 })
    writers.push({ writer, key })
  }
  assert.equal(writers[0].key, writers[1].key)
  return { key: writers[0].key, one: writers[0].writer, other: writers[1].writer }
}

test('trap 7: a request with id 0, the check for a conflict, is answered', limit, async (t) => {
  const { key, one, other } = await twoHistories(t)
  const sheaf = new Sheaf(t)
  await sheaf.follow(key)
  await sheaf.run(['connect', await one.address()])
  const reader = await NodePeer.start(t)
  await reader.do('open', { core: 'a', alone: true, key })
  await other.address()
  const { connection } = await reader.do('dial', { port: other.port })
  await reader.do('until', { core: 'a', length: 3 })
  await reader.do('close', { connection })
  // Our upgrade from 3 to 6 does not fit what the reader holds; it asks with id 0 and finds the conflict.
  const server = await sheaf.serve()
  await reader.do('dial', { port: server.port })
  await eventually(() => reader.do('info', { core: 'a' }), (facts) => facts.conflicts === 1, 'the conflict', 30_000)
  await server.stop()
})

test('trap 8: a peer that has paused us is asked for nothing that it did not announce', limit, async (t) => {
  const { key, one, other } = await twoHistories(t)
  const sheaf = new Sheaf(t)
  await sheaf.follow(key)
  await sheaf.run(['connect', await one.address()])
  await one.end()
  // The other writer meets us, finds the conflict, and freezes; then we go on over the same connection with a
  // core on which we agree. The peer's process must still be there.
  const marker = await other.do('open', { core: 'marker' })
  await sheaf.follow(marker.key)
  const live = await sheaf.live(other, await other.address())
  await other.do('append', { core: 'marker', pattern: '10/marker', count: 50 })
  await holds(sheaf, marker.key, 50)
  assert.deepEqual(other.said.filter((m) => m.event === 'crashed'), [])
  await live.kill()
})

test('trap 9: update() of a reader ends, with an empty core and with one that we do not have', limit, async (t) => {
  const { server, reader } = await served(t)
  await reader.do('open', { core: 'ghost', key: '55'.repeat(32) })
  assert.equal(await reader.do('update', { core: 'a' }, 20_000), false)
  assert.equal(await reader.do('update', { core: 'ghost' }, 20_000), false)
  await server.stop()
})

test('trap 10: the number of nodes asked for is exact, whatever is here already', limit, async (t) => {
  const { writer, sheaf, key, address } = await followed(t, { pattern: '10/p', count: 1000 })
  for (const index of [999, 0, 512, 513, 3, 768]) await sheaf.get(key, index, '--peer', address)
  await writer.do('append', { core: 'a', pattern: '10/p', count: 37 })
  await sheaf.get(key, 1020, '--peer', address)
  const live = await sheaf.live(writer, address)
  await holds(sheaf, key, 1037)
  const [peer] = (await writer.do('info', { core: 'a' })).peers
  assert.equal(peer.invalidRequests, 0)
  await live.stop()
  await writer.assertUnharmed()
})

test('traps 11 and 12: a Node peer takes our handshake and our signatures, as either side', limit, async (t) => {
  const { sheaf, server, reader, key } = await served(t, { pattern: '10/p', count: 2 })
  await reader.connected(1)
  await reader.do('verify', { core: 'a', pattern: '10/p', from: 0, to: 2 })
  const dialled = await NodePeer.start(t)
  await dialled.do('open', { core: 'a', key })
  await server.stop()
  const live = await sheaf.live(dialled, await dialled.address())
  await dialled.connected(1)
  await dialled.do('verify', { core: 'a', pattern: '10/p', from: 0, to: 2 })
  await dialled.assertUnharmed()
  await live.stop()
})

test('trap 13: the capability is that of the side we are on', limit, async (t) => {
  const { writer, sheaf, key, address } = await followed(t, { pattern: '10/p', count: 2 })
  await sheaf.run(['connect', address])
  await holds(sheaf, key, 2)
  await writer.assertUnharmed()
  const server = await sheaf.serve()
  const { connection } = await writer.do('dial', { port: server.port })
  await writer.do('until', { core: 'a', peers: 1, synced: true, remoteLength: 2 })
  assert.deepEqual(writer.lost.filter((m) => m.connection === connection), [])
  await server.stop()
})

test('trap 14: another remote key than the address names is refused', limit, async (t) => {
  const { writer, sheaf, key, address } = await followed(t, { pattern: '10/p', count: 2 })
  await sheaf.run(['connect', address.replace('tcp://', `tcp://${'66'.repeat(32)}@`)], { code: 5 })
  assert.equal((await sheaf.info(key)).length, 0)
  assert.equal((await writer.do('info', { core: 'a' })).uploads, 0)
})

test('trap 15: messages that arrive in batches are all seen', limit, async (t) => {
  const writer = await NodePeer.start(t)
  const keys = await writer.do('openMany', { prefix: 'm', count: 60 })
  for (let i = 0; i < keys.length; i++) await writer.do('append', { core: `m${i}`, pattern: `30/${i}`, count: 2 })
  const sheaf = new Sheaf(t)
  for (const key of keys) await sheaf.follow(key)
  await sheaf.run(['connect', await writer.address()])
  for (const key of keys) assert.equal((await sheaf.info(key)).local, 2)
  await writer.assertUnharmed()
})

test('trap 16: channels are closed and opened again on one connection', limit, async (t) => {
  const { server, reader, key } = await served(t, { pattern: '10/p', count: 10 })
  await reader.do('closeCore', { core: 'a' })
  for (let round = 0; round < 6; round++) {
    await reader.do('open', { core: 'a', key, notDownloadingLinger: 0 })
    await reader.do('verify', { core: 'a', pattern: '10/p', from: round, to: round + 2 })
    await reader.do('closeCore', { core: 'a' })
  }
  await reader.do('open', { core: 'a', key })
  await reader.do('verify', { core: 'a', pattern: '10/p', from: 0, to: 10 })
  assert.deepEqual(reader.lost, [])
  await server.stop()
})

test('trap 17: blocks behind one that was dropped are still found', limit, async (t) => {
  const { writer, sheaf, key, address } = await followed(t, { pattern: '10/p', count: 300 })
  await sheaf.get(key, 299, '--peer', address)
  const live = await sheaf.live(writer, address, '--sparse')
  await writer.do('until', { core: 'a', peers: 1, synced: true })
  await writer.do('clear', { core: 'a', start: 100, end: 150 })
  assert.ok(block('10/p', 200).equals(await sheaf.get(key, 200)), 'behind the gap')
  assert.ok(block('10/p', 40).equals(await sheaf.get(key, 40)), 'before the gap')
  await sheaf.run(['core', 'get', key, 120, '--timeout', 1], { code: 6 })
  await live.stop()
  await writer.assertUnharmed()
})

test('trap 18: a truncate to 0 shows once a block is appended, both ways', limit, async (t) => {
  const { sheaf, server, reader } = await served(t, { pattern: '10/old', count: 5 })
  await reader.do('verify', { core: 'a', pattern: '10/old', from: 0, to: 5 })
  await sheaf.run(['core', 'truncate', 'a', 0])
  await sheaf.append('a', '10/new', 0, 2)
  await reader.do('until', { core: 'a', fork: 1, length: 2 })
  await reader.do('verify', { core: 'a', pattern: '10/new', from: 0, to: 2 })
  await reader.assertUnharmed()
  await server.stop()

  const { writer, sheaf: us, key, address } = await followed(t, { pattern: '10/old', count: 5 })
  const live = await us.live(writer, address)
  await holds(us, key, 5)
  await writer.do('truncate', { core: 'a', length: 0 })
  await writer.do('append', { core: 'a', pattern: '10/new', count: 2 })
  await holds(us, key, 2, 1)
  assert.ok(block('10/new', 1).equals(await us.get(key, 1)))
  await live.stop()
})

test('trap 19: an upgrade answer signs the length of now, while we append', limit, async (t) => {
  const { sheaf, server, reader } = await served(t, { pattern: '10/p', count: 1 })
  const all = reader.do('download', { core: 'a', start: 0, end: 61 })
  for (let length = 1; length < 61; length += 4) await sheaf.append('a', '10/p', length, length + 4)
  await all
  await reader.do('verify', { core: 'a', pattern: '10/p', from: 0, to: 61, wait: false })
  await reader.assertUnharmed()
  await server.stop()
})

// A Node reader pauses whoever refuses it 32 requests on one channel, and has 48 in flight; so the second of these
// holds only if most of them are not refused one by one (the reference itself does, and is paused).
for (const [inflight, options] of [['few', { inflightRange: [4, 4] }], ['many', {}]]) {
  test(`trap 20: ${inflight} requests of the old fork do no harm while we fork`, limit, async (t) => {
    const { sheaf, server, reader } = await served(t, { pattern: '5000/old', count: 3000, options })
    reader.do('download', { core: 'a', start: 0, end: 3000 }).catch(() => {})
    await reader.do('until', { core: 'a', downloads: 100 })
    await sheaf.run(['core', 'truncate', 'a', 1500])
    await sheaf.append('a', '5000/new', 1500, 1600)
    await reader.do('until', { core: 'a', fork: 1, length: 1600 })
    await reader.do('verify', { core: 'a', pattern: '5000/old', from: 0, to: 1500 })
    await reader.do('verify', { core: 'a', pattern: '5000/new', from: 1500, to: 1600 })
    await reader.assertUnharmed()
    await server.stop()
  })
}

test('trap 21: blocks may be announced before the length that covers them', limit, async (t) => {
  const { writer, sheaf, key, address } = await followed(t, { pattern: '10/p', count: 1 })
  const live = await sheaf.live(writer, address)
  await holds(sheaf, key, 1)
  for (let i = 0; i < 30; i++) writer.do('append', { core: 'a', pattern: '10/p', count: 1 })
  await holds(sheaf, key, 31)
  await live.stop()
  await writer.assertUnharmed()
})

test('trap 22: nothing is announced beyond the length', limit, async (t) => {
  const { sheaf, server, reader } = await served(t, { pattern: '10/p', count: 33 })
  await reader.do('until', { core: 'a', length: 33, remoteContiguous: 33 })
  await sheaf.run(['core', 'truncate', 'a', 31])
  await sheaf.append('a', '10/new', 31, 32)
  const facts = await reader.do('until', { core: 'a', fork: 1, length: 32 })
  for (const peer of facts.peers) assert.ok(peer.contiguous <= 33)
  await server.stop()
})

test('trap 23: large blocks are neither asked for nor sent in one batch', limit, async (t) => {
  const MiB = 1024 * 1024
  const { writer, sheaf, key, address } = await followed(t, { pattern: `${7 * MiB}/p`, count: 1 })
  await writer.do('append', { core: 'a', pattern: `${12 * MiB}/p`, count: 1 })
  await writer.do('append', { core: 'a', pattern: `${7 * MiB}/p`, count: 2 })
  await writer.do('append', { core: 'a', pattern: `${12 * MiB}/p`, count: 1 })
  await sheaf.run(['connect', address])
  await holds(sheaf, key, 5)
  await writer.assertUnharmed()
  const server = await sheaf.serve()
  const reader = await NodePeer.start(t)
  await reader.do('open', { core: 'a', key })
  await reader.do('dial', { port: server.port })
  await reader.do('verify', { core: 'a', pattern: `${12 * MiB}/p`, indices: [1, 4] })
  await reader.do('verify', { core: 'a', pattern: `${7 * MiB}/p`, indices: [0, 2, 3] })
  await reader.assertUnharmed()
  await server.stop()
})

test('a reader that allows pushes reads from us like any other', limit, async (t) => {
  const { sheaf, server, reader } = await served(t, { pattern: '10/p', count: 20, options: { allowPush: true } })
  await reader.do('verify', { core: 'a', pattern: '10/p', from: 0, to: 20 })
  await sheaf.append('a', '10/p', 20, 24)
  await reader.do('verify', { core: 'a', pattern: '10/p', from: 20, to: 24 })
  await reader.assertUnharmed()
  await server.stop()
})

test('a folder that nobody has is made by the first command that follows, and a reading one exits 3', limit, async (t) => {
  const sheaf = new Sheaf(t, `${freshFolder(t)}/new`)
  await sheaf.run(['core', 'info', 'a'], { code: 3 })
  await sheaf.follow('44'.repeat(32))
  assert.equal((await sheaf.info('44'.repeat(32))).length, 0)
})
