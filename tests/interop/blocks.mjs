// Blocks that both ends of a test can make again from a name, so that contents are checked and never sent along.
//
// A pattern is "SIZES/SEED": SIZES is a number of bytes, or "mixed" for 0 B to 1 MiB, mostly small. The same
// pattern and index give the same bytes. No block holds a newline, so that `sheaf core append --lines` can take
// blocks of any pattern, one a line.
import crypto from 'node:crypto'

const MiB = 1024 * 1024

// The sizes of "mixed", as [share of 1000, largest]: 10,000 of them come to about 70 MB.
const mixture = [[600, 256], [300, 4096], [80, 32768], [15, 262144], [5, MiB]]

function digest (seed, index) {
  return crypto.createHash('sha256').update(`${seed}/${index}`).digest()
}

export function sizeOf (pattern, index) {
  const [sizes, seed] = pattern.split('/')
  if (sizes !== 'mixed') return Number(sizes)
  if (index % 1000 === 0) return 0
  if (index % 1000 === 500) return MiB
  const d = digest(`size of ${seed}`, index)
  let place = d.readUInt16LE(0) % 1000
  for (const [share, largest] of mixture) {
    if (place < share) return d.readUInt32LE(4) % (largest + 1)
    place -= share
  }
  throw new Error('the mixture does not sum to 1000')
}

export function block (pattern, index) {
  const size = sizeOf(pattern, index)
  const d = digest(pattern, index)
  const bytes = crypto.createCipheriv('aes-128-ctr', d.subarray(0, 16), d.subarray(16)).update(Buffer.alloc(size))
  for (let i = bytes.indexOf(10); i !== -1; i = bytes.indexOf(10, i + 1)) bytes[i] = 11
  return bytes
}

// The blocks from..to-1 as lines, in pieces that a pipe can take one after another.
export function * lines (pattern, from, to) {
  for (let i = from; i < to; i++) yield Buffer.concat([block(pattern, i), Buffer.from('\n')])
}

export function byteLength (pattern, from, to) {
  let sum = 0
  for (let i = from; i < to; i++) sum += sizeOf(pattern, i)
  return sum
}
