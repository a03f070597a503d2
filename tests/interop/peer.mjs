// A real Hypercore peer in a process of its own, driven by JSON lines.
//
// usage: node peer.mjs FOLDER
//
// stdin:  {"id":1,"do":"append","core":"a","pattern":"10/x","count":5}
// stdout: {"id":1,"value":{...}} or {"id":1,"error":"..."}, in the order in which they are done, and events:
//   {"event":"ready"}
//   {"event":"connected","connection":1,"initiator":true,"remoteKey":"..."}
//   {"event":"closed","connection":1,"error":null|"...","asked":false}    asked: by a command
//   {"event":"crashed","message":"...","stack":"..."}                     then exit 70
// It ends with 0 once stdin closes.
//
// A core is named by the test. It lives in the peer's Corestore, or with "alone" in a folder of its own, which
// is the only place where options that Corestore does not pass on (compat, manifest, encryption) are safe.
import fs from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import readline from 'node:readline'
import crypto from 'node:crypto'
import Hypercore from 'hypercore'
import Corestore from 'corestore'
import Hyperbee from 'hyperbee'
import Hyperdrive from 'hyperdrive'
import Localdrive from 'localdrive'
import SecretStream from '@hyperswarm/secret-stream'
import hypercoreCrypto from 'hypercore-crypto'
import multisig from 'hypercore/lib/multisig.js'
import WebSocket, { WebSocketServer } from 'ws'
import { block } from './blocks.mjs'
import { WebSocketDuplex } from './websocket.mjs'

console.log = console.error // stdout is for JSON alone; hypercore reports conflicts with console.log
const folder = process.argv[2]
const say = (message) => fs.writeSync(1, JSON.stringify(message) + '\n')
const hex = (bytes) => (bytes ? Buffer.from(bytes).toString('hex') : null)

function crashed (error) {
  say({ event: 'crashed', message: String(error && error.message), stack: String(error && error.stack) })
  process.exit(70)
}
process.on('uncaughtException', crashed)
process.on('unhandledRejection', crashed)

fs.mkdirSync(folder, { recursive: true })
const store = new Corestore(path.join(folder, 'store'))
await store.ready()
const cores = new Map() // name -> Kept
const connections = new Map() // number -> { socket, stream, asked }
const drives = new Map() // name -> Hyperdrive, in a namespace of its own
const servers = []

// A core with the counts that tests ask about.
class Kept {
  constructor (core, signers) {
    this.core = core
    this.signers = signers
    this.downloads = 0
    this.uploads = 0
    this.uploadsOf = new Map()
    this.invalid = []
    this.conflicts = 0
    this.waiting = []
    this.everPaused = false
    const again = () => this.#check()
    core.on('download', () => { this.downloads++; again() })
    core.on('upload', (index) => {
      this.uploads++
      this.uploadsOf.set(index, (this.uploadsOf.get(index) || 0) + 1)
      again()
    })
    core.on('verification-error', (error) => { this.invalid.push(error.message); again() })
    core.on('conflict', () => { this.conflicts++; again() })
    for (const name of ['append', 'truncate', 'peer-add', 'peer-remove', 'remote-contiguous-length']) core.on(name, again)
  }

  facts () {
    const peers = this.core.peers.map((p) => ({
      paused: p.paused,
      length: p.remoteLength,
      fork: p.remoteFork,
      acked: p.lengthAcked,
      contiguous: p.remoteContiguousLength,
      synced: p.remoteSynced,
      canUpgrade: p.remoteCanUpgrade,
      downloading: p.remoteDownloading,
      uploading: p.remoteUploading,
      hasManifest: p.remoteHasManifest,
      allowPush: p.remoteAllowPush,
      syncs: { received: p.stats.wireSync.rx, sent: p.stats.wireSync.tx },
      requests: { received: p.stats.wireRequest.rx, sent: p.stats.wireRequest.tx },
      inflight: p.inflight,
      invalidRequests: p.stats.invalidRequests,
      backoffs: p.stats.backoffs,
      notAvailable: p.stats.notAvailableBackoffs
    }))
    this.everPaused = this.everPaused || peers.some((p) => p.paused)
    let twice = 0
    for (const times of this.uploadsOf.values()) twice += times - 1
    return {
      key: hex(this.core.key),
      discoveryKey: hex(this.core.discoveryKey),
      length: this.core.length,
      fork: this.core.fork,
      bytes: this.core.byteLength,
      contiguous: this.core.contiguousLength,
      writable: this.core.writable,
      downloads: this.downloads,
      uploads: this.uploads,
      uploadedTwice: twice,
      invalid: this.invalid,
      conflicts: this.conflicts,
      everPaused: this.everPaused,
      peers
    }
  }

  // Resolves with the facts once they satisfy every condition.
  async until (conditions) {
    const met = () => {
      const f = this.facts()
      const p = f.peers
      const has = {
        length: (n) => f.length >= n,
        fork: (n) => f.fork >= n,
        contiguous: (n) => f.contiguous >= n,
        downloads: (n) => f.downloads >= n,
        uploads: (n) => f.uploads >= n,
        peers: (n) => p.length === n,
        synced: () => p.length > 0 && p.every((x) => x.synced),
        remoteLength: (n) => p.some((x) => x.length >= n),
        remoteContiguous: (n) => p.some((x) => x.contiguous >= n),
        acked: (n) => p.some((x) => x.acked >= n),
        remoteFork: (n) => p.some((x) => x.fork >= n),
        allowPush: (n) => p.some((x) => x.allowPush === n)
      }
      for (const [name, value] of Object.entries(conditions)) {
        if (!has[name]) throw new Error('no such condition: ' + name)
        if (!has[name](value)) return null
      }
      return f
    }
    const now = met()
    if (now) return now
    return new Promise((resolve) => this.waiting.push({ met, resolve }))
  }

  #check () {
    this.waiting = this.waiting.filter(({ met, resolve }) => {
      const facts = met()
      if (facts) resolve(facts)
      return !facts
    })
  }

  recheck () { this.#check() }
}
// A sync or an acknowledged length emits no event, so conditions on them are looked at again now and then.
setInterval(() => { for (const kept of cores.values()) kept.recheck() }, 20).unref()

const seeded = (label) => hypercoreCrypto.keyPair(crypto.createHash('sha256').update(label).digest())

function attach (socket, initiator) {
  const number = connections.size + 1
  socket.setNoDelay(true)
  const stream = new SecretStream(initiator, socket)
  const connection = { socket, stream, asked: false, opened: false }
  connections.set(number, connection)
  let failure = null
  stream.on('error', (error) => { failure = failure || error })
  socket.on('error', (error) => { failure = failure || error })
  stream.on('close', () => {
    connection.gone = true
    say({ event: 'closed', connection: number, error: failure ? failure.message : null, asked: connection.asked })
  })
  stream.once('connect', () => {
    connection.opened = true
    say({ event: 'connected', connection: number, initiator, remoteKey: hex(stream.remotePublicKey) })
  })
  store.replicate(stream)
  for (const kept of cores.values()) if (kept.alone) kept.core.replicate(stream)
  return number
}

async function open ({ core: name, key, seed, alone, compat, quorum, encryption, ...options }) {
  if (cores.has(name)) throw new Error('already open: ' + name)
  const rest = { ...options }
  if (encryption) rest.encryption = { key: Buffer.from(encryption, 'hex') }
  let core = null
  let signers = null
  if (alone) {
    if (seed) rest.keyPair = seeded(seed)
    if (compat) rest.compat = true
    if (quorum) {
      signers = [0, 1, 2].map((i) => seeded(`${quorum} ${i}`))
      rest.manifest = { version: 1, quorum: 2, signers: signers.map((s) => ({ publicKey: s.publicKey })) }
    }
    core = new Hypercore(path.join(folder, 'alone-' + name), key ? Buffer.from(key, 'hex') : undefined, rest)
  } else if (key) {
    core = store.get({ key: Buffer.from(key, 'hex'), ...rest })
  } else {
    core = seed ? store.get({ keyPair: seeded(seed), ...rest }) : store.get({ name, ...rest })
  }
  await core.ready()
  const kept = new Kept(core, signers)
  kept.alone = !!alone
  cores.set(name, kept)
  if (alone) for (const c of connections.values()) if (!c.gone) core.replicate(c.stream)
  return kept.facts()
}

// What two of the three signers would say to these blocks on top of the core.
function twoOfThree (kept, blocks) {
  const { core, signers } = kept
  const batch = core.core.state.createTreeBatch()
  for (const b of blocks) batch.append(b)
  const signable = batch.signable(core.key)
  return multisig.assemble([0, 2].map((signer) => ({
    signer, signature: hypercoreCrypto.sign(signable, signers[signer].secretKey), patch: 0, nodes: null
  })))
}

async function append ({ core: name, pattern, count = 1 }) {
  const kept = of(name)
  let left = count
  while (left > 0) {
    const blocks = []
    let bytes = 0
    for (; left > 0 && blocks.length < 1024 && bytes < 8e6; left--) {
      const b = block(pattern, kept.core.length + blocks.length)
      bytes += b.length
      blocks.push(b)
    }
    await kept.core.append(blocks, kept.signers ? { signature: twoOfThree(kept, blocks) } : {})
  }
  return kept.facts()
}

function of (name) {
  const kept = cores.get(name)
  if (!kept) throw new Error('no core ' + name)
  return kept
}

// Reads blocks and compares each with its pattern; fetches what is not here.
async function verify ({ core: name, pattern, from = 0, to, indices, wait = true }) {
  const { core } = of(name)
  const wanted = indices || Array.from({ length: to - from }, (_, i) => from + i)
  const range = wait && !indices ? core.download({ start: from, end: to }) : null
  let bytes = 0
  for (let at = 0; at < wanted.length; at += 256) {
    const part = wanted.slice(at, at + 256)
    const got = await Promise.all(part.map((index) => core.get(index, { wait })))
    part.forEach((index, i) => {
      if (got[i] === null) throw new Error(`block ${index} is not here`)
      if (!block(pattern, index).equals(got[i])) throw new Error(`block ${index} differs`)
      bytes += got[i].length
    })
  }
  if (range) range.destroy()
  return { blocks: wanted.length, bytes }
}

function written (stream, bytes) {
  return new Promise((resolve, reject) => stream.once('error', reject).once('close', resolve).end(bytes))
}

const commands = {
  open,
  append,
  verify,
  async openMany ({ prefix, count, keys }) {
    const opened = []
    for (let i = 0; i < count; i++) opened.push(await open({ core: prefix + i, key: keys ? keys[i] : undefined }))
    return opened.map((f) => f.key)
  },
  async listen ({ port = 0 } = {}) {
    const server = net.createServer((socket) => attach(socket, false))
    servers.push(server)
    await new Promise((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve))
    return { port: server.address().port }
  },
  async dial ({ port }) { return { connection: attach(net.connect(port, '127.0.0.1'), true) } },
  async listenWebSocket ({ odd }) {
    const server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
    server.on('connection', (socket) => attach(new WebSocketDuplex(socket, { odd }), false))
    servers.push(server)
    await new Promise((resolve, reject) => server.once('error', reject).once('listening', resolve))
    return { port: server.address().port }
  },
  async dialWebSocket ({ url, odd }) {
    return { connection: attach(new WebSocketDuplex(new WebSocket(url), { odd }), true) }
  },
  async webSocket ({ connection, ping }) {
    const { socket } = connections.get(connection)
    if (ping) {
      const pong = new Promise((resolve) => socket.socket.once('pong', resolve))
      socket.socket.ping('are you there')
      await pong
    }
    const { pings, pongs, closeCode } = socket
    return { pings, pongs, closeCode, extensions: socket.socket.extensions }
  },
  async close ({ connection }) {
    const c = connections.get(connection)
    c.asked = true
    c.stream.destroy()
    await new Promise((resolve) => (c.gone ? resolve() : c.stream.once('close', resolve)))
  },
  async info ({ core }) { return of(core).facts() },
  async until ({ core, ...conditions }) {
    delete conditions.id
    delete conditions.do
    return of(core).until(conditions)
  },
  async truncate ({ core, length, fork }) {
    const kept = of(core)
    await kept.core.truncate(length, fork === undefined ? {} : { fork })
    return kept.facts()
  },
  async clear ({ core, start, end }) { await of(core).core.clear(start, end) },
  async download ({ core, start = 0, end = -1, linear = false }) {
    const range = of(core).core.download({ start, end, linear })
    if (end !== -1) await range.done()
    return of(core).facts()
  },
  async get ({ core, index, timeout = 0 }) {
    const bytes = await of(core).core.get(index, { timeout })
    return { size: bytes.length, hex: bytes.length <= 4096 ? hex(bytes) : undefined }
  },
  async has ({ core, start, end = start + 1 }) { return of(core).core.has(start, end) },
  async seek ({ core, bytes }) {
    const [index, offset] = await of(core).core.seek(bytes)
    return { block: index, byte: offset }
  },
  async update ({ core, wait = true }) { return of(core).core.update({ wait }) },
  // Sends the block to every connected peer that takes pushes.
  async push ({ core, index }) {
    const { core: c } = of(core)
    await Promise.all(c.peers.map((p) => p.push(index)))
    return of(core).facts()
  },
  async closeCore ({ core }) {
    const kept = of(core)
    cores.delete(core)
    await kept.core.close()
  },
  async connections () {
    return [...connections].map(([number, c]) => ({
      connection: number, gone: !!c.gone, read: c.socket.bytesRead, written: c.socket.bytesWritten
    }))
  },
  // With manifests of version 0 the header of the db core names the blobs core.
  async openDrive ({ drive: name, key, manifestVersion = 1, encryption }) {
    const space = store.namespace(name)
    space.manifestVersion = manifestVersion
    const options = { encryptionKey: encryption ? Buffer.from(encryption, 'hex') : null }
    const drive = key ? new Hyperdrive(space, Buffer.from(key, 'hex'), options) : new Hyperdrive(space, options)
    await drive.ready()
    drives.set(name, drive)
    return { key: hex(drive.key), manifestVersion: drive.core.manifest?.version }
  },
  // The keys of the drive that a Corestore with this primary key writes.
  async keysOf ({ primary }) {
    const other = new Corestore(path.join(folder, 'of a primary key'), { primaryKey: Buffer.from(primary, 'hex'), unsafe: true })
    const drive = new Hyperdrive(other)
    await drive.ready()
    const keys = { key: hex(drive.key), blobs: hex((await drive.getBlobs()).core.key) }
    await drive.close()
    return keys
  },
  // Each file is {name, pattern, ...} with contents (dedup: by way of a block map), {name, linkname} or
  // {name, gone}.
  async writeFiles ({ drive: name, files }) {
    const drive = drives.get(name)
    for (const { name: file, pattern, linkname, gone, ...options } of files) {
      if (gone) await drive.del(file)
      else if (linkname) await drive.symlink(file, linkname, options)
      else if (options.dedup) await written(drive.createWriteStream(file, options), block(pattern, 0))
      else await drive.put(file, block(pattern, 0), options)
    }
    return { version: drive.version, blobs: hex((await drive.getBlobs()).core.key) }
  },
  // Every entry as Node itself reads it, in its order.
  async entries ({ drive: name, version }) {
    const drive = version ? drives.get(name).checkout(version) : drives.get(name)
    const out = []
    for await (const { key, value, seq } of drive.list('/')) out.push({ key, value, seq })
    return out
  },
  // Every entry with a digest of its contents, as Node itself reads them.
  async mirror ({ drive: name, version }) {
    const drive = version ? drives.get(name).checkout(version) : drives.get(name)
    await drive.update({ wait: true })
    const out = []
    for await (const { key, value } of drive.list('/')) {
      const contents = value.blob ? crypto.createHash('sha256') : null
      if (contents) for await (const part of drive.createReadStream(key)) contents.update(part)
      out.push({ key, ...value, blob: undefined, length: value.blob?.byteLength, sha256: contents?.digest('hex') })
    }
    return out
  },
  // Writes the drive into a folder, as Node's own mirror does it.
  async mirrorTo ({ drive: name, version, folder: into }) {
    const drive = version ? drives.get(name).checkout(version) : drives.get(name)
    await drive.update({ wait: true })
    const mirror = drive.mirror(new Localdrive(into))
    await mirror.done()
    return mirror.count
  },
  // Waits until the drive has come to this version and fork.
  async untilVersion ({ drive: name, version, fork = 0 }) {
    const { core } = drives.get(name)
    while (core.length < version || core.fork < fork) {
      await new Promise((resolve) => {
        const again = () => core.off('append', again).off('truncate', again) && resolve()
        core.on('append', again).on('truncate', again)
      })
    }
    return { version: core.length, fork: core.fork }
  },
  // Operations on a Hyperbee of ours, each {put, value}, {del} or {batch: [those]}.
  async beeWrite ({ core: name, operations }) {
    if (!cores.has(name)) await open({ core: name })
    const bee = new Hyperbee(of(name).core, { keyEncoding: 'utf-8', valueEncoding: 'utf-8' })
    await bee.ready()
    const apply = (to, { put, value, del }) => del === undefined ? to.put(put, value) : to.del(del)
    for (const operation of operations) {
      if (!operation.batch) {
        await apply(bee, operation)
        continue
      }
      const batch = bee.batch()
      for (const one of operation.batch) await apply(batch, one)
      await batch.flush()
    }
    return { key: hex(bee.core.key), version: bee.version }
  },
  // A version of a Hyperbee as Node itself reads it, and everything that was ever written to it.
  async beeRead ({ core: name, version }) {
    const { core } = of(name)
    while (core.length < version) await core.update({ wait: true })
    const bee = new Hyperbee(core, { keyEncoding: 'utf-8', valueEncoding: 'utf-8' })
    await bee.ready()
    const entries = []
    const history = []
    for await (const { seq, key, value } of bee.checkout(version).createReadStream()) entries.push({ seq, key, value })
    for await (const { type, seq, key, value } of bee.createHistoryStream()) history.push({ seq, key, value, put: type === 'put' })
    return { entries, history }
  },
  // How many blocks two cores have, all of them equal.
  async sameBlocks ({ core: name, other }) {
    const [a, b] = [of(name).core, of(other).core]
    if (a.length !== b.length) throw new Error(`${a.length} blocks and ${b.length}`)
    for (let i = 0; i < a.length; i++) {
      if (!(await a.get(i)).equals(await b.get(i))) throw new Error(`block ${i} differs`)
    }
    return a.length
  },
  async facts () { return Object.fromEntries([...cores].map(([name, kept]) => [name, kept.facts()])) }
}

readline.createInterface({ input: process.stdin }).on('line', async (line) => {
  const request = JSON.parse(line)
  try {
    const { id, do: name, ...args } = request
    if (!commands[name]) throw new Error('no command ' + name)
    const value = await commands[name](args)
    say({ id, value: value === undefined ? null : value })
  } catch (error) {
    say({ id: request.id, error: String(error && error.message) })
  }
}).on('close', async () => {
  for (const server of servers) server.close()
  for (const c of connections.values()) { c.asked = true; c.stream.destroy() }
  for (const kept of cores.values()) await kept.core.close()
  for (const drive of drives.values()) await drive.close()
  await store.close()
  process.exit(0)
})
say({ event: 'ready' })
