// Three folders, each with a writer of its own, become one: over socat and over sockets, in single sessions and live.
import test from 'node:test'
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { Sheaf, eventually, freshFolder, within } from './harness.mjs'

const limit = { timeout: 300_000 }
const patience = 60_000

// Joins the syncs of two folders as a user would at a shell. Both end with 0 and have nothing to say.
async function sync (a, b, how = '') {
  const command = (sheaf) => `EXEC:${process.env.SHEAF} -d ${sheaf.folder} sync${how}`
  const child = spawn('socat', [command(a), command(b)], { stdio: ['ignore', 'pipe', 'pipe'] })
  let err = ''
  child.stderr.on('data', (data) => { err += data })
  const [code] = await within(once(child, 'close'), 'socat to end', patience)
  assert.deepEqual({ code, err }, { code: 0, err: '' })
}

// The same without socat, which ends its second child when the first one has gone: each may say its last words.
async function join (a, b) {
  const ends = [a, b].map((sheaf) => {
    const child = spawn(process.env.SHEAF, ['-d', sheaf.folder, 'sync'])
    const end = { child, err: '' }
    child.stderr.on('data', (data) => { end.err += data })
    child.stdin.on('error', () => {}) // it may go while the other one still writes
    return end
  })
  ends[0].child.stdout.pipe(ends[1].child.stdin)
  ends[1].child.stdout.pipe(ends[0].child.stdin)
  const codes = await within(Promise.all(ends.map(({ child }) => once(child, 'close'))), 'both to end', patience)
  return ends.map(({ err }, i) => ({ code: codes[i][0], err }))
}

const write = (sheaf, name, text) => sheaf.run(['write', name], { input: Buffer.from(text) })

async function entries (sheaf, ...more) {
  const { stdout } = await sheaf.run(['list', ...more])
  return stdout.toString().split('\n').filter(Boolean).map((line) => JSON.parse(line))
}

// Each of the folders has three entries with three links, and their contents.
async function assertOneView (folders, contents) {
  for (const sheaf of folders) {
    const all = await entries(sheaf)
    assert.deepEqual(all.map((e) => e.name).sort(), Object.keys(contents).flatMap((name) => contents[name].map(() => `/${name}`)).sort())
    assert.equal(new Set(all.map((e) => e.link)).size, all.length)
    assert.deepEqual(all.map((e) => e.length).sort(), Object.values(contents).flat().map((text) => text.length).sort())
    const read = {}
    for (const entry of all) {
      const { stdout } = await sheaf.run(['read', JSON.stringify({ name: entry.name.slice(1), link: entry.link })])
      ;(read[entry.name.slice(1)] ||= []).push(stdout.toString())
    }
    for (const name of Object.keys(contents)) assert.deepEqual(read[name].sort(), contents[name])
  }
}

async function three (t) {
  const [a, b, c] = [new Sheaf(t), new Sheaf(t), new Sheaf(t)]
  for (const [sheaf, name, text] of [[a, 'hello.txt', 'HI\n'], [b, 'hello.txt', 'HOWDY\n'], [c, 'cool.txt', 'WHATEVER\n']]) {
    const { stdout } = await write(sheaf, name, text) // HM-30
    assert.equal(stdout.length, 0)
    assert.deepEqual((await entries(sheaf)).map((e) => [e.name, e.length]), [[`/${name}`, text.length]])
  }
  return { a, b, c, contents: { 'hello.txt': ['HI\n', 'HOWDY\n'], 'cool.txt': ['WHATEVER\n'] } }
}

for (const how of ['', ',pipes']) {
  test(`HM-25, HM-26, HM-35: a with b, b with c, a with b: all three have all, over socat${how}`, limit, async (t) => {
    const { a, b, c, contents } = await three(t)
    await sync(a, b, how)
    await sync(b, c, how)
    assert.equal((await entries(a)).length, 2) // a and c never meet: b has yet to tell
    await sync(a, b, how)
    await assertOneView([a, b, c], contents)
  })
}

test('a forgotten archive does not come back with the next sync', limit, async (t) => {
  const { a, b } = await three(t)
  await sync(a, b)
  const own = (await a.json(['init'])).key
  const other = (await entries(a)).map((e) => e.link).find((each) => each !== own)
  await a.run(['forget', other])
  const note = 'sheaf: note: stdio: does not follow 1 of the archives here: forgotten\n'
  assert.deepEqual(await join(a, b), [{ code: 0, err: '' }, { code: 0, err: note }])
  assert.deepEqual((await entries(a)).map((e) => e.link), [own])
  assert.equal((await entries(b)).length, 2)
})

test('a private archive is not told', limit, async (t) => {
  const { a, b, c } = await three(t)
  const key = (await c.json(['init'])).key
  const running = await c.serve()
  await b.run(['add', key, '--private'])
  await b.run(['connect', running.address])
  await eventually(() => entries(b), (all) => all.length === 2, 'the private archive to come')
  await sync(a, b)
  assert.equal((await entries(a)).filter((e) => e.link === key).length, 0)
})

test('who would tell every stranger what is here is warned', limit, async (t) => {
  const warnings = async (where, config) => {
    const sheaf = new Sheaf(t)
    fs.writeFileSync(path.join(sheaf.folder, 'sheaf.toml'), config)
    const running = await sheaf.serveAt(where)
    await running.stop()
    return (running.stderr.match(/warning: .*every stranger .* learns the archives' keys/g) || []).length
  }
  const listed = `[bundle]\nallow_peers = ["${'11'.repeat(32)}"]\n`
  assert.equal(await warnings('tcp://0.0.0.0:0', ''), 1)
  assert.equal(await warnings('tcp://127.0.0.1:0', ''), 0)
  assert.equal(await warnings('tcp://0.0.0.0:0', listed), 0)
  assert.equal(await warnings('tcp://0.0.0.0:0', '[bundle]\nannounce = "allowed"\n'), 0)
})

test('HM-14, HM-16 live: what c writes is in a at once, joined over TCP and WebSocket by way of b', limit, async (t) => {
  const { a, b, c, contents } = await three(t)
  const atC = await c.serveAt('ws://127.0.0.1:0')
  const atB = await b.serve('--peer', atC.address)
  await a.serve('--peer', atB.address)
  await eventually(() => entries(a), (all) => all.length === 3, 'three entries', patience)
  await eventually(() => entries(c), (all) => all.length === 3, 'three entries', patience)
  await assertOneView([a, b, c], contents)
  const live = a.start(['list', '--live'])
  await live.next((e) => e.name === '/cool.txt', 'what is there')
  await write(c, 'news.txt', 'just now')
  const news = await live.next((e) => e.name === '/news.txt', 'the news', patience)
  assert.equal((await a.run(['read', JSON.stringify({ name: 'news.txt', link: news.link })])).stdout.toString(), 'just now')
  assert.equal(news.link, (await c.json(['init'])).key)
})

test('a sparse folder gets, reads and exports what only a peer of the bundle has', limit, async (t) => {
  const [a, b] = [new Sheaf(t), new Sheaf(t)]
  const key = (await a.json(['init'])).key
  for (const name of ['one', 'two', 'three']) await write(a, name, `text of ${name}`)
  const log = await a.createCore('log')
  await a.run(['core', 'append', log, '--lines'], { input: Buffer.from('x\ny\nz\n') })
  const atA = await a.serve()
  await b.run(['add', key])
  await b.run(['add', log, '--core'])
  const first = await b.serve('--sparse', '--peer', atA.address)
  const { stdout } = await eventually(() => b.run(['get', 'two'], { code: null }), ({ code }) => code === 0, 'the entry')
  const got = JSON.parse(stdout)
  assert.deepEqual([got.name, got.link, got.local], ['/two', key, 0])
  await b.run(['read', 'one'])
  await first.stop()
  // Now both heads agree, so nothing opens a channel but the reader.
  const holder = await b.serve('--sparse', '--peer', atA.address)
  const two = await eventually(() => b.run(['read', 'two'], { code: null }), ({ code }) => code === 0, 'its contents')
  assert.equal(two.stdout.toString(), 'text of two')
  assert.equal((await b.run(['core', 'get', log, '1'])).stdout.toString(), 'y')
  await b.run(['get', 'four'], { code: 3 })
  const target = freshFolder(t)
  await b.run(['export', target])
  assert.deepEqual(fs.readdirSync(target).sort(), ['one', 'three', 'two'])
  assert.equal(fs.readFileSync(path.join(target, 'three'), 'utf8'), 'text of three')
  // Once nobody is there, what was not fetched is not here.
  await atA.stop()
  await b.run(['core', 'get', log, '2'], { code: 6 })
  assert.equal((await b.run(['read', 'one'])).stdout.toString(), 'text of one')
  await holder.stop()
})

test('HM-31, HM-32: list prints an object a line for each entry of each archive, and read takes each of them back', limit, async (t) => {
  const { a, b, c } = await three(t)
  await sync(a, b)
  await sync(b, c)
  await write(c, 'cool.txt', 'WHATEVER, again\n')
  await write(c, 'deep/er.txt', '')
  const { stdout } = await c.run(['list'])
  const lines = stdout.toString().split('\n')
  assert.equal(lines.pop(), '')
  const contents = { '/cool.txt': ['WHATEVER, again\n'], '/deep/er.txt': [''], '/hello.txt': ['HI\n', 'HOWDY\n'] }
  const read = {}
  for (const line of lines) {
    const { name, link } = JSON.parse(line)
    const whole = await c.run(['read', line])
    const short = await c.run(['read', JSON.stringify({ name, link })])
    assert.deepEqual(short.stdout, whole.stdout)
    ;(read[name] ||= []).push(whole.stdout.toString())
  }
  for (const texts of Object.values(read)) texts.sort()
  assert.deepEqual(read, contents)
})

test('HM-36: exit codes of what cannot be, and a write that survives its process', limit, async (t) => {
  const a = new Sheaf(t)
  await a.run(['no-such-command'], { code: 2 })
  await write(a, 'hello.txt', 'HI\n')
  await a.run(['read', '{"name":'], { code: 2 })
  await a.run(['read', JSON.stringify({ name: 'hello.txt', link: 'ab'.repeat(32) })], { code: 3 })
  assert.equal((await a.run(['read', 'hello.txt'])).stdout.toString(), 'HI\n')
})
