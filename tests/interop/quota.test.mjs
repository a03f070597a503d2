// An archive that a Node peer wrote, followed with a quota: it is fetched that far and no further, and goes on
// when the quota is larger.
import test from 'node:test'
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { NodePeer, Sheaf } from './harness.mjs'

const limit = { timeout: 600_000 }
const size = 50_000  // of a file: one block

// Lines that say why it goes no further.
const mentions = (stderr) => String(stderr).split('\n').filter((line) => line.includes('quota')).length

function setQuota (sheaf, quota) {
  fs.mkdirSync(sheaf.folder, { recursive: true })
  fs.writeFileSync(path.join(sheaf.folder, 'sheaf.toml'), `[bundle]\nquota_archive = ${quota}\n`)
}

test('a drive is cloned up to the quota, exit 5; with more it goes on and is whole', limit, async (t) => {
  const writer = await NodePeer.start(t)
  const { key } = await writer.do('openDrive', { drive: 'd' })
  const files = Array.from({ length: 20 }, (_, i) => ({ name: `/file ${i}`, pattern: `${size}/quota ${i}` }))
  const { blobs } = await writer.do('writeFiles', { drive: 'd', files })
  const address = await writer.address()
  const sheaf = new Sheaf(t)
  const here = async () => (await sheaf.info(blobs)).local

  setQuota(sheaf, '"256 KiB"')
  const { stderr } = await sheaf.run(['clone', key, address], { code: 5 })
  assert.equal(mentions(stderr), 1, stderr)
  assert.equal(await here(), 5)
  // What is here stays, and nothing is fetched over and over.
  const { stderr: again } = await sheaf.run(['connect', address], { code: 5 })
  assert.match(again, new RegExp(`^sheaf: ${key}: .*quota.*\n$`))
  assert.equal(await here(), 5)

  setQuota(sheaf, '"512 KiB"')
  await sheaf.run(['connect', address], { code: 5 })
  assert.equal(await here(), 10)
  setQuota(sheaf, '"2 MiB"')
  await sheaf.run(['connect', address])
  assert.equal(await here(), 20)
  await writer.assertUnharmed()
})

test('a server that follows with a quota says so once, and its peer is told why', limit, async (t) => {
  const writer = new Sheaf(t)
  const { key } = await writer.json(['init'])
  for (let i = 0; i < 4; i++) await writer.run(['write', `file ${i}`], { input: Buffer.alloc(size, i) })
  const sheaf = new Sheaf(t)
  setQuota(sheaf, 120_000)
  const server = await sheaf.serve()
  // Also when both have known it for long.
  for (let i = 0; i < 2; i++) {
    const { stderr } = await writer.run(['connect', server.address])
    assert.match(stderr, /does not follow 1 of the archives here: quota/)
  }
  await server.stop()
  assert.equal(mentions(server.stderr), 1, server.stderr)
  assert.ok(server.stderr.includes(key))
})
