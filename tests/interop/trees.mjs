// Trees of files, as tests write them into drives and find them in folders.
//
// A file is {name, pattern, executable, metadata, dedup} with contents (blocks.mjs), {name, linkname} or, when it
// is deleted again, {name, gone: true}. The last one of a name counts.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { block } from './blocks.mjs'

export const MiB = 1024 * 1024

// 300 files and some of every kind, with writes over writes and deletions between.
export function manyFiles () {
  const files = []
  for (let i = 0; i < 300; i++) files.push({ name: `/docs/${i % 7}/page ${i}.txt`, pattern: `${i * 37}/page ${i}` })
  files.push({ name: '/empty', pattern: '0/empty' })
  files.push({ name: '/big', pattern: `${40 * MiB}/big` })
  files.push({ name: '/grüße/日本語 🌾.txt', pattern: '100/unicode' })
  files.push({ name: '/bin/run', pattern: '2000/run', executable: true })
  files.push({ name: '/noted', pattern: '10/noted', metadata: { mtime: 1700000000123, tags: ['a', { b: null }] } })
  files.push({ name: '/link', linkname: 'docs/1/page 1.txt' })
  // Comes before the folder that it passes.
  files.push({ name: '/around', linkname: 'docs/../link' })
  for (const again of [1, 2]) files.push({ name: '/mapped', pattern: `300000/mapped ${again}`, dedup: true })
  for (let i = 0; i < 20; i++) files.push({ name: `/docs/${i % 7}/page ${i}.txt`, pattern: `${70_000 + i}/again ${i}` })
  for (let i = 100; i < 110; i++) files.push({ name: `/docs/${i % 7}/page ${i}.txt`, gone: true })
  return files
}

// What is left of them, by name.
export function tree (files) {
  const left = new Map()
  for (const file of files) file.gone ? left.delete(file.name) : left.set(file.name, file)
  return left
}

// Writes what is left of the files into a folder.
export function writeFolder (root, files) {
  for (const { name, pattern, linkname, executable, metadata } of tree(files).values()) {
    const at = path.join(root, name)
    fs.mkdirSync(path.dirname(at), { recursive: true })
    if (linkname) {
      fs.symlinkSync(linkname, at)
      continue
    }
    fs.writeFileSync(at, block(pattern, 0), { mode: executable ? 0o755 : 0o644 })
    if (metadata?.mtime) fs.utimesSync(at, metadata.mtime / 1000, metadata.mtime / 1000)
  }
}

// Everything in a folder but the folders themselves: name -> { link } or { bytes, executable, mtime }.
export function folderTree (root) {
  const found = new Map()
  const walk = (folder) => {
    for (const entry of fs.readdirSync(path.join(root, folder), { withFileTypes: true })) {
      const name = `${folder}/${entry.name}`
      const at = path.join(root, name)
      if (entry.isDirectory()) walk(name)
      else if (entry.isSymbolicLink()) found.set(name, { link: fs.readlinkSync(at) })
      else {
        const about = fs.statSync(at)
        found.set(name, { bytes: fs.readFileSync(at), executable: !!(about.mode & 0o100), mtime: Math.floor(about.mtimeMs) })
      }
    }
  }
  walk('')
  return found
}

// The folder holds these files and nothing else, with their times if whoever wrote it keeps those.
export function assertFolderIs (root, files, { times = true } = {}) {
  const wanted = tree(files)
  const found = folderTree(root)
  assert.deepEqual([...found.keys()].sort(), [...wanted.keys()].sort())
  for (const [name, file] of wanted) {
    const there = found.get(name)
    if (file.linkname) {
      assert.equal(there.link, file.linkname.startsWith('/') ? root + file.linkname : file.linkname, name)
      continue
    }
    assert.ok(there.bytes, `${name} is a file`)
    assert.ok(block(file.pattern, 0).equals(there.bytes), `${name} has its contents`)
    assert.equal(there.executable, !!file.executable, `${name} is executable or not`)
    if (times && file.metadata?.mtime) assert.equal(there.mtime, file.metadata.mtime, `${name} has its time`)
  }
}
