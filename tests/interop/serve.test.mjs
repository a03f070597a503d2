// Us to Node: cores that `sheaf` wrote are read by a Node peer.
import test from 'node:test'
import assert from 'node:assert/strict'
import { NodePeer, Sheaf } from './harness.mjs'
import { block, byteLength } from './blocks.mjs'

const limit = { timeout: 600_000 }

// `sheaf` serves one core that it wrote; a Node reader has dialled it.
async function sheafAndReader (t, { pattern, count = 0 }) {
  const sheaf = new Sheaf(t)
  const key = await sheaf.createCore('a')
  if (count) await sheaf.append('a', pattern, 0, count)
  const served = await sheaf.serve()
  const reader = await NodePeer.start(t)
  await reader.do('open', { core: 'a', key })
  await reader.do('dial', { port: served.port })
  return { sheaf, served, reader, key }
}

async function assertAllRead ({ served, reader }, pattern, count) {
  const read = await reader.do('verify', { core: 'a', pattern, from: 0, to: count }, 240_000)
  assert.deepEqual(read, { blocks: count, bytes: byteLength(pattern, 0, count) })
  await reader.assertUnharmed()
  await served.stop()
}

test('10,000 blocks of 0 B to 1 MiB', limit, async (t) => {
  const both = await sheafAndReader(t, { pattern: 'mixed/serve', count: 10_000 })
  await assertAllRead(both, 'mixed/serve', 10_000)
})

test('a block of 14 MiB', limit, async (t) => {
  const pattern = `${14 * 1024 * 1024}/large`
  const sheaf = new Sheaf(t)
  const key = await sheaf.createCore('a')
  await sheaf.run(['core', 'append', 'a'], { input: block(pattern, 0) })
  const served = await sheaf.serve()
  const reader = await NodePeer.start(t)
  await reader.do('open', { core: 'a', key })
  await reader.do('dial', { port: served.port })
  await assertAllRead({ served, reader }, pattern, 1)
})

// Node asks for more at once than may wait in our queue: it is answered as fast as it reads.
test('blocks of 1 MiB, asked for forty-eight at a time and more', limit, async (t) => {
  const pattern = `${1024 * 1024}/big`
  const both = await sheafAndReader(t, { pattern, count: 160 })
  await assertAllRead(both, pattern, 160)
})

test('100,000 blocks of 10 B', limit, async (t) => {
  const both = await sheafAndReader(t, { pattern: '10/many', count: 100_000 })
  await assertAllRead(both, '10/many', 100_000)
})

test('sparse gets far apart give those blocks and send no others', limit, async (t) => {
  const { reader, served } = await sheafAndReader(t, { pattern: '50/sparse', count: 50_000 })
  const indices = [0, 49_999, 25_000, 25_001, 7, 40_960, 1]
  await reader.do('verify', { core: 'a', pattern: '50/sparse', indices })
  assert.equal((await reader.do('info', { core: 'a' })).downloads, indices.length)
  await reader.assertUnharmed()
  await served.stop()
})

test('byte seek by a Node reader', limit, async (t) => {
  const pattern = 'mixed/seek'
  const { reader, served } = await sheafAndReader(t, { pattern, count: 1000 })
  await reader.do('until', { core: 'a', length: 1000 })
  const starts = byteLength(pattern, 0, 700)
  assert.deepEqual(await reader.do('seek', { core: 'a', bytes: starts }), { block: 700, byte: 0 })
  await reader.assertUnharmed()
  await served.stop()
})

test('200 cores go over one connection', limit, async (t) => {
  const sheaf = new Sheaf(t)
  const keys = []
  for (let i = 0; i < 200; i++) {
    keys.push(await sheaf.createCore(`m${i}`))
    await sheaf.append(`m${i}`, `100/${i}`, 0, 3)
  }
  const served = await sheaf.serve()
  const reader = await NodePeer.start(t)
  await reader.do('openMany', { prefix: 'm', count: 200, keys })
  await reader.do('dial', { port: served.port })
  for (let i = 0; i < keys.length; i++) await reader.do('verify', { core: `m${i}`, pattern: `100/${i}`, from: 0, to: 3 })
  assert.equal((await reader.do('connections')).length, 1)
  await reader.assertUnharmed()
  await served.stop()
})

test('a core that we do not have is rejected, and the rest goes on', limit, async (t) => {
  const { reader, served } = await sheafAndReader(t, { pattern: '10/known', count: 50 })
  await reader.do('open', { core: 'ghost', key: '77'.repeat(32) })
  assert.equal(await reader.do('update', { core: 'ghost' }, 20_000), false)
  await assertAllRead({ served, reader }, '10/known', 50)
})

test('an empty core is served, and then its first append arrives', limit, async (t) => {
  const { sheaf, reader, served } = await sheafAndReader(t, {})
  await reader.do('until', { core: 'a', synced: true })
  assert.equal(await reader.do('update', { core: 'a' }, 20_000), false)
  await sheaf.append('a', '10/first', 0, 1)
  await assertAllRead({ served, reader }, '10/first', 1)
})
