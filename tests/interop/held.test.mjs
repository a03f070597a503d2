// Every command, with and without a process that holds the folder: what it prints and how it ends is the same.
// The rows name a case of each exit code. No Node peer takes part, but one that says nothing.
import test from 'node:test'
import assert from 'node:assert/strict'
import fs from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { Sheaf, freshFolder, within } from './harness.mjs'

const limit = { timeout: 900_000 }
const unknown = '77'.repeat(32)
const mute = 'tcp://says.nothing'

// A folder with an archive of its own, two that it follows (one whole, one of which nothing is here) and a core;
// and next to it what the commands read and write.
async function world (t) {
  const root = freshFolder(t)
  const other = new Sheaf(t, path.join(root, 'other'))
  const theirs = (await other.json(['init'])).key
  await other.run(['write', 'shared'], { input: Buffer.from('theirs') })
  await other.run(['write', 'only/theirs'], { input: Buffer.from('t') })
  await other.run(['key', 'export', path.join(root, 'their-keys')])
  await other.run(['append', '{"name":"leads out","linkname":"../../../x"}'])
  const server = await other.serve()
  const sheaf = new Sheaf(t, path.join(root, 'dir'))
  const ours = (await sheaf.json(['init'])).key
  await sheaf.run(['write', 'hello'], { input: Buffer.from('hello\n') })
  await sheaf.run(['write', 'shared'], { input: Buffer.from('ours') })
  await sheaf.run(['clone', theirs, server.address])
  await sheaf.run(['add', unknown])
  const core = await sheaf.createCore('log')
  await sheaf.run(['core', 'append', 'log', '--lines'], { input: Buffer.from('one\ntwo\nthree\n') })
  await sheaf.run(['store', 'put', 'greeting'], { input: Buffer.from('hello') })
  await sheaf.run(['store', 'put', 'large'], { input: Buffer.alloc(10_000, 'l') })
  await server.stop()
  fs.mkdirSync(path.join(root, 'in/sub'), { recursive: true })
  fs.writeFileSync(path.join(root, 'in/sub/a'), 'a')
  fs.utimesSync(path.join(root, 'in/sub/a'), 1000, 1000)
  fs.mkdirSync(path.join(root, 'odd'))
  fs.writeFileSync(path.join(root, 'odd/back\\slash'), 'x')
  fs.writeFileSync(path.join(root, 'key'), '5c'.repeat(32))
  return { root, ours, theirs, core }
}

// Each: the exit code, what it is a case of, the arguments, and what is fed in.
function rows ({ ours, theirs, core }) {
  const fresh = '66'.repeat(32)
  const nobody = 'tcp://127.0.0.1:1'
  return [
    [0, 'the own archive', ['init']],
    [1, 'the keys of another folder over those of an archive', ['init', '--from', 'their-keys']],
    [1, 'the own archive sealed anew', ['init', '--encryption-key-file', 'key']],
    [0, 'the folder', ['info']],
    [0, 'a file from stdin', ['write', 'new'], 'contents'],
    [0, 'a program', ['write', 'run', '--executable', '--metadata', '{"a":1}'], '#!'],
    [2, 'a name that leaves the root', ['write', '../x'], 'contents'],
    [0, 'an entry as it is given', ['append', '{"name":"l","linkname":"hello"}']],
    [2, 'an entry that is no JSON', ['append', 'nothing']],
    [0, 'all entries', ['list']],
    [0, 'below a name', ['ls', 'only']],
    [0, 'an older version', ['list', '--link', theirs, '--checkout', '2']],
    [3, 'no such archive', ['list', '--link', '123456']],
    [3, 'no such version', ['list', '--link', theirs, '--checkout', '99']],
    [2, 'a version of no archive', ['list', '--checkout', '2']],
    [0, 'contents', ['read', 'hello']],
    [0, 'a part of them', ['cat', 'hello', '--offset', '1', '--length', '2']],
    [0, 'contents into a file', ['read', 'hello', '--output', 'got']],
    [3, 'contents into no folder', ['read', 'hello', '-o', 'nowhere/got']],
    [1, 'a name of several archives', ['read', 'shared']],
    [0, 'the same of one', ['read', `shared@${theirs.slice(0, 8)}`]],
    [0, 'an older version of them', ['read', 'shared', '--link', theirs, '--checkout', '2']],
    [6, 'contents from nobody', ['read', `x@${unknown}`, '--peer', nobody]],
    [3, 'no such entry', ['read', `nothing@${ours}`]],
    [6, 'an entry of which nobody knows', ['read', `x@${unknown}`]],
    [0, 'an entry', ['get', 'hello']],
    [0, 'an entry of an older version', ['get', 'shared', '--link', theirs, '--checkout', '2']],
    [1, 'an entry of several archives', ['get', 'shared']],
    [0, 'a deletion', ['rm', 'hello']],
    [5, "another writer's entry", ['rm', 'only/theirs']],
    [3, 'nothing to delete', ['rm', `nothing@${ours}`]],
    [0, 'back to a version', ['truncate', '2']],
    [3, 'to a version that is not there', ['truncate', '99']],
    [0, 'an archive to follow', ['add', fresh]],
    [0, 'an encrypted one', ['add', fresh, '--encryption-key-file', 'key']],
    [0, 'one that is told to nobody', ['add', fresh, '--private']],
    [0, 'a core to follow', ['add', fresh, '--core']],
    [2, 'no key', ['add', 'nothing']],
    [0, 'a followed archive', ['forget', theirs]],
    [2, 'an own one without --yes', ['forget', core]],
    [0, 'an own one all the same', ['forget', core, '--yes']],
    [3, 'what is not followed', ['forget', fresh]],
    [6, 'a clone from nobody', ['clone', fresh, nobody]],
    [6, 'the same of an encrypted one', ['clone', fresh, nobody, '--private', '--encryption-key-file', 'key']],
    [6, 'a download from nobody', ['download', '--all', '--peer', nobody]],
    [3, 'a download of nothing', ['download', fresh]],
    [0, 'a download of what is here', ['download', `only/theirs@${theirs.slice(0, 8)}`]],
    [0, 'the secret keys', ['key', 'export', 'keys-out']],
    [1, 'over a file that is there', ['key', 'export', 'key']],
    [0, 'entries until it is interrupted', ['list', '--live'], '', { signal: 'SIGINT', lines: 5 }],
    [0, 'a server until it is told to end', ['serve', '--listen', 'tcp://127.0.0.1:0'], '', { signal: 'SIGTERM', lines: 1 }],
    [0, 'the same with a peer to dial', ['serve', '--listen', 'tcp://127.0.0.1:0', '--peer', mute], '', { signal: 'SIGINT', lines: 1 }],
    [0, 'a server of what is read', ['serve', '--listen', 'tcp://127.0.0.1:0', '--sparse'], '', { signal: 'SIGINT', lines: 1 }],
    [6, 'a sync with nobody', ['sync']],
    [6, 'a sync that begins', ['sync', '--initiator', '--live', '--sparse']],
    [6, 'a sync that waits', ['sync', '--responder']],
    [6, 'a sync with one who speaks something else', ['sync'], 'this is no peer at all'],
    [0, 'a folder', ['import', 'in']],
    [0, 'a folder, for show', ['import', '-n', '--to', 'b', 'in']],
    [0, 'a folder as it is', ['import', '--to', 'b', '--exclude', 'x*', '--prune', '--checksum', '--no-times', '--dry-run', 'in']],
    [1, 'a name that no entry can have', ['import', 'odd']],
    [3, 'no folder', ['import', 'nowhere']],
    [0, 'into a folder', ['export', 'out', '--link', ours]],
    [0, 'an older version into a folder', ['export', 'out', '--link', theirs, '--checkout', '2', '--prune', '--checksum']],
    [0, 'with links that lead out', ['export', 'out', '--link', theirs, '--unsafe-links', '--max-bytes', '1000']],
    [1, 'several archives have a name', ['export', 'out']],
    [4, 'each archive into a folder, for show', ['export', 'out', '--by-link', '--dry-run']],
    [4, 'a link that leads out', ['export', 'out', '--link', theirs]],
    [6, 'an archive of which nothing is here', ['export', 'out', '--link', unknown]],
    [0, 'a core that is there', ['core', 'create', 'log']],
    [0, 'blocks', ['core', 'append', 'log', '--lines'], 'four\nfive\n'],
    [5, 'a core of others', ['core', 'append', theirs], 'x'],
    [0, 'a block', ['core', 'get', 'log', '1']],
    [6, 'a block from nobody', ['core', 'get', unknown, '0', '--peer', nobody]],
    [6, 'a byte from nobody', ['core', 'seek', unknown, '1', '--peer', nobody]],
    [3, 'a block past the end', ['core', 'get', 'log', '3']],
    [3, 'no such core', ['core', 'info', 'nothing']],
    [0, 'about a core', ['core', 'info', 'log']],
    [0, 'which block has a byte', ['core', 'seek', 'log', '4']],
    [3, 'a byte past the end', ['core', 'seek', 'log', '400']],
    [0, 'a shorter core', ['core', 'truncate', 'log', '1']],
    [0, 'a value from stdin', ['store', 'put', 'k'], 'v'],
    [2, 'a key that is too long', ['store', 'put', 'k'.repeat(1025)], 'v'],
    [0, 'a value', ['store', 'get', 'greeting']],
    [0, 'a value with its copies', ['store', 'get', 'large', '--all']],
    [3, 'no such value', ['store', 'get', 'nothing']],
    [0, 'all values', ['store', 'list', '--values']],
    [0, 'some of them', ['store', 'list', '--gt', 'greeting', '--reverse', '--limit', '1']],
    [0, 'those between', ['store', 'list', '--gte', 'greeting', '--lte', 'large']],
    [0, 'those before', ['store', 'list', '--lt', 'large']],
    [0, 'a value under a fresh key', ['store', 'post'], 'v'],
    [0, 'changes until it is interrupted', ['store', 'watch', '--values'], '', { signal: 'SIGINT', lines: 1, then: ['store', 'put', 'stirred'] }],
    [0, 'a value less', ['store', 'del', 'greeting']],
    [3, 'no value to delete', ['store', 'del', 'nothing']],
    [0, 'several changes', ['store', 'batch'], '{"type":"put","key":"b","value":"1"}\n{"type":"del","key":"large"}\n'],
    [1, 'a change that is none', ['store', 'batch'], '{"type":"put","key":"b"}\n'],
    [0, 'where a value would go', ['store', 'explain'], 'l'.repeat(5000)],
    [0, 'everything in order', ['store', 'check']],
    [0, 'nothing to mend or move', ['store', 'check', '--repair', '--rebalance']],
    [1, 'a root that is not lost', ['store', 'check', '--rebuild-root']],
    [6, 'a connection to nobody', ['connect', nobody]],
    [6, 'a peer that says nothing', ['--timeout', '1', 'connect', mute]],
    [0, 'a peer until it is interrupted', ['connect', '--live', '--sparse', mute], '', { signal: 'SIGINT' }],
    [2, 'no such command', ['nothing']],
    [2, 'a wrong option', ['list', '--wrong']],
    [0, 'help', ['export', '--help']],
    [141, 'nobody reads', ['list'], '', { closed: true }],
    [130, 'ended by a signal', ['--timeout', '0', 'download', '--all', '--peer', mute], '', { signal: 'SIGINT' }],
    [143, 'ended by another', ['--timeout', '0', 'download', '--all', '--peer', mute], '', { signal: 'SIGTERM' }]
  ]
}

// What the program says of itself: every command but the measuring ones, its other names, and its options.
async function commands (t, path = []) {
  const { out } = await call(t, freshFolder(t), [...path, '--help'])
  const subcommands = (out.split('Subcommands:\n')[1] || '').split('\n\n')[0].split('\n')
    .map((line) => line.match(/^ {2}([a-z, ]+?)(?: {2}|$)/)).filter((match) => match && match[1].trim())
    .map((match) => match[1].trim().split(', '))
  const options = [...out.split('Options:\n')[1].split('\n\n')[0].matchAll(/^ {2}(?:-\w,)?(--?[\w-]+)/gm)]
    .map((match) => match[1]).filter((option) => option !== '--help')
  const found = subcommands.length > 0 ? [] : [{ path, options }]
  for (const names of subcommands) {
    for (const name of names) {
      if (path.length > 0 || name !== 'bench') found.push(...await commands(t, [...path, name]))
    }
  }
  return found
}

test('every command of --help has its row, and every option of it is in one', limit, async (t) => {
  const lines = rows({ ours: 'o', theirs: 't', core: 'c' }).map(([, , args]) => args)
  const alike = { ls: 'list', cat: 'read' }
  const has = (path) => lines.filter((args) => path.every((word, i) => args.filter((a) => !/^(--timeout|\d)/.test(a))[i] === word))
  const missing = []
  const all = await commands(t)
  assert.ok(all.length > 30, `${all.length} commands`)
  for (const { path, options } of all) {
    if (has(path).length === 0) missing.push(path.join(' '))
    const names = path.map((word) => alike[word] || word)
    const said = [...has(names), ...has(path)].flat()
    for (const other of Object.keys(alike)) if (alike[other] === names[0]) said.push(...has([other]).flat())
    for (const option of options) if (!said.includes(option)) missing.push(`${path.join(' ')} ${option}`)
  }
  assert.deepEqual(missing, [])
})

// One that takes connections and never says a word. `spoken`: the first time that it was spoken to.
async function silentPeer (t) {
  const sockets = new Set()
  const server = net.createServer((socket) => {
    sockets.add(socket.on('error', () => {}).once('data', () => server.emit('spoken to')))
  })
  server.spoken = once(server, 'spoken to')
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return server
}

// Where a row has one who says nothing, it has that one to itself: `signal` comes once so many lines were
// printed, or it was spoken to. `then`: a command that
// makes one be printed, given once the first has said on stderr that it watches.
async function call (t, folder, given, input, { signal, closed, lines, then } = {}) {
  const silent = given.includes(mute) && await silentPeer(t)
  const args = given.map((arg) => arg === mute ? `tcp://127.0.0.1:${silent.address().port}` : arg)
  const child = spawn(process.env.SHEAF, ['--json', '--dir', path.join(folder, 'dir'), ...args], {
    stdio: ['pipe', 'pipe', 'pipe'], cwd: folder
  })
  t.after(() => child.kill('SIGKILL'))
  let out = ''
  let err = ''
  if (closed) child.stdout.destroy()
  else child.stdout.on('data', (data) => { out += data.toString('latin1'); child.emit('said') })
  child.stderr.on('data', (data) => { err += data; child.emit('noted') })
  child.stdin.on('error', () => {})
  child.stdin.end(input || '')
  const ended = once(child, 'close')
  if (signal) {
    if (!lines) await within(silent.spoken, `${args.join(' ')} to speak`)
    while (then && !err.includes('sheaf: watching\n')) await within(once(child, 'noted'), `${args.join(' ')} to watch`)
    if (then) assert.equal((await call(t, folder, then, 'stirred')).code, 0)
    while (out.split('\n').length <= lines) await within(once(child, 'said'), `${args.join(' ')} to say ${lines} lines`)
    child.kill(signal)
  }
  const [code] = await within(ended, args.join(' '))
  return { code, out, err }
}

// What differs from run to run by its nature.
function settled (text, folder) {
  return text.replaceAll(folder, 'ROOT').replace(/"mtime":\d+/g, '"mtime":0')
    .replace(/127\.0\.0\.1:\d+/g, 'HERE').replace(/^(SHEAF\0\0\x01)[^]{16}$/, '$1')
    .replace(/^( \0\0)[^]{32}$/, '$1').replace(/"key":"[0-9a-f]{32}"/, '"key":"FRESH"')
}

test('a command does the same with and without a process that holds the folder', limit, async (t) => {
  const base = await world(t)
  const seen = new Set()
  for (const [code, what, args, input, ways] of rows(base)) {
    const results = []
    for (const held of [false, true]) {
      const folder = path.join(freshFolder(t), 'w')
      fs.cpSync(base.root, folder, { recursive: true })
      const holder = held && await new Sheaf(t, path.join(folder, 'dir')).serve('--sparse')
      const ran = await call(t, folder, args, input, ways)
      if (held) await holder.stop()
      assert.equal(ran.code, code, `${what}: sheaf ${args.join(' ')}: ${ran.err}`)
      results.push({ code: ran.code, out: settled(ran.out, folder) })
    }
    assert.deepEqual(results[1], results[0], `${what}: sheaf ${args.join(' ')}`)
    seen.add(code)
  }
  assert.deepEqual([...seen].sort((a, b) => a - b), [0, 1, 2, 3, 4, 5, 6, 130, 141, 143])
})

test('files come out with the mask of whoever calls, and not of the process that holds the folder', limit, async (t) => {
  const own = process.umask()
  t.after(() => process.umask(own))
  for (const [holders, callers] of [[0o077, 0o002], [0o000, 0o077]]) {
    const root = freshFolder(t)
    const sheaf = new Sheaf(t, path.join(root, 'dir'))
    await sheaf.run(['write', 'below/file'], { input: Buffer.from('contents') })
    await sheaf.run(['write', 'run', '--executable'], { input: Buffer.from('#!') })
    process.umask(holders)
    const holder = await sheaf.serve()
    process.umask(callers)
    await sheaf.run(['export', path.join(root, 'new/out')])
    await sheaf.run(['read', 'run', '-o', path.join(root, 'got')])
    process.umask(own)
    await holder.stop()
    const modes = Object.fromEntries(['new', 'new/out', 'new/out/below', 'new/out/below/file', 'new/out/run', 'got']
      .map((name) => [name, fs.statSync(path.join(root, name)).mode & 0o7777]))
    const folder = 0o777 & ~callers
    const file = 0o666 & ~callers
    assert.deepEqual(modes, {
      new: folder, 'new/out': folder, 'new/out/below': folder, 'new/out/below/file': file, 'new/out/run': folder, got: file
    })
  }
})
