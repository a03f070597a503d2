// Us to Node: an archive that `sheaf` writes is a hyperdrive, opened by its key in a Node peer.
import test from 'node:test'
import assert from 'node:assert/strict'
import crypto from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { NodePeer, Sheaf, freshFolder } from './harness.mjs'
import { block } from './blocks.mjs'

const limit = { timeout: 600_000 }
const MiB = 1024 * 1024

const sha256 = (bytes) => crypto.createHash('sha256').update(bytes).digest('hex')

// What Node sees of a file.
function file (name, contents, { executable = false, metadata = null } = {}) {
  return { key: name, executable, linkname: null, metadata, length: contents.length, sha256: sha256(contents) }
}

async function reader (t, key, ways = {}) {
  const node = await NodePeer.start(t)
  await node.do('openDrive', { drive: 'd', key, ...ways })
  return node
}

test('files that sheaf wrote are listed and read by a Node hyperdrive', limit, async (t) => {
  const sheaf = new Sheaf(t)
  const { key } = await sheaf.json(['init'])
  assert.deepEqual(await sheaf.json(['init']), { key })
  const big = block(`${5 * MiB + 123}/big`, 0)
  await sheaf.run(['write', 'big'], { input: big })
  await sheaf.run(['write', 'hello.txt'], { input: Buffer.from('old\n') })
  await sheaf.run(['write', '/hello.txt'], { input: Buffer.from('hello\n') })
  await sheaf.run(['write', 'empty'])
  await sheaf.run(['write', 'bin/run', '--executable', '--metadata', '{"tags":["a"]}'], { input: Buffer.from('#!\n') })
  await sheaf.run(['write', 'grüße/日本語 🌾.txt'], { input: Buffer.from('u') })
  await sheaf.run(['write', 'doomed'], { input: Buffer.from('x') })
  await sheaf.run(['rm', 'doomed'])
  await sheaf.run(['append', '{"name":"link","linkname":"hello.txt"}'])
  await sheaf.run(['append', '{"name":"note","metadata":{"a":1}}'])
  const names = (await sheaf.run(['list'])).stdout.toString().split('\n').filter(Boolean).map((l) => JSON.parse(l).name)

  const served = await sheaf.serve()
  const node = await reader(t, key)
  await node.do('dial', { port: served.port })
  const seen = await node.do('mirror', { drive: 'd' })
  const nothing = { executable: false, linkname: null, metadata: null }
  assert.deepEqual(seen, [
    file('/big', big),
    file('/bin/run', Buffer.from('#!\n'), { executable: true, metadata: { tags: ['a'] } }),
    file('/empty', Buffer.alloc(0)),
    file('/grüße/日本語 🌾.txt', Buffer.from('u')),
    file('/hello.txt', Buffer.from('hello\n')),
    { key: '/link', ...nothing, linkname: 'hello.txt' },
    { key: '/note', ...nothing, metadata: { a: 1 } }
  ])
  assert.deepEqual(seen.map((e) => e.key), names)
  assert.deepEqual((await node.do('mirror', { drive: 'd', version: 3 })).map((e) => [e.key, e.length]),
    [['/big', big.length], ['/hello.txt', 4]])
  await node.assertUnharmed()
  await served.stop()
})

test('an encrypted archive of sheaf is carried by one without its key, and read by a Node hyperdrive with it', limit, async (t) => {
  const encryption = '5c'.repeat(32)
  const sheaf = new Sheaf(t)
  const keyFile = path.join(freshFolder(t), 'key')
  fs.writeFileSync(keyFile, encryption, { mode: 0o600 })
  const { key } = await sheaf.json(['init', '--encryption-key-file', keyFile])
  assert.deepEqual(await sheaf.json(['init']), { key })
  const other = path.join(freshFolder(t), 'other')
  fs.writeFileSync(other, '5d'.repeat(32), { mode: 0o600 })
  await sheaf.run(['init', '--encryption-key-file', other], { code: 1 })
  const big = block(`${MiB + 123}/big`, 0)
  await sheaf.run(['write', 'big'], { input: big })
  await sheaf.run(['write', 'hello.txt'], { input: Buffer.from('hello\n') })
  await sheaf.run(['write', 'doomed'], { input: Buffer.from('x') })
  await sheaf.run(['truncate', 3])
  await sheaf.run(['write', 'after'], { input: Buffer.from('fork one\n') })

  const carrier = new Sheaf(t)
  const first = await sheaf.serve()
  await carrier.run(['clone', key, first.address])
  await first.stop()
  assert.equal((await carrier.json(['info'])).archives.find((a) => a.key === key).readable, false)
  // What it cannot read harms nothing that it can.
  await carrier.run(['write', 'own'], { input: Buffer.from('here') })
  const listed = await carrier.run(['list'])
  assert.match(listed.stderr, new RegExp(`${key}: no archive, or encrypted`))
  assert.equal(JSON.parse(listed.stdout).name, '/own')
  assert.equal((await carrier.run(['read', 'own'])).stdout.toString(), 'here')
  await carrier.run(['read', 'nothing'], { code: 6 })
  await carrier.run(['list', '--link', key], { code: 1 })
  await carrier.run(['read', `big@${key}`], { code: 1 })
  const out = path.join(freshFolder(t), 'out')
  await carrier.run(['export', out], { code: 1 })
  assert.deepEqual(fs.readdirSync(out), ['own'])

  const served = await carrier.serve()
  const node = await reader(t, key, { encryption })
  await node.do('dial', { port: served.port })
  assert.deepEqual(await node.do('mirror', { drive: 'd' }), [
    file('/after', Buffer.from('fork one\n')), file('/big', big), file('/hello.txt', Buffer.from('hello\n'))
  ])
  const stranger = await reader(t, key)
  await stranger.do('dial', { port: served.port })
  await assert.rejects(stranger.do('mirror', { drive: 'd' }))
  await node.assertUnharmed()
  await served.stop()
})

for (const way of ['tcp', 'ws', 'dialled tcp', 'dialled ws']) {
  test(`a Node hyperdrive follows write, rm and truncate live, by ${way}`, limit, async (t) => {
    const sheaf = new Sheaf(t)
    const { key } = await sheaf.json(['init'])
    await sheaf.run(['write', 'first'], { input: Buffer.from('first') })
    const node = await reader(t, key)
    let running
    if (way.startsWith('dialled')) {
      running = await sheaf.live(node, way.endsWith('ws') ? await node.webSocketAddress() : await node.address())
    } else {
      running = await sheaf.serveAt(`${way}://127.0.0.1:0`)
      if (way === 'ws') await node.do('dialWebSocket', { url: running.address })
      else await node.do('dial', { port: running.port })
    }
    const seen = async () => (await node.do('mirror', { drive: 'd' })).map((e) => `${e.key} ${e.length}`)
    await node.do('untilVersion', { drive: 'd', version: 2 })
    assert.deepEqual(await seen(), ['/first 5'])
    await sheaf.run(['write', 'second'], { input: block('200000/second', 0) })
    await node.do('untilVersion', { drive: 'd', version: 3 })
    assert.deepEqual(await seen(), ['/first 5', '/second 200000'])
    await sheaf.run(['rm', 'first'])
    await node.do('untilVersion', { drive: 'd', version: 4 })
    assert.deepEqual(await seen(), ['/second 200000'])
    await sheaf.run(['truncate', 2])
    await node.do('untilVersion', { drive: 'd', version: 2, fork: 1 })
    assert.deepEqual(await seen(), ['/first 5'])
    await sheaf.run(['write', 'third'], { input: Buffer.from('third!') })
    await node.do('untilVersion', { drive: 'd', version: 3, fork: 1 })
    assert.deepEqual(await node.do('mirror', { drive: 'd' }),
      [file('/first', Buffer.from('first')), file('/third', Buffer.from('third!'))])
    await node.assertUnharmed()
    await running.stop()
  })
}

test('the keys of an archive are those that Node derives from the same primary key', limit, async (t) => {
  const sheaf = new Sheaf(t)
  const { key } = await sheaf.json(['init'])
  const text = (await sheaf.run(['key', 'export', '-'])).stdout.toString()
  const primary = text.match(/^primary ([0-9a-f]{64})$/m)[1]
  const node = await NodePeer.start(t)
  const keys = await node.do('keysOf', { primary })
  assert.equal(keys.key, key)
  assert.ok((await sheaf.json(['info'])).cores.some((c) => c.kind === 'blobs' && c.key === keys.blobs))
})

test('a list that is live shows what a Node peer writes as it comes, beside what is written here', limit, async (t) => {
  const writer = await NodePeer.start(t)
  const { key } = await writer.do('openDrive', { drive: 'd' })
  await writer.do('writeFiles', { drive: 'd', files: [{ name: '/first', pattern: '10/first' }] })
  const sheaf = new Sheaf(t)
  await sheaf.run(['add', key])
  const live = await sheaf.live(writer, await writer.address())
  const list = sheaf.start(['list', '--live'])
  const entry = (name) => list.next((e) => e.name === name, `${name} in the list`)
  assert.equal((await entry('/first')).link, key)
  await writer.do('writeFiles', { drive: 'd', files: [{ name: '/second', pattern: '90000/second' }] })
  assert.equal((await entry('/second')).length, 90_000)
  await sheaf.run(['write', 'own'], { input: Buffer.from('here') })
  assert.equal((await entry('/own')).length, 4)
  await writer.do('writeFiles', { drive: 'd', files: [{ name: '/first', gone: true }, { name: '/third', pattern: '3/third' }] })
  assert.equal((await entry('/third')).length, 3)
  await list.stop()
  await live.stop()
  await writer.assertUnharmed()
})
