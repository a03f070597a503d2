// Three in a row: a Node writer, `sheaf`, and a Node reader that never meet but through it.
import test from 'node:test'
import assert from 'node:assert/strict'
import { NodePeer, Sheaf } from './harness.mjs'

const limit = { timeout: 180_000 }

async function row (t, options = {}) {
  const [writer, reader] = await Promise.all([NodePeer.start(t), NodePeer.start(t)])
  const { key } = await writer.do('open', { core: 'a', ...options })
  const sheaf = new Sheaf(t)
  await sheaf.follow(key)
  const address = await writer.address()
  const relay = () => sheaf.serve('--peer', address)
  await reader.do('open', { core: 'a', key, alone: options.alone })
  return { writer, reader, sheaf, key, relay }
}

test('what the writer appends reaches the reader live', limit, async (t) => {
  const { writer, reader, relay } = await row(t)
  const between = await relay()
  await reader.do('dial', { port: between.port })
  for (let length = 10; length <= 50; length += 10) {
    await writer.do('append', { core: 'a', pattern: 'mixed/row', count: 10 })
    await reader.do('until', { core: 'a', length })
    await reader.do('verify', { core: 'a', pattern: 'mixed/row', from: length - 10, to: length })
  }
  assert.equal((await writer.do('connections')).length, 1)
  await writer.assertUnharmed()
  await reader.assertUnharmed()
  await between.stop()
})

test('what the writer truncates reaches the reader live', limit, async (t) => {
  const { writer, reader, relay } = await row(t)
  const between = await relay()
  await writer.do('append', { core: 'a', pattern: '100/old', count: 20 })
  await reader.do('dial', { port: between.port })
  await reader.do('until', { core: 'a', length: 20 })
  await reader.do('verify', { core: 'a', pattern: '100/old', from: 0, to: 20 })
  await writer.do('truncate', { core: 'a', length: 5 })
  await writer.do('append', { core: 'a', pattern: '100/new', count: 5 })
  await reader.do('until', { core: 'a', fork: 1, length: 10 })
  await reader.do('verify', { core: 'a', pattern: '100/new', from: 5, to: 10 })
  await writer.assertUnharmed()
  await reader.assertUnharmed()
  await between.stop()
})

// Who hears of the new fork when, and has said what of its blocks by then, is different each time.
test('what the writer truncates reaches the reader, whoever of the three falls behind', limit, async (t) => {
  const [writer, reader] = await Promise.all([NodePeer.start(t), NodePeer.start(t)])
  const sheaf = new Sheaf(t)
  const between = await sheaf.serve('--peer', await writer.address())
  await reader.do('dial', { port: between.port })
  for (let i = 0; i < 30; i++) {
    const core = `c${i}`
    const { key } = await writer.do('open', { core })
    await sheaf.follow(key)
    await reader.do('open', { core, key })
    await writer.do('append', { core, pattern: '100/old', count: 20 })
    await reader.do('until', { core, length: 20 })
    const goOn = [writer, reader, between].map((one) => stutter(one.child))
    try {
      await reader.do('verify', { core, pattern: '100/old', from: 0, to: 20 })
      await writer.do('truncate', { core, length: 5 })
      await writer.do('append', { core, pattern: '100/new', count: 5 })
      await reader.do('until', { core, fork: 1, length: 10 })
      await reader.do('verify', { core, pattern: '100/new', from: 5, to: 10 })
    } finally {
      for (const each of goOn) each()
    }
  }
  await writer.assertUnharmed()
  await reader.assertUnharmed()
  await between.stop()
})

// Stops and continues a process again and again, at random; ends with what this returns.
function stutter (child) {
  let timer
  const next = (stopped) => {
    child.kill(stopped ? 'SIGSTOP' : 'SIGCONT')
    timer = setTimeout(next, Math.random() * 6, !stopped)
  }
  next(false)
  return () => {
    clearTimeout(timer)
    child.kill('SIGCONT')
  }
}

for (const [how, end] of [['stopped', (p) => p.stop()], ['killed', (p) => p.kill()]]) {
  test(`sheaf is ${how} and started again in the middle`, limit, async (t) => {
    const { writer, reader, relay } = await row(t)
    await writer.do('append', { core: 'a', pattern: '2000/row', count: 2000 })
    const first = await relay()
    const all = reader.do('download', { core: 'a', start: 0, end: 3000 })
    await reader.do('dial', { port: first.port })
    await reader.do('until', { core: 'a', downloads: 500 })
    await end(first)
    await reader.closed(1)
    await writer.do('append', { core: 'a', pattern: '2000/row', count: 1000 })
    const second = await relay()
    await reader.do('dial', { port: second.port })
    await all
    await reader.do('verify', { core: 'a', pattern: '2000/row', from: 0, to: 3000, wait: false })
    assert.equal((await reader.do('info', { core: 'a' })).everPaused, false)
    await second.stop()
  })
}

test('two readers and a 2 of 3 core', limit, async (t) => {
  const { writer, reader, key, relay } = await row(t, { alone: true, quorum: 'row' })
  const other = await NodePeer.start(t)
  await other.do('open', { core: 'a', key, alone: true })
  const between = await relay()
  await reader.do('dial', { port: between.port })
  await other.do('dial', { port: between.port })
  for (let length = 5; length <= 15; length += 5) {
    await writer.do('append', { core: 'a', pattern: '50/row', count: 5 })
    await Promise.all([reader, other].map((peer) => peer.do('until', { core: 'a', length })))
  }
  for (const peer of [reader, other]) {
    await peer.do('verify', { core: 'a', pattern: '50/row', from: 0, to: 15 })
    await peer.assertUnharmed()
  }
  await between.stop()
})
