// Node with Node through the harness: what the other tests ask of `sheaf` is what the reference does itself, and
// the harness sees it.
import test from 'node:test'
import assert from 'node:assert/strict'
import { NodePeer, Proxy } from './harness.mjs'
import { block, byteLength, sizeOf } from './blocks.mjs'

const limit = { timeout: 120_000 }

async function pair (t) {
  const [writer, reader] = await Promise.all([NodePeer.start(t), NodePeer.start(t)])
  await writer.address()
  return { writer, reader }
}

test('a pattern gives the same bytes each time, without a newline, from 0 B to 1 MiB', () => {
  for (const index of [0, 1, 500, 999]) assert.ok(block('mixed/p', index).equals(block('mixed/p', index)))
  assert.equal(sizeOf('mixed/p', 0), 0)
  assert.equal(sizeOf('mixed/p', 500), 1024 * 1024)
  assert.ok(!block('65536/p', 3).includes(10))
  const all = byteLength('mixed/p', 0, 10_000)
  assert.ok(all > 50e6 && all < 200e6, `10,000 mixed blocks have ${all} bytes`)
})

test('a core is read by another peer, block by block as it was written', limit, async (t) => {
  const { writer, reader } = await pair(t)
  const { key } = await writer.do('open', { core: 'a' })
  await writer.do('append', { core: 'a', pattern: 'mixed/r', count: 600 })
  await reader.do('open', { core: 'a', key })
  await reader.do('dial', { port: writer.port })
  const read = await reader.do('verify', { core: 'a', pattern: 'mixed/r', from: 0, to: 600 })
  assert.deepEqual(read, { blocks: 600, bytes: byteLength('mixed/r', 0, 600) })
  await assert.rejects(reader.do('verify', { core: 'a', pattern: 'mixed/other', from: 1, to: 2 }), /block 1 differs/)
  await writer.assertUnharmed()
  await reader.assertUnharmed()
})

test('a reader that was cut goes on where it was, loading again at most what was in flight', limit, async (t) => {
  const { writer, reader } = await pair(t)
  const proxy = await Proxy.start(t, writer.port)
  const { key } = await writer.do('open', { core: 'a' })
  await writer.do('append', { core: 'a', pattern: '4096/r', count: 2000 })
  await reader.do('open', { core: 'a', key })
  proxy.cutAfter(2_000_000)
  const whole = reader.do('download', { core: 'a', start: 0, end: 2000 })
  await reader.do('dial', { port: proxy.port })
  await reader.closed()
  await reader.do('dial', { port: proxy.port })
  await whole
  const { uploadedTwice } = await writer.do('info', { core: 'a' })
  assert.ok(uploadedTwice > 0 && uploadedTwice < 500, `${uploadedTwice} blocks twice`)
  assert.equal(proxy.links.length, 2)
})

test('2 of 3 signers, a compat core and an encrypted core', limit, async (t) => {
  const { writer, reader } = await pair(t)
  const encryption = '11'.repeat(32)
  const kinds = { quorum: { quorum: 'q' }, compat: { compat: true, seed: 'c' }, secret: { encryption, seed: 's' } }
  for (const [core, options] of Object.entries(kinds)) {
    const { key } = await writer.do('open', { core, alone: true, ...options })
    await writer.do('append', { core, pattern: '100/r', count: 20 })
    const mine = options.encryption ? { encryption } : {}
    await reader.do('open', { core, alone: true, key, ...mine })
  }
  await reader.do('dial', { port: writer.port })
  for (const core of Object.keys(kinds)) await reader.do('verify', { core, pattern: '100/r', from: 0, to: 20 })
  const blind = await NodePeer.start(t)
  const { key } = await writer.do('info', { core: 'secret' })
  await blind.do('open', { core: 'secret', key, alone: true })
  await blind.do('dial', { port: writer.port })
  await assert.rejects(blind.do('verify', { core: 'secret', pattern: '100/r', from: 0, to: 1 }), /differs/)
  await writer.assertUnharmed()
})

test('an append and a truncate reach a connected reader', limit, async (t) => {
  const { writer, reader } = await pair(t)
  const { key } = await writer.do('open', { core: 'a' })
  await reader.do('open', { core: 'a', key })
  await reader.do('dial', { port: writer.port })
  await writer.do('append', { core: 'a', pattern: '10/r', count: 5 })
  await reader.do('until', { core: 'a', length: 5 })
  await writer.do('truncate', { core: 'a', length: 2 })
  await writer.do('append', { core: 'a', pattern: '10/later', count: 1 })
  await reader.do('until', { core: 'a', fork: 1, length: 3 })
  await reader.do('verify', { core: 'a', pattern: '10/later', from: 2, to: 3 })
})

test('many cores share one connection', limit, async (t) => {
  const { writer, reader } = await pair(t)
  const keys = await writer.do('openMany', { prefix: 'm', count: 50 })
  for (let i = 0; i < 50; i++) await writer.do('append', { core: `m${i}`, pattern: `20/${i}`, count: 3 })
  await reader.do('openMany', { prefix: 'm', count: 50, keys })
  await reader.do('dial', { port: writer.port })
  for (let i = 0; i < 50; i++) await reader.do('verify', { core: `m${i}`, pattern: `20/${i}`, from: 0, to: 3 })
  assert.equal((await writer.do('connections')).length, 1)
})

test('byte seek finds the block that holds a byte', limit, async (t) => {
  const { writer, reader } = await pair(t)
  const { key } = await writer.do('open', { core: 'a' })
  await writer.do('append', { core: 'a', pattern: '10/r', count: 100 })
  await reader.do('open', { core: 'a', key })
  await reader.do('dial', { port: writer.port })
  await reader.do('until', { core: 'a', length: 100 })
  assert.deepEqual(await reader.do('seek', { core: 'a', bytes: 123 }), { block: 12, byte: 3 })
})

test('a reader that allows pushes takes a block that it did not ask for', limit, async (t) => {
  const { writer, reader } = await pair(t)
  const { key } = await writer.do('open', { core: 'a' })
  await writer.do('append', { core: 'a', pattern: '10/r', count: 3 })
  await reader.do('open', { core: 'a', key, allowPush: true })
  await reader.do('dial', { port: writer.port })
  await writer.do('until', { core: 'a', allowPush: true })
  await writer.do('push', { core: 'a', index: 1 })
  await reader.do('until', { core: 'a', downloads: 1 })
  await reader.do('verify', { core: 'a', pattern: '10/r', indices: [1], wait: false })
})
