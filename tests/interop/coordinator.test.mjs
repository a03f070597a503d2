// The coordinator's channel between `sheaf` and a second peer that was written from docs/protocol.md alone, on the
// real protomux and secret stream.
import test from 'node:test'
import assert from 'node:assert/strict'
import net from 'node:net'
import { once } from 'node:events'
import crypto from 'node:crypto'
import SecretStream from '@hyperswarm/secret-stream'
import { Sheaf, within } from './harness.mjs'
import { Coordinator } from './coordinator.mjs'

const limit = { timeout: 120_000 }
const patience = 20_000

async function dial (t, port) {
  const socket = net.connect(port, '127.0.0.1')
  await once(socket, 'connect')
  const stream = new SecretStream(true, socket)
  stream.on('error', () => {})
  t.after(() => stream.destroy())
  await stream.opened
  return stream
}

// Accepts one connection of `sheaf`, which then is the initiator.
async function accept (t) {
  const server = net.createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const stream = once(server, 'connection').then(async ([socket]) => {
    const secret = new SecretStream(false, socket)
    secret.on('error', () => {})
    t.after(() => secret.destroy())
    await secret.opened
    return secret
  })
  return { address: `tcp://127.0.0.1:${server.address().port}`, stream }
}

const made = (n, length = 3) => ({ key: crypto.createHash('sha256').update(`made up ${n}`).digest(), fork: 0, length, bare: true })
const bareCore = async (sheaf, name, blocks) => {
  const key = await sheaf.createCore(name)
  if (blocks) await sheaf.append(name, '10/x', 0, blocks)
  return { key: Buffer.from(key, 'hex'), fork: 0, length: blocks, bare: true }
}

for (const initiator of [true, false]) {
  const connect = async (t, sheaf) => {
    if (initiator) return { stream: await dial(t, (await sheaf.serve()).port) }
    const { address, stream } = await accept(t)
    const running = sheaf.start(['connect', '--live', address])
    return { stream: await stream, running }
  }
  const who = initiator ? 'we dial' : 'sheaf dials'

  test(`equal sets: one root each, and both settle (${who})`, limit, async (t) => {
    const sheaf = new Sheaf(t)
    const core = await bareCore(sheaf, 'log', 5)
    const { stream } = await connect(t, sheaf)
    const peer = new Coordinator(stream, [core])
    assert.equal(await within(peer.opened, 'the channel', patience), true)
    await within(peer.until((p) => p.theySettled), 'settled', patience)
    assert.deepEqual(peer.heard, ['root', 'settled'])
    assert.equal(peer.learned.size, 0)
  })

  test(`what differs is found: keys, newer heads, and what is refused with its reason (${who})`, limit, async (t) => {
    const sheaf = new Sheaf(t)
    const cores = []
    for (let n = 0; n < 40; n++) cores.push(await bareCore(sheaf, `log ${n}`, n % 4 + 1))
    const { stream } = await connect(t, sheaf)
    const ours = [...cores.slice(0, 30), made(1)].map((e, n) => (n === 3 ? { ...e, length: 1 } : e))
    const peer = new Coordinator(stream, ours)
    await within(peer.opened, 'the channel', patience)
    await within(peer.until((p) => p.learned.size + p.behind.size >= 11), 'the differences', patience)
    const told = new Set([...peer.learned.keys(), ...peer.behind.keys()])
    for (const core of [...cores.slice(30), cores[3]]) assert.ok(told.has(core.key.toString('hex')), 'a difference')
    // Bare cores are followed only by the user's word.
    await within(peer.until((p) => p.refused.length === 1), 'the refusal', patience)
    assert.deepEqual(peer.refused, [{ tag: peer.tagOf(made(1).key), reason: 1 }])
  })
}

test('a rise is told live, as one item', limit, async (t) => {
  const sheaf = new Sheaf(t)
  const core = await bareCore(sheaf, 'log', 2)
  const stream = await dial(t, (await sheaf.serve()).port)
  const peer = new Coordinator(stream, [core])
  await within(peer.until((p) => p.theySettled), 'settled', patience)
  await sheaf.append('log', '10/x', 2, 5)
  await within(peer.until((p) => p.learned.get(core.key.toString('hex'))?.length === 5), 'the item', patience)
  assert.deepEqual(peer.heard.filter((name) => name === 'nodes'), [])
})

test('a wrong proof hears nothing but the end of the channel, and the session lives on', limit, async (t) => {
  const sheaf = new Sheaf(t)
  await bareCore(sheaf, 'log', 2)
  const stream = await dial(t, (await sheaf.serve()).port)
  const peer = new Coordinator(stream, [], { proof: Buffer.alloc(32) })
  await within(peer.until((p) => p.isClosed), 'the end of the channel', patience)
  assert.deepEqual(peer.heard, [])
  assert.equal(stream.destroyed, false)
})

test('a one-shot connect ends with goodbye and 0 once both have settled', limit, async (t) => {
  const sheaf = new Sheaf(t)
  const core = await bareCore(sheaf, 'log', 2)
  const { address, stream } = await accept(t)
  const ended = sheaf.run(['connect', address])
  const peer = new Coordinator(await stream, [core])
  await within(peer.until((p) => p.bye !== null), 'goodbye', patience)
  assert.equal(peer.bye, 3)
  assert.equal((await ended).code, 0)
})

test('the root says whether every block of every element is here', limit, async (t) => {
  const sheaf = new Sheaf(t)
  const other = new Sheaf(t)
  const core = await bareCore(other, 'log', 5)
  await bareCore(sheaf, 'ours', 2)
  const rootOf = async () => {
    const serving = await sheaf.serve()
    const peer = new Coordinator(await dial(t, serving.port), [core])
    await within(peer.until((p) => p.theirs), 'the root', patience)
    await serving.stop()
    return { whole: peer.theirs.whole, closed: peer.theirs.closed, count: peer.theirs.count }
  }
  assert.deepEqual(await rootOf(), { whole: true, closed: false, count: 1 })
  // The head alone, and one block of it.
  await sheaf.follow(core.key.toString('hex'))
  const atOther = await other.serve()
  await sheaf.run(['core', 'get', core.key.toString('hex'), '3', '--peer', atOther.address])
  assert.deepEqual(await rootOf(), { whole: false, closed: false, count: 2 })
  await sheaf.run(['connect', atOther.address])
  assert.deepEqual(await rootOf(), { whole: true, closed: false, count: 2 })
})

test('HM-19: a malformed message ends its session alone, and whoever connects next is heard', limit, async (t) => {
  const sheaf = new Sheaf(t)
  const core = await bareCore(sheaf, 'log', 2)
  const serving = await sheaf.serve()
  const good = new Coordinator(await dial(t, serving.port), [core])
  await within(good.until((p) => p.theySettled), 'settled', patience)
  for (const [type, body] of [['items', [0, 1, 4]], ['nodes', [1, 1, 9]], ['need', [0xff]], ['root', []]]) {
    const stream = await dial(t, serving.port)
    const peer = new Coordinator(stream, [core])
    await within(peer.opened, 'the channel', patience)
    peer.sendRaw(type, Buffer.from(body))
    await within(once(stream, 'close'), `the end after a malformed ${type}`, patience)
  }
  await sheaf.append('log', '10/x', 2, 5)
  await within(good.until((p) => p.learned.get(core.key.toString('hex'))?.length === 5), 'the item', patience)
})

test('a goodbye that refuses is exit code 5, with its reason and text', limit, async (t) => {
  const sheaf = new Sheaf(t)
  await bareCore(sheaf, 'log', 2)
  const { address, stream } = await accept(t)
  const ended = sheaf.run(['connect', address], { code: 5 })
  const peer = new Coordinator(await stream, [])
  await within(peer.opened, 'the channel', patience)
  peer.goodbye(4, 'not today\x1b[2J')
  const { stderr } = await ended
  assert.match(stderr, /not_allowed: not today/)
  assert.ok(!stderr.includes('\x1b'), 'a stranger does not command the terminal')
})

test('a peer that goes before both have settled leaves exit code 6', limit, async (t) => {
  const sheaf = new Sheaf(t)
  const core = await bareCore(sheaf, 'log', 2)
  const { address, stream } = await accept(t)
  const ended = sheaf.run(['connect', address], { code: 6 })
  const secret = await stream
  const peer = new Coordinator(secret, [{ ...core, length: 9 }]) // a claim that is not made good
  await within(peer.until((p) => p.heard.includes('root')), 'their root', patience)
  secret.end()
  assert.match((await ended).stderr, /ended before everything was here/)
})
