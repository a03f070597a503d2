// Node to us: cores that a Node peer wrote are fetched, verified, kept over a restart and served on.
import test from 'node:test'
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { NodePeer, Sheaf, eventually, freshFolder } from './harness.mjs'
import { block, byteLength } from './blocks.mjs'

const limit = { timeout: 600_000 }

// A Node writer with one core, and `sheaf` that follows it.
async function writerAndSheaf (t, { pattern, count, add = [], ...options }) {
  const writer = await NodePeer.start(t)
  const { key } = await writer.do('open', { core: 'a', ...options })
  if (count) await writer.do('append', { core: 'a', pattern, count })
  const sheaf = new Sheaf(t)
  await sheaf.follow(key, ...add)
  return { writer, sheaf, key, address: await writer.address() }
}

async function assertKept (sheaf, key, pattern, count) {
  const info = await sheaf.info(key)
  assert.equal(info.length, count)
  assert.equal(info.local, count)
  assert.equal(info.bytes, byteLength(pattern, 0, count))
}

// A fresh Node reader, which never met the writer, reads everything from `sheaf`.
async function assertServedOn (t, sheaf, key, pattern, count, options = {}) {
  const served = await sheaf.serve()
  const reader = await NodePeer.start(t)
  await reader.do('open', { core: 'a', key, ...options })
  await reader.do('dial', { port: served.port })
  await reader.do('verify', { core: 'a', pattern, from: 0, to: count })
  await reader.assertUnharmed()
  await served.stop()
}

test('10,000 blocks of 0 B to 1 MiB are fetched, kept over a restart, and served on', limit, async (t) => {
  const count = 10_000
  const pattern = 'mixed/fetch'
  const { writer, sheaf, key, address } = await writerAndSheaf(t, { pattern, count })
  await sheaf.run(['connect', address])
  await writer.assertUnharmed()
  assert.equal((await writer.do('info', { core: 'a' })).uploads, count, 'each block was sent once')
  await writer.end()
  await assertKept(sheaf, key, pattern, count)
  for (const index of [0, 1, 500, 4999, 8191, 8192, 9500, 9999]) {
    assert.ok(block(pattern, index).equals(await sheaf.get(key, index)), `block ${index}`)
  }
  await sheaf.run(['core', 'get', key, count], { code: 3 })
  await assertServedOn(t, sheaf, key, pattern, count)
})

test('a block of 14 MiB', limit, async (t) => {
  const pattern = `${14 * 1024 * 1024}/large`
  const { writer, sheaf, key, address } = await writerAndSheaf(t, { pattern, count: 1 })
  await sheaf.run(['connect', address])
  await writer.assertUnharmed()
  assert.ok(block(pattern, 0).equals(await sheaf.get(key, 0)))
  await assertServedOn(t, sheaf, key, pattern, 1)
})

test('100,000 blocks of 10 B', limit, async (t) => {
  const pattern = '10/many'
  const { writer, sheaf, key, address } = await writerAndSheaf(t, { pattern, count: 100_000 })
  await sheaf.run(['connect', address])
  await writer.assertUnharmed()
  await assertKept(sheaf, key, pattern, 100_000)
  await assertServedOn(t, sheaf, key, pattern, 100_000)
})

test('sparse gets far apart fetch those blocks and no others', limit, async (t) => {
  const pattern = '50/sparse'
  const { writer, sheaf, key, address } = await writerAndSheaf(t, { pattern, count: 50_000 })
  const indices = [0, 49_999, 25_000, 25_001, 7, 40_960, 1]
  for (const index of indices) {
    assert.ok(block(pattern, index).equals(await sheaf.get(key, index, '--peer', address)), `block ${index}`)
  }
  const info = await sheaf.info(key)
  assert.equal(info.local, indices.length)
  assert.equal(info.length, 50_000)
  await sheaf.run(['core', 'get', key, 2], { code: 6 })
  assert.equal((await writer.do('info', { core: 'a' })).uploads, indices.length)
  await writer.assertUnharmed()
})

test('byte seek finds the block that holds a byte, here and over the wire', limit, async (t) => {
  const pattern = 'mixed/seek'
  const { writer, sheaf, key, address } = await writerAndSheaf(t, { pattern, count: 1000 })
  const starts = byteLength(pattern, 0, 700)
  const inside = starts + Math.floor((byteLength(pattern, 0, 701) - starts) / 2)
  const wanted = { block: 700, byte: inside - starts }
  assert.deepEqual(await sheaf.json(['core', 'seek', key, inside, '--peer', address]), wanted)
  assert.ok((await writer.do('info', { core: 'a' })).uploads < 50, 'a seek does not fetch the core')
  await sheaf.run(['connect', address])
  assert.deepEqual(await sheaf.json(['core', 'seek', key, inside]), wanted)
  await sheaf.run(['core', 'seek', key, byteLength(pattern, 0, 1000) + 1], { code: 3 })
  await writer.assertUnharmed()
})

test('an encrypted core is carried without its key and read with it', limit, async (t) => {
  const encryption = '2a'.repeat(32)
  const pattern = '300/secret'
  const { writer, sheaf, key, address } = await writerAndSheaf(t, {
    pattern, count: 40, alone: true, seed: 'encrypted', encryption
  })
  await sheaf.run(['connect', address])
  await writer.assertUnharmed()
  const carried = await sheaf.get(key, 7)
  assert.ok(!carried.includes(block(pattern, 7)), 'without the key the plain text is not here')
  assert.equal(carried.length, 300 + 8)

  const keyFile = path.join(freshFolder(t), 'key')
  fs.writeFileSync(keyFile, encryption + '\n', { mode: 0o600 })
  await sheaf.follow(key, '--encryption-key-file', keyFile)
  assert.ok(block(pattern, 7).equals(await sheaf.get(key, 7)))

  const carrier = new Sheaf(t)
  await carrier.follow(key)
  await carrier.run(['connect', address])
  await assertServedOn(t, carrier, key, pattern, 40, { alone: true, encryption })
})

test('a core of 2 of 3 signers is followed and served on', limit, async (t) => {
  const pattern = 'mixed/quorum'
  const { writer, sheaf, key, address } = await writerAndSheaf(t, { pattern, count: 300, alone: true, quorum: 'q' })
  await sheaf.run(['connect', address])
  await writer.assertUnharmed()
  await assertKept(sheaf, key, pattern, 300)
  await writer.end()
  await assertServedOn(t, sheaf, key, pattern, 300, { alone: true })
})

test('a compat core is followed and served on', limit, async (t) => {
  const pattern = 'mixed/compat'
  const { writer, sheaf, key, address } = await writerAndSheaf(t, {
    pattern, count: 300, alone: true, compat: true, seed: 'compat'
  })
  await sheaf.run(['connect', address])
  await writer.assertUnharmed()
  await assertKept(sheaf, key, pattern, 300)
  await writer.end()
  await assertServedOn(t, sheaf, key, pattern, 300, { alone: true })
})

test('200 cores come over one connection', limit, async (t) => {
  const writer = await NodePeer.start(t)
  const keys = await writer.do('openMany', { prefix: 'm', count: 200 })
  for (let i = 0; i < keys.length; i++) await writer.do('append', { core: `m${i}`, pattern: `100/${i}`, count: 10 })
  const sheaf = new Sheaf(t)
  for (const key of keys) await sheaf.follow(key)
  await sheaf.run(['connect', await writer.address()])
  assert.equal((await writer.do('connections')).length, 1)
  await writer.assertUnharmed()
  await writer.end()

  const served = await sheaf.serve()
  const reader = await NodePeer.start(t)
  await reader.do('openMany', { prefix: 'm', count: 200, keys })
  await reader.do('dial', { port: served.port })
  for (let i = 0; i < keys.length; i++) await reader.do('verify', { core: `m${i}`, pattern: `100/${i}`, from: 0, to: 10 })
  assert.equal((await reader.do('connections')).length, 1)
  await reader.assertUnharmed()
  await served.stop()
})

test('a core that the Node peer does not have is rejected by it, and the rest goes on', limit, async (t) => {
  const { writer, sheaf, key, address } = await writerAndSheaf(t, { pattern: '10/known', count: 50 })
  await sheaf.follow('77'.repeat(32))
  await sheaf.run(['connect', address])
  await assertKept(sheaf, key, '10/known', 50)
  await writer.assertUnharmed()
})

test('an empty core is followed, and then its first append arrives', limit, async (t) => {
  const { writer, sheaf, key, address } = await writerAndSheaf(t, {})
  const live = await sheaf.live(writer, address)
  await writer.do('until', { core: 'a', peers: 1, synced: true })
  assert.equal((await sheaf.info(key)).length, 0)
  await writer.do('append', { core: 'a', pattern: '10/first', count: 1 })
  await eventually(() => sheaf.info(key), (info) => info.local === 1, 'the first block')
  assert.ok(block('10/first', 0).equals(await sheaf.get(key, 0)))
  await live.stop()
  await writer.assertUnharmed()
})
