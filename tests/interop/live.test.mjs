// What changes on one side reaches the other while they are connected, and when they meet again.
import test from 'node:test'
import assert from 'node:assert/strict'
import { NodePeer, Sheaf, eventually } from './harness.mjs'
import { block } from './blocks.mjs'

const limit = { timeout: 180_000 }

async function served (t, pattern, count) {
  const sheaf = new Sheaf(t)
  const key = await sheaf.createCore('a')
  await sheaf.append('a', pattern, 0, count)
  const server = await sheaf.serve()
  const reader = await NodePeer.start(t)
  await reader.do('open', { core: 'a', key })
  await reader.do('dial', { port: server.port })
  await reader.do('verify', { core: 'a', pattern, from: 0, to: count })
  return { sheaf, server, reader, key }
}

async function followed (t, pattern, count) {
  const writer = await NodePeer.start(t)
  const { key } = await writer.do('open', { core: 'a' })
  await writer.do('append', { core: 'a', pattern, count })
  const sheaf = new Sheaf(t)
  await sheaf.follow(key)
  const address = await writer.address()
  return { writer, sheaf, key, address }
}

function holds (sheaf, key, length, fork = 0) {
  return eventually(() => sheaf.info(key),
    (info) => info.length === length && info.local === length && info.fork === fork,
    `${length} blocks at fork ${fork}`)
}

test('appends from a second process into a folder that is being served reach a Node reader', limit, async (t) => {
  const { sheaf, server, reader } = await served(t, '100/live', 5)
  for (let length = 5; length < 15; length += 2) {
    await sheaf.append('a', '100/live', length, length + 2)
    await reader.do('until', { core: 'a', length: length + 2 })
  }
  await reader.do('verify', { core: 'a', pattern: '100/live', from: 0, to: 15 })
  assert.equal((await reader.do('connections')).length, 1)
  await reader.assertUnharmed()
  await server.stop()
})

test('appends by a Node writer reach us while connected', limit, async (t) => {
  const { writer, sheaf, key, address } = await followed(t, '100/live', 5)
  const live = await sheaf.live(writer, address)
  await holds(sheaf, key, 5)
  for (let length = 5; length < 11; length++) {
    await writer.do('append', { core: 'a', pattern: '100/live', count: 1 })
    await holds(sheaf, key, length + 1)
  }
  assert.ok(block('100/live', 10).equals(await sheaf.get(key, 10)))
  assert.equal((await writer.do('connections')).length, 1)
  await live.stop()
  await writer.assertUnharmed()
})

test('a truncate of ours reaches a connected Node reader, and what is appended then', limit, async (t) => {
  const { sheaf, server, reader } = await served(t, '100/old', 20)
  await sheaf.run(['core', 'truncate', 'a', 12])
  await reader.do('until', { core: 'a', fork: 1 })
  await sheaf.append('a', '100/new', 12, 16)
  await reader.do('until', { core: 'a', fork: 1, length: 16 })
  await reader.do('verify', { core: 'a', pattern: '100/new', from: 12, to: 16 })
  await reader.do('verify', { core: 'a', pattern: '100/old', from: 0, to: 12, wait: false })
  assert.equal((await reader.do('info', { core: 'a' })).length, 16)
  await reader.assertUnharmed()
  await server.stop()
})

test('a truncate by a Node writer reaches us while connected, and what is appended then', limit, async (t) => {
  const { writer, sheaf, key, address } = await followed(t, '100/old', 20)
  const live = await sheaf.live(writer, address)
  await holds(sheaf, key, 20)
  await writer.do('truncate', { core: 'a', length: 12 })
  await holds(sheaf, key, 12, 1)
  await writer.do('append', { core: 'a', pattern: '100/new', count: 4 })
  await holds(sheaf, key, 16, 1)
  assert.ok(block('100/old', 11).equals(await sheaf.get(key, 11)))
  assert.ok(block('100/new', 12).equals(await sheaf.get(key, 12)))
  await live.stop()
  await writer.assertUnharmed()
})

test('a Node reader that was away while we forked ends with the new history', limit, async (t) => {
  const { sheaf, server, reader } = await served(t, '100/old', 20)
  await reader.do('close', { connection: 1 })
  await sheaf.run(['core', 'truncate', 'a', 7])
  await sheaf.append('a', '100/new', 7, 25)
  await reader.do('dial', { port: server.port })
  await reader.do('until', { core: 'a', fork: 1, length: 25 })
  await reader.do('verify', { core: 'a', pattern: '100/new', from: 7, to: 25 })
  await reader.do('verify', { core: 'a', pattern: '100/old', from: 0, to: 7 })
  await reader.assertUnharmed()
  await server.stop()
})

test('we end with the new history when we were away while a Node writer forked', limit, async (t) => {
  const { writer, sheaf, key, address } = await followed(t, '100/old', 20)
  await sheaf.run(['connect', address])
  await writer.do('truncate', { core: 'a', length: 7 })
  await writer.do('append', { core: 'a', pattern: '100/new', count: 18 })
  await sheaf.run(['connect', address])
  await holds(sheaf, key, 25, 1)
  assert.ok(block('100/old', 6).equals(await sheaf.get(key, 6)))
  assert.ok(block('100/new', 7).equals(await sheaf.get(key, 7)))
  assert.ok(block('100/new', 24).equals(await sheaf.get(key, 24)))
  await writer.assertUnharmed()
})

test('two forks while we were away are followed as one', limit, async (t) => {
  const { writer, sheaf, key, address } = await followed(t, '100/old', 20)
  await sheaf.run(['connect', address])
  await writer.do('truncate', { core: 'a', length: 15 })
  await writer.do('append', { core: 'a', pattern: '100/between', count: 10 })
  await writer.do('truncate', { core: 'a', length: 3 })
  await writer.do('append', { core: 'a', pattern: '100/new', count: 3 })
  await sheaf.run(['connect', address])
  await holds(sheaf, key, 6, 2)
  assert.ok(block('100/new', 5).equals(await sheaf.get(key, 5)))
  await writer.assertUnharmed()
})
