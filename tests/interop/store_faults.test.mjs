// Cells of the router's fault matrix on real files, by the command line: the states that a folder can be brought into
// from outside. The whole matrix, 16 states times 12 operations, runs in memory (tests/storage/router_faults_test.cpp).
//
// The store `faulty` is the one that fails. `both` lies in it and in `sound`, `only` in it alone, `other` in `sound`.
// What has to come of each operation stands in the table; after each the fault is taken away, and what was
// acknowledged has to be there.
import test from 'node:test'
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { Sheaf, freshFolder, within } from './harness.mjs'

const limit = { timeout: 600_000 }
const value = (name, to) => JSON.stringify({ name, to, filling: name.repeat(400) })
const first = { both: value('first both', ['faulty', 'sound']), only: value('first only', ['faulty']) }
const kept = {
  both: value('both', ['faulty', 'sound']), only: value('only', ['faulty']), other: value('other', ['sound'])
}

const configuration = (faulty) => `
[[storage.store]]
label = "small"
[[storage.store]]
label = "sound"
backend = "log"
${faulty ? '[[storage.store]]\nlabel = "faulty"' : ''}
[storage]
fallback = "small"
[[storage.route]]
json = "/to"
to_json = "/to"
`

// A folder in which everything was put, `faulty` as it was before the last puts, and values in its tables.
async function world (t) {
  const root = freshFolder(t)
  const sheaf = new Sheaf(t, path.join(root, 'dir'))
  fs.mkdirSync(sheaf.folder)
  fs.writeFileSync(path.join(sheaf.folder, 'sheaf.toml'), configuration(true))
  for (const [key, text] of Object.entries(first)) await sheaf.run(['store', 'put', key], { input: Buffer.from(text) })
  fs.cpSync(path.join(sheaf.folder, 'faulty'), path.join(root, 'before'), { recursive: true })
  for (const [key, text] of Object.entries(kept)) await sheaf.run(['store', 'put', key], { input: Buffer.from(text) })
  await sheaf.run(['store', 'list']) // opening moves what lies in LevelDB's log to a table
  return root
}

const move = (from, to) => fs.renameSync(from, to)

// How each state is brought about; each gives what takes the fault away again.
const states = {
  'missing folder' (dir) {
    move(path.join(dir, 'faulty'), path.join(dir, '..', 'away'))
    return () => {
      fs.rmSync(path.join(dir, 'faulty'), { recursive: true, force: true })
      move(path.join(dir, '..', 'away'), path.join(dir, 'faulty'))
    }
  },
  async 'locked by another' (dir, t) {
    const other = new Sheaf(t, path.join(dir, '..', 'other'))
    await other.run(['init']) // a root of its own, which the store is new to
    fs.writeFileSync(path.join(other.folder, 'sheaf.toml'),
      `[[storage.store]]\nlabel = "mine"\npath = "${path.join(dir, 'faulty')}"\n`)
    const holder = other.start(['store', 'watch'])
    await within((async () => {
      while (!holder.stderr.includes('watching')) await new Promise((resolve) => holder.child.stderr.once('data', resolve))
    })(), 'another to hold the store')
    return () => holder.stop()
  },
  'unreadable table' (dir) {
    const tables = fs.readdirSync(path.join(dir, 'faulty')).filter((name) => name.endsWith('.ldb'))
    assert.notEqual(tables.length, 0)
    const whole = tables.map((name) => [path.join(dir, 'faulty', name), fs.readFileSync(path.join(dir, 'faulty', name))])
    for (const [file, bytes] of whole) {
      const altered = Buffer.from(bytes)
      for (let at = 40; at < altered.length - 400; at += 100) altered[at] ^= 1 // not the footer nor the index before it
      fs.writeFileSync(file, altered)
    }
    return () => { for (const [file, bytes] of whole) fs.writeFileSync(file, bytes) }
  },
  'stale, from a backup' (dir) {
    move(path.join(dir, 'faulty'), path.join(dir, '..', 'away'))
    fs.cpSync(path.join(dir, '..', 'before'), path.join(dir, 'faulty'), { recursive: true })
    return () => {
      fs.rmSync(path.join(dir, 'faulty'), { recursive: true, force: true })
      move(path.join(dir, '..', 'away'), path.join(dir, 'faulty'))
    }
  },
  'removed from the configuration' (dir) {
    fs.writeFileSync(path.join(dir, 'sheaf.toml'), configuration(false))
    return () => fs.writeFileSync(path.join(dir, 'sheaf.toml'), configuration(true))
  },
  'root lost' (dir) {
    move(path.join(dir, 'root'), path.join(dir, '..', 'away'))
    return () => {
      fs.rmSync(path.join(dir, 'root'), { recursive: true, force: true })
      move(path.join(dir, '..', 'away'), path.join(dir, 'root'))
    }
  }
}

const fresh = value('fresh', ['faulty'])
const freshBoth = value('fresh both', ['faulty', 'sound'])
const freshOther = value('fresh other', ['sound'])
const batch = ['store', 'batch']
const twoPuts = [['both', freshBoth], ['other', freshOther]].map(([key, value]) => JSON.stringify({ type: 'put', key, value })).join('\n')

// State, operation (its arguments and input), exit code, what stdout has to be or hold, and which values are others
// afterwards (null: gone). A value that no copy is left of is not looked for where `lost` names it.
const cells = [
  ['missing folder', ['store', 'get', 'both'], '', 0, kept.both],
  ['missing folder', ['store', 'get', 'only'], '', 4, ''],
  ['missing folder', ['store', 'get', 'other'], '', 0, kept.other],
  ['missing folder', ['store', 'put', 'other'], freshOther, 0, '', { other: freshOther }],
  ['missing folder', ['store', 'del', 'only'], '', 0, '', { only: null }],
  ['missing folder', ['store', 'check'], '', 4, /"missing_copy".*"both"/],
  ['missing folder', ['store', 'check', '--repair'], '', 4, /"missing_copy".*"both","mended":true/],
  ['locked by another', ['store', 'get', 'both'], '', 0, kept.both],
  ['locked by another', ['store', 'get', 'only'], '', 1, ''],
  ['locked by another', ['store', 'put', 'only'], fresh, 1, ''],
  ['locked by another', ['store', 'put', 'other'], freshOther, 0, '', { other: freshOther }],
  ['locked by another', batch, twoPuts, 1, ''],
  ['locked by another', ['store', 'list'], '', 0, /"both".*\n.*"only".*\n.*"other"/],
  ['locked by another', ['store', 'check'], '', 4, /"unreadable","store":"faulty"/],
  ['unreadable table', ['store', 'get', 'both'], '', 0, kept.both],
  ['unreadable table', ['store', 'get', 'only'], '', 4, ''],
  ['unreadable table', ['store', 'check'], '', 4, /"faulty"/],
  ['stale, from a backup', ['store', 'get', 'both'], '', 0, kept.both],
  ['stale, from a backup', ['store', 'get', 'only'], '', 4, ''],
  ['stale, from a backup', ['store', 'check'], '', 4, /"missing_copy".*"only"/],
  ['removed from the configuration', ['store', 'get', 'both'], '', 0, kept.both],
  ['removed from the configuration', ['store', 'get', 'only'], '', 4, ''],
  ['removed from the configuration', ['store', 'put', 'only'], fresh, 0, '', { only: fresh }],
  ['removed from the configuration', ['store', 'check'], '', 4, /"unreadable","store":"faulty"/],
  ['root lost', ['store', 'get', 'other'], '', 4, ''],
  ['root lost', ['store', 'put', 'other'], freshOther, 4, ''],
  ['root lost', ['store', 'list'], '', 4, ''],
  ['root lost', ['store', 'check', '--repair'], '', 4, '']
]

test('cells of the fault matrix on real files', limit, async (t) => {
  const whole = await world(t)
  for (const [state, args, input, code, out, changed = {}] of cells) {
    const root = path.join(freshFolder(t), 'w')
    fs.cpSync(whole, root, { recursive: true })
    const sheaf = new Sheaf(t, path.join(root, 'dir'))
    const what = `${state}: sheaf ${args.join(' ')}`
    const mend = await states[state](sheaf.folder, t)
    const ran = await sheaf.run(args, { input: Buffer.from(input), code: null })
    assert.equal(ran.code, code, `${what}: ${ran.stderr}`)
    if (out instanceof RegExp) assert.match(ran.stdout.toString(), out, what)
    else assert.equal(ran.stdout.toString(), out, what)
    if (code !== 0) assert.match(ran.stderr, state === 'root lost' ? /root was lost/ : /faulty|wrong/, what)
    await mend()
    for (const [key, text] of Object.entries({ ...kept, ...changed })) {
      const { stdout, stderr } = await sheaf.run(['store', 'get', key], { code: text === null ? 3 : 0 })
      assert.equal(stdout.toString(), text ?? '', `${what}, then ${key}: ${stderr}`)
    }
    await sheaf.run(['store', 'check', '--repair'])
    const again = await sheaf.run(['store', 'check'])
    assert.match(again.stdout.toString(), /"findings":0/, `${what}, then a check`)
  }
  t.diagnostic(`${cells.length} cells`)
})
