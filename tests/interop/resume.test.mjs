// A transfer that is cut goes on over a new connection, and loads again at most what was in flight.
import test from 'node:test'
import assert from 'node:assert/strict'
import { NodePeer, Proxy, Sheaf, eventually } from './harness.mjs'

const limit = { timeout: 180_000 }
const count = 4000
const size = 4096
const pattern = `${size}/cut`
const cutAt = 6_000_000 // of 16 MB

async function followed (t) {
  const writer = await NodePeer.start(t)
  const { key } = await writer.do('open', { core: 'a' })
  await writer.do('append', { core: 'a', pattern, count })
  await writer.address()
  const proxy = await Proxy.start(t, writer.port)
  const sheaf = new Sheaf(t)
  await sheaf.follow(key)
  return { writer, proxy, sheaf, key }
}

test('we go on after a cut: what was stored is not sent again', limit, async (t) => {
  const { writer, proxy, sheaf, key } = await followed(t)
  proxy.cutAfter(cutAt)
  await sheaf.run(['connect', proxy.address], { code: 6 })
  const stored = (await sheaf.info(key)).local
  const { uploads } = await writer.do('info', { core: 'a' })
  assert.ok(stored > 0 && stored < count, `${stored} blocks were stored when it was cut`)

  await sheaf.run(['connect', proxy.address])
  assert.equal((await sheaf.info(key)).local, count)
  const after = await writer.do('info', { core: 'a' })
  assert.equal(after.uploads - uploads, count - stored, 'blocks of the second connection')
  assert.equal(after.uploadedTwice, uploads - stored, 'sent twice is what was in flight')
  assert.ok(after.uploadedTwice <= 1024, `${after.uploadedTwice} blocks were in flight`)
  t.diagnostic(`stored before the cut: ${stored}; in flight when it came: ${after.uploadedTwice}`)
})

test('a live connection of ours redials after a cut and goes on', limit, async (t) => {
  const { writer, proxy, sheaf, key } = await followed(t)
  proxy.cutAfter(cutAt)
  const live = await sheaf.live(writer, proxy.address)
  await eventually(() => sheaf.info(key), (info) => info.local === count, 'all blocks after a redial')
  assert.equal(proxy.links.length, 2)
  const { uploadedTwice } = await writer.do('info', { core: 'a' })
  assert.ok(uploadedTwice <= 1024, `${uploadedTwice} blocks twice`)
  await live.stop()
})

test('a Node reader of ours goes on after a cut: what was stored is not sent again', limit, async (t) => {
  const sheaf = new Sheaf(t)
  const key = await sheaf.createCore('a')
  await sheaf.append('a', pattern, 0, count)
  const served = await sheaf.serve()
  const proxy = await Proxy.start(t, served.port)
  const reader = await NodePeer.start(t)
  await reader.do('open', { core: 'a', key })
  proxy.cutAfter(cutAt)
  const whole = reader.do('download', { core: 'a', start: 0, end: count })
  await reader.do('dial', { port: proxy.port })
  await reader.closed(1)
  const stored = (await reader.do('info', { core: 'a' })).downloads
  await reader.do('dial', { port: proxy.port })
  await whole
  await reader.do('verify', { core: 'a', pattern, from: 0, to: count, wait: false })
  // A block travels with at most a dozen tree nodes of 40 bytes.
  const most = (count - stored) * (size + 500) + 65_536
  assert.ok(proxy.links[1].received <= most, `${proxy.links[1].received} bytes for ${count - stored} blocks`)
  assert.equal((await reader.do('info', { core: 'a' })).downloads, count)
  await served.stop()
})

test('a reader that is killed in the middle keeps what it had', limit, async (t) => {
  const { writer, proxy, sheaf, key } = await followed(t)
  const first = sheaf.start(['connect', proxy.address])
  await writer.do('until', { core: 'a', uploads: 1500 })
  await first.kill()
  const stored = (await sheaf.info(key)).local
  await sheaf.run(['connect', proxy.address])
  assert.equal((await sheaf.info(key)).local, count)
  t.diagnostic(`stored when it was killed: ${stored}`)
  await writer.do('until', { core: 'a', peers: 0 })
})
