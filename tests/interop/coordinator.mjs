// A second peer of the coordinator's channel, written from docs/protocol.md on the real protomux: it proves that
// it knows the open bundle, compares its set with the other side's, and hears and tells what changes.
//
// It answers digests by lists alone, which is the page's choice of every sender: simple, and for small sets as good.
import { createRequire } from 'node:module'
import Protomux from 'protomux'

const require = createRequire(import.meta.url)
const sodium = require('sodium-native')
const raw = { preencode (s, b) { s.end += b.length }, encode (s, b) { s.buffer.set(b, s.start); s.start += b.length }, decode (s) { const b = s.buffer.subarray(s.start, s.end); s.start = s.end; return b } }

const types = ['root', 'nodes', 'need', 'items', 'ask', 'tell', 'credit', 'settled', 'refuse', 'bye', 'peers']
const children = 0
const grandchildren = 1
const list = 2
const pull = 3
const askBelow = 4

// -- Hashes.

export function blake (parts, key = null) {
  const out = Buffer.alloc(32)
  sodium.crypto_generichash(out, Buffer.concat(parts), ...(key ? [key] : []))
  return out
}
const name = blake([Buffer.from('sheaf/coordinator')])
const [TOPIC, PROOF_INITIATOR, PROOF_RESPONDER, SALT, SLOT, LEAF, INNER, ROOT, TAG] =
  [0, 1, 2, 3, 4, 5, 6, 7, 8].map((i) => blake([name, Buffer.from([i])]))
export const openSecret = blake([Buffer.from('sheaf open bundle')])
const u64 = (n) => { const b = Buffer.alloc(8); b.writeBigUInt64LE(BigInt(n)); return b }
export const slotOf = (key) => blake([SLOT, key])

// -- Compact encoding.

class Out {
  parts = []
  uint (n) {
    if (n <= 0xfc) this.parts.push(Buffer.from([n]))
    else if (n <= 0xffff) this.parts.push(Buffer.from([0xfd, n & 255, n >> 8]))
    else if (n <= 0xffffffff) { const b = Buffer.alloc(5); b[0] = 0xfe; b.writeUInt32LE(n, 1); this.parts.push(b) } else this.parts.push(Buffer.concat([Buffer.from([0xff]), u64(n)]))
    return this
  }

  raw (bytes) { this.parts.push(bytes); return this }
  bytes () { return Buffer.concat(this.parts) }
}
class In {
  constructor (bytes) { this.rest = Buffer.from(bytes) }
  raw (n) {
    if (n > this.rest.length) throw new Error('a field does not fit')
    const out = this.rest.subarray(0, n)
    this.rest = this.rest.subarray(n)
    return out
  }

  uint () {
    const first = this.raw(1)[0]
    if (first <= 0xfc) return first
    if (first === 0xfd) return this.raw(2).readUInt16LE()
    if (first === 0xfe) return this.raw(4).readUInt32LE()
    return Number(this.raw(8).readBigUInt64LE())
  }

  array (each) { return Array.from({ length: this.uint() }, each) }
}

// -- The trie.

const nibble = (slot, i) => (i % 2 ? slot[i >> 1] & 15 : slot[i >> 1] >> 4)
const covers = (prefix, slot) => prefix.every((n, i) => nibble(slot, i) === n)
const below = (elements, prefix) => elements.filter((e) => covers(prefix, e.slot))
function digest (elements, depth = 0) { // of those below one prefix, ascending by slot
  if (elements.length === 0) return Buffer.alloc(32)
  if (elements.length <= 16) {
    return blake([LEAF, u64(elements.length), ...elements.flatMap((e) => [e.slot, u64(e.fork), u64(e.length)])])
  }
  const parts = Array.from({ length: 16 }, () => [])
  for (const e of elements) parts[nibble(e.slot, depth)].push(e)
  return blake([INNER, ...parts.map((part) => digest(part, depth + 1))])
}
const newer = (a, b) => (a.fork !== b.fork ? a.fork > b.fork : a.length > b.length)

// -- The channel.

// `elements`: { key, fork, length, bare }, what this peer holds. Gives the channel's other side as it was heard:
// `learned`, items by the hex of their keys; `behind`, heads that lists showed to be newer there.
export class Coordinator {
  learned = new Map()
  behind = new Map()
  refused = []
  heard = [] // names of messages, in order
  bye = null
  #said = 0 // of types root to items
  #counted = 0
  #rootsSaid = 0
  #rootsHeard = 0
  #quiet = false
  #theirQuiet = false
  #running = false
  #listed = new Map()
  #credit = 0
  #told = null
  #waiting = []

  constructor (stream, elements, { closed = false, proof = null } = {}) {
    this.closed = closed
    this.elements = elements.map((e) => ({ ...e, slot: slotOf(e.key) })).sort((a, b) => Buffer.compare(a.slot, b.slot))
    this.initiator = stream.isInitiator
    const keyed = (ns) => blake([ns, stream.handshakeHash], openSecret)
    this.salt = keyed(SALT)
    const proofs = [keyed(PROOF_RESPONDER), keyed(PROOF_INITIATOR)]
    this.opened = new Promise((resolve) => { this.onopened = resolve })
    const channel = this.channel = Protomux.from(stream).createChannel({
      protocol: 'sheaf/coordinator',
      id: keyed(TOPIC),
      handshake: {
        preencode (s) { s.end += 36 },
        encode (s, m) { s.buffer.set(new Out().uint(1).uint(1).uint(1).uint(0).raw(m).bytes(), s.start); s.start += 36 },
        decode (s) { const from = new In(s.buffer.subarray(s.start, s.end)); for (let i = 0; i < 4; i++) from.uint(); s.start = s.end; return from.raw(32) }
      },
      onopen: (theirs) => {
        if (!theirs.equals(proofs[this.initiator ? 0 : 1])) return channel.close()
        this.onopened(true)
        this.#sayRoot()
      },
      onclose: () => { this.isClosed = true; this.onopened(false); this.#wake() }
    })
    this.messages = types.map((type) => channel.addMessage({ encoding: raw, onmessage: (body) => this.#hear(type, new In(body)) }))
    channel.open(proof || proofs[this.initiator ? 1 : 0])
  }

  // Resolves once `holds` does; looked at after every message.
  until (holds) {
    return new Promise((resolve) => { this.#waiting.push({ holds, resolve }); this.#wake() })
  }

  #wake () {
    this.#waiting = this.#waiting.filter(({ holds, resolve }) => !holds(this) || void resolve())
  }

  tell (element) { // a rise here
    const slot = slotOf(element.key)
    this.elements = [...this.elements.filter((e) => !e.slot.equals(slot)), { ...element, slot }].sort((a, b) => Buffer.compare(a.slot, b.slot))
    this.#sayItems([{ ...element, slot }], 1)
  }

  goodbye (reason = 3, text = '') {
    const words = Buffer.from(text)
    this.#say('bye', new Out().uint(reason).uint(words.length).raw(words))
    this.channel.close()
  }

  #tag (slot) { return blake([TAG, slot], this.salt).subarray(0, 8) }
  #short (bytes) { return blake([bytes], this.salt).subarray(0, 8) }
  #root () { return blake([ROOT, digest(this.elements), u64(this.elements.length)], this.salt) }

  #say (type, out) {
    const number = types.indexOf(type)
    if (number < 4) this.#said++
    this.messages[number].send(out.bytes())
  }

  sendRaw (type, bytes) { this.messages[types.indexOf(type)].send(bytes) }

  #sayRoot () {
    this.#told = this.#root()
    this.#say('root', new Out().uint(this.closed ? 1 : 0).uint(this.elements.length).raw(this.#told).uint(this.#rootsSaid++ ? 0 : 10_000))
    this.#pair()
  }

  #sayItems (items, live = 0) {
    const given = items.filter((e) => e.length > 0).slice(0, this.#credit)
    if (!given.length) return
    this.#credit -= given.length
    const out = new Out().uint(live).uint(given.length)
    for (const e of given) out.uint(3 + (e.bare ? 4 : 0)).raw(e.key).uint(e.fork).uint(e.length)
    this.#say('items', out)
  }

  #hear (type, body) {
    this.heard.push(type)
    if (types.indexOf(type) < 4) this.#counted++
    this['on_' + type]?.(body)
    if (types.indexOf(type) < 4 && !this.#running && this.#rootsSaid === this.#rootsHeard) this.#settle()
    this.#wake()
  }

  #settle () { this.#say('settled', new Out().uint(this.#counted).uint(0)) }

  on_root (body) {
    const flags = body.uint()
    const root = { closed: (flags & 1) > 0, whole: (flags & 2) > 0, count: body.uint(), digest: body.raw(32), credit: body.uint() }
    if (this.#rootsHeard++ === 0) this.#credit = root.credit
    this.theirs = root
    if (this.#rootsHeard > this.#rootsSaid) this.#sayRoot()
    else this.#pair()
  }

  #pair () {
    if (this.#rootsSaid !== this.#rootsHeard || this.theirs.digest.equals(this.#told)) return
    this.#running = true
    this.#quiet = this.#theirQuiet = false
    this.work = []
    this.needs = []
    this.gives = []
    if (!this.initiator) return
    this.work.push({ kind: this.elements.length ? list : pull, prefix: [] })
    this.#turn()
  }

  on_nodes (body) {
    const flags = body.uint()
    body.array(() => {
      const kind = body.uint()
      const depth = body.uint()
      const packed = body.raw((depth + 1) >> 1)
      const prefix = Array.from({ length: depth }, (_, i) => nibble(packed, i))
      if (kind === children || kind === grandchildren) this.#compareDigests(prefix, kind, body)
      if (kind === list) this.#compareList(prefix, body.array(() => ({ tag: body.raw(8).toString('hex'), fork: body.uint(), length: body.uint() })))
      if (kind === pull) this.gives.push(...below(this.elements, prefix))
      if (kind === askBelow) this.work.push({ kind: list, prefix })
    })
    this.#theirQuiet = (flags & 2) !== 0
    if (!(flags & 1)) return
    if (this.#quiet && this.#theirQuiet && !this.work.length && !this.needs.length) this.#running = false
    else this.#turn()
  }

  #compareDigests (prefix, kind, body) {
    const width = kind === children ? 16 : 256
    const bitmap = body.raw(width / 8)
    for (let i = 0; i < width; i++) {
      const child = kind === children ? [...prefix, i] : [...prefix, i >> 4, i & 15]
      const mine = below(this.elements, child)
      if (!(bitmap[i >> 3] >> (i & 7) & 1)) { this.gives.push(...mine); continue }
      const short = body.raw(8)
      if (!mine.length) this.work.push({ kind: pull, prefix: child })
      else if (!this.#short(digest(mine, child.length)).equals(short)) this.work.push({ kind: list, prefix: child })
    }
  }

  #compareList (prefix, theirs) {
    const mine = new Map(below(this.elements, prefix).map((e) => [this.#tag(e.slot).toString('hex'), e]))
    for (const listed of theirs) {
      const e = mine.get(listed.tag)
      mine.delete(listed.tag)
      if (!e) { if (listed.length && !this.closed) this.needs.push(Buffer.from(listed.tag, 'hex')) } else if (newer(listed, e)) this.behind.set(e.key.toString('hex'), listed)
      else if (newer(e, listed)) this.gives.push(e)
    }
    this.gives.push(...mine.values())
  }

  #turn () {
    this.#sayItems(this.gives.splice(0))
    if (this.needs.length) {
      const out = new Out().uint(this.needs.length)
      for (const tag of this.needs) out.raw(tag)
      this.#say('need', out)
    }
    this.#quiet = !this.work.length && !this.needs.length
    this.#listed.clear()
    const out = new Out().uint(this.#quiet ? 3 : 1).uint(this.work.length)
    for (const { kind, prefix } of this.work) {
      const packed = Buffer.alloc((prefix.length + 1) >> 1)
      prefix.forEach((n, i) => { packed[i >> 1] |= i % 2 ? n : n << 4 })
      out.uint(kind).uint(prefix.length).raw(packed)
      if (kind !== list) continue
      const mine = below(this.elements, prefix)
      out.uint(mine.length)
      for (const e of mine) {
        const tag = this.#tag(e.slot)
        this.#listed.set(tag.toString('hex'), e)
        out.raw(tag).uint(e.fork).uint(e.length)
      }
    }
    this.work = []
    this.needs = []
    if (this.#quiet && this.#theirQuiet) this.#running = false
    this.#say('nodes', out)
  }

  on_need (body) {
    this.gives.push(...body.array(() => this.#listed.get(body.raw(8).toString('hex'))).filter(Boolean))
  }

  on_items (body) {
    body.uint()
    const items = body.array(() => {
      const flags = body.uint()
      const item = { holding: flags & 3, bare: (flags & 4) !== 0, key: body.raw(32), fork: body.uint(), length: body.uint() }
      if (flags & 8) item.blobs = { fork: body.uint(), length: body.uint() }
      return item
    })
    for (const item of items) this.learned.set(item.key.toString('hex'), item)
    this.#say('credit', new Out().uint(items.length))
  }

  on_ask (body) {
    const id = body.uint()
    const held = body.array(() => {
      const tag = body.raw(8)
      return this.elements.some((e) => this.#tag(e.slot).equals(tag)) ? 3 : 0
    })
    this.#say('tell', new Out().uint(id).uint(held.length).raw(Buffer.from(held)))
  }

  on_credit (body) { this.#credit += body.uint() }
  on_settled (body) { this.theySettled = body.uint() === this.#said }
  on_refuse (body) { body.array(() => this.refused.push({ tag: body.raw(8).toString('hex'), reason: body.uint() })) }
  on_bye (body) { this.bye = body.uint() }
  tagOf (key) { return this.#tag(slotOf(key)).toString('hex') }
}
