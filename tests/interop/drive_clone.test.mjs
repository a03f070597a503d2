// Node to us: a drive that a Node peer wrote is cloned, and exported into a folder that is that drive.
import test from 'node:test'
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { NodePeer, Sheaf, freshFolder } from './harness.mjs'
import { MiB, assertFolderIs, manyFiles, tree } from './trees.mjs'

const limit = { timeout: 600_000 }

async function drive (t, files, options = {}) {
  const writer = await NodePeer.start(t)
  const { key } = await writer.do('openDrive', { drive: 'd', ...options })
  const { version, blobs } = await writer.do('writeFiles', { drive: 'd', files })
  return { writer, key, version, blobs }
}

// What an export says it did: "add /name" and so on.
async function exported (sheaf, args, options) {
  const { stdout } = await sheaf.run(['export', ...args], options)
  return stdout.toString().split('\n').filter(Boolean).map((line) => JSON.parse(line)).map((o) => `${o.op} ${o.name}`)
}

const kinds = [['a drive', {}], ['an encrypted drive', { encryption: '5c'.repeat(32) }],
  ['a drive whose header names its blobs core', { manifestVersion: 0 }]]

for (const transport of ['TCP', 'WebSocket']) {
  for (const [kind, options] of kinds) {
    test(`${kind} is cloned over ${transport} and exported as the tree that it is`, limit, async (t) => {
      const files = manyFiles()
      const { writer, key } = await drive(t, files, options)
      const address = await (transport === 'TCP' ? writer.address() : writer.webSocketAddress({ odd: true }))
      const sheaf = new Sheaf(t)
      const more = []
      if (options.encryption) {
        more.push('--encryption-key-file', path.join(freshFolder(t), 'key'))
        fs.writeFileSync(more[1], options.encryption, { mode: 0o600 })
      }
      assert.deepEqual(await sheaf.json(['clone', key, address, ...more]), { key })
      assert.deepEqual(await sheaf.json(['clone', key, address, ...more]), { key })
      if (transport === 'TCP') {
        const [first, second] = await writer.do('connections')
        assert.ok(first.written > 40 * MiB, `the first clone moved ${first.written} bytes`)
        assert.ok(second.written < MiB / 16, `the second clone moved ${second.written} bytes: less than a block`)
      }
      await writer.assertUnharmed()
      await writer.end()

      const out = path.join(freshFolder(t), 'out')
      const names = [...tree(files).keys()].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
      // This one's text steps up behind a name: such links come last.
      names.push(...names.splice(names.indexOf('/around'), 1))
      assert.deepEqual(await exported(sheaf, [out, '--dry-run']), names.map((name) => `add ${name}`))
      assert.ok(!fs.existsSync(out), 'a dry run makes nothing')
      assert.deepEqual(await exported(sheaf, [out]), names.map((name) => `add ${name}`))
      assertFolderIs(out, files)
      assert.deepEqual(await exported(sheaf, [out]), [], 'a second run has nothing to do')
    })
  }
}

test('one file is downloaded, by its name and whole, and nothing else', limit, async (t) => {
  const { writer, key, blobs } = await drive(t, manyFiles())
  const address = await writer.address()
  const sheaf = new Sheaf(t)
  await sheaf.run(['add', key])
  const here = async () => (await sheaf.info(blobs)).local
  await sheaf.run(['download', 'bin/run', '--peer', address])
  assert.equal(await here(), 1)
  await sheaf.run(['download', JSON.stringify({ name: '/mapped', link: key }), '--peer', address])
  const withMapped = await here()
  assert.ok(withMapped >= 3, `the map and what it names: ${withMapped}`)
  assert.equal((await sheaf.run(['read', 'mapped'])).stdout.length, 300_000)
  await sheaf.run(['download', 'link', '--peer', address])
  assert.equal(await here(), withMapped, 'a link has no contents')
  await sheaf.run(['download', 'nothing', '--peer', address], { code: 3 })
  await sheaf.run(['download', 'big', '--peer', address])
  assert.equal(await here(), withMapped + 40 * MiB / 65536)
  await sheaf.run(['download', '--all', '--peer', address])
  const info = await sheaf.info(blobs)
  assert.equal(info.local, info.length)
  await writer.assertUnharmed()
})

test('an export in the middle of a fetch writes what is whole, and the rest later', limit, async (t) => {
  const files = [1, 2, 3].map((i) => ({ name: `/f${i}`, pattern: `${200_000}/f${i}` }))
  const { writer, key } = await drive(t, files)
  const address = await writer.address()
  const sheaf = new Sheaf(t)
  await sheaf.run(['add', key])
  const out = path.join(freshFolder(t), 'out')
  await sheaf.run(['export', out], { code: 6 })
  assert.ok(!fs.existsSync(out))
  for (const { name } of files) await sheaf.run(['download', name, '--peer', address])
  const live = await sheaf.live(writer, address, '--sparse')
  assert.deepEqual(await exported(sheaf, [out]), files.map((f) => `add ${f.name}`))
  assertFolderIs(out, files)
  await live.stop()
  await writer.assertUnharmed()
})
