// Us to Node: an archive that `sheaf` writes is a hyperdrive, opened by its key in a Node peer.
import test from 'node:test'
import assert from 'node:assert/strict'
import crypto from 'node:crypto'
import { NodePeer, Sheaf } from './harness.mjs'
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
