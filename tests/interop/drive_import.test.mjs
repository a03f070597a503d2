// Us to Node: a folder that is imported is the tree that a Node hyperdrive reads by our key.
import test from 'node:test'
import assert from 'node:assert/strict'
import crypto from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { NodePeer, Sheaf, freshFolder } from './harness.mjs'
import { block } from './blocks.mjs'
import { assertFolderIs, manyFiles, tree, writeFolder } from './trees.mjs'

const limit = { timeout: 600_000 }
const sha256 = (bytes) => crypto.createHash('sha256').update(bytes).digest('hex')

// What an import or export says it did: "add /name" and so on.
async function done (sheaf, args, options) {
  const { stdout } = await sheaf.run(args, options)
  return stdout.toString().split('\n').filter(Boolean).map((line) => JSON.parse(line)).map((o) => `${o.op} ${o.name}`)
}

const byBytes = (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))

// What Node has of the drive is what the files are.
function assertMirrored (seen, files) {
  const wanted = tree(files)
  assert.deepEqual(seen.map((e) => e.key), [...wanted.keys()].sort(byBytes))
  for (const entry of seen) {
    const file = wanted.get(entry.key)
    assert.equal(entry.linkname, file.linkname ?? null, entry.key)
    assert.equal(entry.executable, !!file.executable, entry.key)
    assert.ok(Number.isInteger(entry.metadata.mtime), `${entry.key} has its time`)
    if (file.linkname) continue
    const contents = block(file.pattern, 0)
    assert.equal(entry.length, contents.length, entry.key)
    assert.equal(entry.sha256, sha256(contents), entry.key)
  }
}

for (const way of ['TCP', 'WebSocket', 'TCP that sheaf dials', 'WebSocket that sheaf dials']) {
  test(`a folder of more than 300 files is imported, and mirrored by a Node hyperdrive over ${way}`, limit, async (t) => {
    const files = manyFiles()
    const folder = path.join(freshFolder(t), 'in')
    writeFolder(folder, files)
    const sheaf = new Sheaf(t)
    const { key } = await sheaf.json(['init'])
    const names = [...tree(files).keys()].sort(byBytes)
    assert.deepEqual(await done(sheaf, ['import', folder]), names.map((name) => `add ${name}`))
    const lengths = async () => (await sheaf.json(['info'])).cores.map((c) => c.length)
    const before = await lengths()
    assert.deepEqual(await done(sheaf, ['import', folder]), [], 'a second run has nothing to do')
    assert.deepEqual(await lengths(), before, 'a second run stores no block')

    const node = await NodePeer.start(t)
    await node.do('openDrive', { drive: 'd', key })
    let running
    if (way === 'TCP') {
      running = await sheaf.serve()
      await node.do('dial', { port: running.port })
    } else if (way === 'WebSocket') {
      running = await sheaf.serveAt('ws://127.0.0.1:0')
      await node.do('dialWebSocket', { url: running.address })
    } else {
      running = await sheaf.live(node, way.startsWith('TCP') ? await node.address() : await node.webSocketAddress())
    }
    assertMirrored(await node.do('mirror', { drive: 'd' }), files)
    const mirrored = path.join(freshFolder(t), 'mirrored')
    assert.equal((await node.do('mirrorTo', { drive: 'd', folder: mirrored })).add, names.length)
    assertFolderIs(mirrored, files, { times: false })

    // While it is served: the second process hands the command over.
    fs.writeFileSync(path.join(folder, 'later'), 'later')
    fs.rmSync(path.join(folder, 'docs', '3'), { recursive: true })
    const gone = names.filter((name) => name.startsWith('/docs/3/'))
    assert.deepEqual(await done(sheaf, ['import', '--prune', folder]),
      ['add /later', ...gone.map((name) => `remove ${name}`)])
    const { length: version } = (await sheaf.json(['info'])).cores.find((c) => c.kind === 'archive')
    await node.do('untilVersion', { drive: 'd', version })
    const seen = await node.do('mirror', { drive: 'd' })
    assert.deepEqual(seen.map((e) => e.key), [...names.filter((n) => !gone.includes(n)), '/later'].sort(byBytes))

    const out = path.join(freshFolder(t), 'out')
    await sheaf.run(['export', out])
    assert.deepEqual(fs.readdirSync(out).sort(), fs.readdirSync(folder).sort())
    await node.assertUnharmed()
    await running.stop()
  })
}

test('import . with the store in it does not carry the keys', limit, async (t) => {
  const files = [{ name: '/a', pattern: '10/a' }, { name: '/b/c', pattern: '10/c' }]
  const folder = freshFolder(t)
  writeFolder(folder, files)
  const sheaf = new Sheaf(t, path.join(folder, '.sheaf'))
  assert.deepEqual(await done(sheaf, ['import', folder]), ['add /a', 'add /b/c'])
  assert.deepEqual(await done(sheaf, ['import', '.'], { cwd: folder }), [])
  assert.deepEqual(await done(sheaf, ['import', '--to', 'again', '.'], { cwd: folder }), ['add /again/a', 'add /again/b/c'])
  assert.deepEqual(await done(sheaf, ['import', './.sheaf'], { cwd: folder, code: 1 }), [])
  const out = path.join(freshFolder(t), 'out')
  await sheaf.run(['export', out])
  assertFolderIs(out, [...files, ...files.map((f) => ({ ...f, name: '/again' + f.name }))])
})
