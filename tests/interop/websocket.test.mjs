// Over WebSocket, with the package `ws` on the other side: both ways of dialling, message boundaries that mean
// nothing, pings, and the end.
import test from 'node:test'
import assert from 'node:assert/strict'
import WebSocket from 'ws'
import { NodePeer, Sheaf, eventually } from './harness.mjs'

const limit = { timeout: 600_000 }
const pattern = 'mixed/websocket'
const count = 2_000

for (const odd of [false, true]) {
  const how = odd ? 'messages of odd sizes, fragments and pings' : 'plain messages'

  test(`Node dials us and reads: ${how}`, limit, async (t) => {
    const sheaf = new Sheaf(t)
    const key = await sheaf.createCore('a')
    await sheaf.append('a', pattern, 0, count)
    const served = await sheaf.serveAt('ws://127.0.0.1:0')
    assert.match(served.address, /^ws:\/\/127\.0\.0\.1:\d+$/)
    const reader = await NodePeer.start(t)
    await reader.do('open', { core: 'a', key })
    const { connection } = await reader.do('dialWebSocket', { url: served.address, odd })
    assert.equal((await reader.do('verify', { core: 'a', pattern, from: 0, to: count })).blocks, count)
    assert.equal((await reader.do('webSocket', { connection, ping: true })).extensions, '')
    await reader.assertUnharmed()
    await served.stop()
    await reader.closed(connection)
    await eventually(() => reader.do('webSocket', { connection }), ({ closeCode }) => closeCode === 1000,
      'the close code')
  })

  test(`we dial Node and fetch: ${how}`, limit, async (t) => {
    const writer = await NodePeer.start(t)
    const { key } = await writer.do('open', { core: 'a' })
    await writer.do('append', { core: 'a', pattern, count })
    const sheaf = new Sheaf(t)
    await sheaf.follow(key)
    await sheaf.run(['connect', await writer.webSocketAddress({ odd })])
    assert.equal((await sheaf.info(key)).local, count)
    await writer.assertUnharmed()
  })
}

test('two sheafs, live', limit, async (t) => {
  const a = new Sheaf(t)
  const b = new Sheaf(t)
  const key = await a.createCore('a')
  await b.follow(key)
  const served = await a.serveAt('ws://127.0.0.1:0/peers')
  const joined = b.start(['connect', '--live', served.address])
  await a.append('a', pattern, 0, 100)
  await eventually(() => b.info(key), ({ local }) => local === 100, 'the blocks')
  await joined.stop()
  await served.stop()
})

test('a page of another origin, and another path, are refused', limit, async (t) => {
  const sheaf = new Sheaf(t)
  await sheaf.createCore('a')
  const served = await sheaf.serveAt('ws://127.0.0.1:0/peers')
  const status = (url, options) => new Promise((resolve, reject) => {
    const socket = new WebSocket(url, options)
    socket.on('unexpected-response', (_, response) => { resolve(response.statusCode); socket.terminate() })
    socket.on('open', () => { resolve(101); socket.terminate() })
    socket.on('error', reject)
  })
  assert.equal(await status(served.address), 101)
  assert.equal(await status(served.address, { origin: 'https://evil.example' }), 403)
  assert.equal(await status(served.address + '/else'), 404)
  const other = new Sheaf(t)
  await other.createCore('b')
  const refused = await other.run(['connect', served.address + '/else'], { code: 5 })
  assert.match(refused.stderr, /refused/)
  await served.stop()
})
