/** Pages of a tree as bytes: docs/format.md §9.1, §9.2. */
import { ByteReader, ByteWriter } from '../../base/bytes.ts'
import type { FileKind, Xattr } from '../../platform/index.ts'
import type { Entry } from '../entry.ts'
import { archiveError } from '../errors.ts'
import { ChunkTable, readChunkTable, readExtents, writeExtents } from './extent-codec.ts'

const VERSION = 1
const KINDS = ['file', 'folder', 'symlink', 'fifo', 'character-device', 'block-device', 'socket'] as const satisfies FileKind[]
const NUMBER_OF_KIND = new Map<FileKind, number>(KINDS.map((kind, i) => [kind, i + 1]))
const MARK = { unsettled: 1, sparse: 2, ancestor: 4, xattrs: 8, flags: 16, born: 32 } as const

/** A child of an inner page. */
export interface PageChild {
  readonly firstPath: Buffer
  readonly id: Buffer
  readonly entries: number
  readonly contentBytes: number
}

export type Page =
  | { readonly level: 0; readonly entries: readonly Entry[]; readonly chunks: readonly Buffer[] }
  | { readonly level: number; readonly children: readonly PageChild[] }

export function isLeaf(page: Page): page is Extract<Page, { entries: unknown }> {
  return 'entries' in page
}

export class LeafEncoder {
  readonly #body = new ByteWriter(65_536)
  readonly #chunks = new ChunkTable()
  readonly #names = new Map<string, number>()
  #last: Buffer = Buffer.alloc(0)
  count = 0
  contentBytes = 0
  firstPath: Buffer = Buffer.alloc(0)

  get length(): number {
    return this.#body.length + this.#chunks.ids.length * 32
  }

  add(entry: Entry): void {
    if (this.count++ === 0) this.firstPath = Buffer.from(entry.path)
    this.contentBytes += entry.sizeBytes
    writeEntry(this.#body, this.#chunks, (name) => this.#nameNumber(name), this.#last, entry)
    this.#last = entry.path
  }

  #nameNumber(name: string | undefined): number {
    if (name === undefined) return 0
    const known = this.#names.get(name)
    if (known !== undefined) return known
    this.#names.set(name, this.#names.size + 1)
    return this.#names.size
  }

  finish(): Buffer {
    const writer = new ByteWriter(this.length + 256).u8(VERSION).u8(0).varint(this.count).varint(this.#names.size)
    for (const name of this.#names.keys()) writer.bytes(Buffer.from(name))
    this.#chunks.write(writer)
    return writer.raw(this.#body.finish()).finish()
  }
}

export function encodeInnerPage(level: number, children: readonly PageChild[]): Buffer {
  const writer = new ByteWriter(children.length * 96 + 16).u8(VERSION).u8(level).varint(children.length)
  for (const child of children) writer.bytes(child.firstPath).raw(child.id).varint(child.entries).varint(child.contentBytes)
  return writer.finish()
}

/** TREE_DAMAGED: the bytes were sealed by someone with the keys, so this is a bug or an attack, and nothing is guessed. */
export function decodePage(bytes: Uint8Array): Page {
  const fail = (why: string) => archiveError('TREE_DAMAGED', `a page of the tree can not be read: ${why}`)
  const reader = new ByteReader(bytes, fail)
  const version = reader.u8()
  if (version !== VERSION) throw fail(`its version is ${version}`)
  const level = reader.u8()
  const count = reader.varint()
  if (count > bytes.length) throw fail(`it claims ${count} entries`)
  if (level > 0) {
    const children = Array.from({ length: count }, () => ({
      firstPath: reader.bytes(),
      id: reader.raw(32),
      entries: reader.varint(),
      contentBytes: reader.varint(),
    }))
    reader.end()
    return { level, children }
  }
  const names: string[] = []
  for (let n = reader.varint(); n > 0; n--) names.push(reader.bytes().toString('utf8'))
  const chunks = readChunkTable(reader)
  const entries: Entry[] = []
  let last: Buffer = Buffer.alloc(0)
  for (let i = 0; i < count; i++) {
    const entry = readEntry(reader, names, chunks, last, fail)
    entries.push(entry)
    last = entry.path
  }
  reader.end()
  return { level: 0, entries, chunks }
}

function writeEntry(w: ByteWriter, chunks: ChunkTable, nameNumber: (name: string | undefined) => number, last: Buffer, entry: Entry): void {
  let shared = 0
  while (shared < last.length && shared < entry.path.length && last[shared] === entry.path[shared]) shared++
  w.varint(shared).bytes(entry.path.subarray(shared))
  w.u8(NUMBER_OF_KIND.get(entry.kind) as number)
  const { inodeFlags, bornSec } = entry
  w.varint(
    (entry.unsettled ? MARK.unsettled : 0) |
      (entry.sparse ? MARK.sparse : 0) |
      (entry.ancestor ? MARK.ancestor : 0) |
      (entry.xattrs.length > 0 ? MARK.xattrs : 0) |
      (inodeFlags !== undefined ? MARK.flags : 0) |
      (bornSec !== undefined ? MARK.born : 0),
  )
  w.varint(entry.mode).varint(entry.uid).varint(entry.gid).varint(nameNumber(entry.userName)).varint(nameNumber(entry.groupName))
  w.svarint(entry.mtimeSec).varint(entry.mtimeNs).svarint(entry.ctimeSec).varint(entry.ctimeNs)
  if (bornSec !== undefined) w.svarint(bornSec).varint(entry.bornNs)
  w.varint(entry.dev).varint(entry.ino).varint(entry.links).varint(entry.sizeBytes)
  if (inodeFlags !== undefined) w.varint(inodeFlags)
  if (entry.xattrs.length > 0) {
    w.varint(entry.xattrs.length)
    for (const { name, value } of entry.xattrs) w.bytes(name).bytes(value)
  }
  if (entry.kind === 'file') writeExtents(w, chunks, entry.extents)
  else if (entry.kind === 'symlink') w.bytes(entry.target ?? Buffer.alloc(0))
  else if (entry.kind === 'character-device' || entry.kind === 'block-device') w.varint(entry.major).varint(entry.minor)
}

function readEntry(r: ByteReader, names: readonly string[], chunks: readonly Buffer[], last: Buffer, fail: (why: string) => Error): Entry {
  const shared = r.varint()
  if (shared > last.length) throw fail('a path shares more than there is')
  const path = Buffer.concat([last.subarray(0, shared), r.bytes()])
  const kind = KINDS[r.u8() - 1]
  if (!kind) throw fail('an entry has an unknown type')
  const marks = r.varint()
  const mode = r.varint()
  const uid = r.varint()
  const gid = r.varint()
  const userName = nameAt(names, r.varint())
  const groupName = nameAt(names, r.varint())
  const mtimeSec = r.svarint()
  const mtimeNs = r.varint()
  const ctimeSec = r.svarint()
  const ctimeNs = r.varint()
  const hasBorn = (marks & MARK.born) !== 0
  const bornSec = hasBorn ? r.svarint() : undefined
  const bornNs = hasBorn ? r.varint() : 0
  const dev = r.varint()
  const ino = r.varint()
  const links = r.varint()
  const sizeBytes = r.varint()
  const inodeFlags = (marks & MARK.flags) !== 0 ? r.varint() : undefined
  const xattrs: Xattr[] = []
  if ((marks & MARK.xattrs) !== 0) for (let n = r.varint(); n > 0; n--) xattrs.push({ name: r.bytes(), value: r.bytes() })
  const isDevice = kind === 'character-device' || kind === 'block-device'
  const extents = kind === 'file' ? readExtents(r, chunks, fail) : []
  return {
    path,
    kind,
    unsettled: (marks & MARK.unsettled) !== 0,
    sparse: (marks & MARK.sparse) !== 0,
    ancestor: (marks & MARK.ancestor) !== 0,
    mode,
    uid,
    gid,
    userName,
    groupName,
    mtimeSec,
    mtimeNs,
    ctimeSec,
    ctimeNs,
    bornSec,
    bornNs,
    dev,
    ino,
    links,
    sizeBytes,
    inodeFlags,
    xattrs,
    extents,
    target: kind === 'symlink' ? r.bytes() : undefined,
    major: isDevice ? r.varint() : 0,
    minor: isDevice ? r.varint() : 0,
  }
}

function nameAt(names: readonly string[], number: number): string | undefined {
  return number === 0 ? undefined : names[number - 1]
}
