// Node to us: hyperdrives that a Node peer wrote are cloned, listed and read.
import test from 'node:test'
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { NodePeer, Sheaf, freshFolder } from './harness.mjs'
import { block } from './blocks.mjs'
import { MiB, manyFiles, tree } from './trees.mjs'

const limit = { timeout: 600_000 }

async function list (sheaf, ...args) {
  const { stdout } = await sheaf.run(['list', ...args])
  return stdout.toString().split('\n').filter(Boolean).map((line) => JSON.parse(line))
}

// What we list is what Node lists of it.
function assertSameEntries (ours, nodes, key) {
  assert.deepEqual(ours.map((e) => e.name), nodes.map((e) => e.key))
  ours.forEach((entry, i) => {
    const { seq, value } = nodes[i]
    assert.equal(entry.link, key)
    assert.equal(entry.version, seq + 1)
    assert.equal(entry.executable, value.executable)
    assert.equal(entry.linkname, value.linkname)
    assert.deepEqual(entry.metadata, value.metadata)
    if (!value.blob) return
    assert.equal(entry.type, 'file')
    if (!value.blob.blockMap) assert.equal(entry.length, value.blob.byteLength)
    assert.equal(entry.blocks, value.blob.blockLength)
    assert.deepEqual(entry.offset, { block: value.blob.blockOffset, byte: value.blob.byteOffset })
  })
}

async function drive (t, files, options = {}) {
  const writer = await NodePeer.start(t)
  const { key, manifestVersion } = await writer.do('openDrive', { drive: 'd', ...options })
  const { version, blobs } = await writer.do('writeFiles', { drive: 'd', files })
  return { writer, key, manifestVersion, version, blobs, address: await writer.address() }
}

for (const [kind, options] of [['a hyperdrive', {}], ['an encrypted hyperdrive', { encryption: '5c'.repeat(32) }],
  ['a hyperdrive whose header names its blobs core', { manifestVersion: 0 }]]) {
  test(`${kind} of more than 300 files is cloned, listed and read without its writer`, limit, async (t) => {
    const files = manyFiles()
    const { writer, key, manifestVersion, address } = await drive(t, files, options)
    assert.equal(manifestVersion, options.manifestVersion ?? 1)
    const sheaf = new Sheaf(t)
    const more = []
    if (options.encryption) {
      more.push('--encryption-key-file', path.join(freshFolder(t), 'key'))
      fs.writeFileSync(more[1], options.encryption, { mode: 0o600 })
    }
    assert.deepEqual(await sheaf.json(['clone', key, address, ...more]), { key })
    const nodes = await writer.do('entries', { drive: 'd' })
    await writer.assertUnharmed()
    await writer.end()

    const ours = await list(sheaf)
    assertSameEntries(ours, nodes, key)
    const wanted = tree(files)
    assert.equal(ours.length, wanted.size)
    for (const entry of ours) assert.equal(entry.local, entry.blocks, `${entry.name} is here`)
    for (const [at, entry] of ours.entries()) {
      const file = wanted.get(entry.name)
      if (file.linkname || (entry.name.startsWith('/docs/') && at % 10)) continue
      const { stdout } = await sheaf.run(['read', `${entry.name}@${key.slice(0, 6)}`])
      assert.ok(block(file.pattern, 0).equals(stdout), entry.name)
      assert.equal(entry.length, stdout.length)
    }
  })
}

test('parts of files are fetched from a peer when they are read, and no more', limit, async (t) => {
  const { writer, key, blobs, address } = await drive(t, manyFiles())
  const sheaf = new Sheaf(t)
  await sheaf.run(['add', key])
  await sheaf.run(['read', 'big'], { code: 6 })
  const big = block(`${40 * MiB}/big`, 0)
  const at = 31 * MiB + 12345
  const part = async (...args) => (await sheaf.run(['read', 'big', ...args, '--peer', address])).stdout
  assert.ok(big.subarray(at, at + 100_000).equals(await part('--offset', at, '--length', 100_000)))
  assert.ok(big.subarray(40 * MiB - 7).equals(await part('--offset', 40 * MiB - 7, '--length', 1000)), 'cut at the end')
  assert.equal((await part('--offset', 41 * MiB)).length, 0)
  const info = await sheaf.info(blobs)
  assert.ok(info.local <= 6, `${info.local} of ${info.length} blocks were fetched`)
  await writer.assertUnharmed()
})

test('an older version is listed and read as it was', limit, async (t) => {
  const files = [1, 2, 3].map((i) => ({ name: '/a', pattern: `${i * 100}/a` })).concat({ name: '/a', gone: true })
  const { writer, key, version, address } = await drive(t, files)
  assert.equal(version, 5)
  const sheaf = new Sheaf(t)
  await sheaf.run(['clone', key, address])
  for (const at of [2, 3, 4]) {
    assertSameEntries(await list(sheaf, '--link', key, '--checkout', at),
      await writer.do('entries', { drive: 'd', version: at }), key)
    const { stdout } = await sheaf.run(['read', '/a', '--link', key, '--checkout', at])
    assert.ok(block(`${(at - 1) * 100}/a`, 0).equals(stdout))
  }
  assert.deepEqual(await list(sheaf), [])
  await sheaf.run(['read', 'a'], { code: 3 })
  await sheaf.run(['list', '--link', key, '--checkout', 99], { code: 3 })
  await sheaf.run(['list', '--checkout', 2], { code: 2 })
  await writer.assertUnharmed()
})

test('entries of several archives are one list, and are told apart by their links', limit, async (t) => {
  const sheaf = new Sheaf(t)
  const keys = []
  for (const label of ['one', 'two']) {
    const { writer, key, address } = await drive(t, [{ name: '/cool.txt', pattern: `9/${label}` },
      { name: `/only/${label}`, pattern: '5/x' }, { name: '/link', linkname: 'cool.txt' }])
    await sheaf.run(['clone', key, address])
    await writer.assertUnharmed()
    keys.push(key)
  }
  const both = [...keys].sort()
  assert.deepEqual((await list(sheaf)).map((e) => `${e.name}@${e.link}`), [
    ...both.map((k) => `/cool.txt@${k}`), ...both.map((k) => `/link@${k}`), `/only/one@${keys[0]}`, `/only/two@${keys[1]}`])
  assert.deepEqual((await list(sheaf, 'only/')).map((e) => e.name), ['/only/one', '/only/two'])
  assert.deepEqual((await list(sheaf, '/cool.txt')).map((e) => e.link), both)

  const { stderr } = await sheaf.run(['read', 'cool.txt'], { code: 1 })
  for (const key of keys) assert.ok(stderr.includes(`/cool.txt@${key}`), stderr)
  const entry = JSON.stringify({ name: 'cool.txt', link: keys[1] })
  assert.ok(block('9/two', 0).equals((await sheaf.run(['cat', entry])).stdout))
  assert.equal((await sheaf.json(['get', `cool.txt@${keys[0]}`])).link, keys[0])
  assert.equal((await sheaf.json(['get', 'only/two'])).length, 5)
  await sheaf.run(['read', `link@${keys[0]}`], { code: 1 })
  await sheaf.run(['get', 'nothing'], { code: 3 })
  await sheaf.run(['get', '../out'], { code: 2 })

  await sheaf.run(['forget', keys[0]])
  assert.deepEqual((await list(sheaf)).map((e) => e.link), [keys[1], keys[1], keys[1]])
  assert.deepEqual((await sheaf.json(['info'])).cores.map((c) => c.archive), [keys[1], keys[1]])
})

test('a live follower lists and reads what the Node peer writes', limit, async (t) => {
  const { writer, key, address } = await drive(t, [{ name: '/first', pattern: '10/first' }])
  const sheaf = new Sheaf(t)
  await sheaf.run(['add', key])
  const live = await sheaf.live(writer, address)
  const { version } = await writer.do('writeFiles', { drive: 'd', files: [{ name: '/second', pattern: '90000/second' }] })
  const seen = async () => (await list(sheaf)).find((e) => e.name === '/second' && e.local === e.blocks)
  let entry
  while (!(entry = await seen())) await new Promise((resolve) => setTimeout(resolve, 25))
  assert.equal(entry.version, version)
  assert.ok(block('90000/second', 0).equals((await sheaf.run(['read', 'second'])).stdout))
  await live.stop()
  await writer.assertUnharmed()
})

test('a clone ends with 6 where nobody has the archive', limit, async (t) => {
  const { writer, address } = await drive(t, [{ name: '/a', pattern: '1/a' }])
  const sheaf = new Sheaf(t)
  await sheaf.run(['--timeout', '1', 'clone', '77'.repeat(32), address], { code: 6 })
  const { stderr } = await sheaf.run(['list'])
  assert.ok(stderr.includes('77'.repeat(32)), 'an archive that is not here yet is a note')
  await writer.assertUnharmed()
})
