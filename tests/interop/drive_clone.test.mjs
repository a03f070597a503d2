// Node to us: a drive that a Node peer wrote is cloned, and exported into a folder that is that drive.
import test from 'node:test'
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { NodePeer, Sheaf, freshFolder } from './harness.mjs'
import { assertFolderIs, manyFiles, tree } from './trees.mjs'

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
      await writer.assertUnharmed()
      await writer.end()

      const out = path.join(freshFolder(t), 'out')
      const names = [...tree(files).keys()].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
      assert.deepEqual(await exported(sheaf, [out, '--dry-run']), names.map((name) => `add ${name}`))
      assert.ok(!fs.existsSync(out), 'a dry run makes nothing')
      assert.deepEqual(await exported(sheaf, [out]), names.map((name) => `add ${name}`))
      assertFolderIs(out, files)
      assert.deepEqual(await exported(sheaf, [out]), [], 'a second run has nothing to do')
    })
  }
}
