/**
 * Batches and answers as bytes, for the way between threads: a hundred thousand small objects cost more to copy than the files that they tell of cost to read.
 * Only ever read by the program that wrote it. What is decoded are views of the message.
 */
import { ByteReader, ByteWriter } from '../../base/bytes.ts'
import type { Warning } from '../../base/operation.ts'
import type { FileStat, Xattr } from '../../platform/index.ts'
import type { Extent } from '../entry.ts'
import { ChunkTable, readChunkTable, readExtents, writeExtents } from '../tree/extent-codec.ts'
import type { FileIdentity, KeptResult, LaneAnswer, LaneFile, LaneResult } from './lane.ts'

const MARK = { unsettled: 1, sparse: 2, flags: 4, born: 8, warning: 16, failed: 32, xattrs: 64, before: 128 } as const
/** What is kept has no other marks but `before`. */
const KEPT = MARK.failed | MARK.unsettled
const FILE_MARK = { time: 1, part: 2, before: 4, found: 8 } as const
const SLASH = 0x2f

/** The name of a file is the end of its path. */
export function encodeBatch(files: readonly LaneFile[]): Uint8Array<ArrayBuffer> {
  const body = new ByteWriter(files.length * 128 + 16)
  const chunks = new ChunkTable()
  let lastMs = -1
  for (const { folderFd, path, settledMs, part, before, found } of files) {
    body.varint(folderFd).bytes(path)
    // The same for all files of a device.
    const isSame = settledMs === lastMs
    body.u8((isSame ? 0 : FILE_MARK.time) | (part ? FILE_MARK.part : 0) | (before ? FILE_MARK.before : 0) | (found ? FILE_MARK.found : 0))
    if (!isSame) body.raw(new Uint8Array(Float64Array.of(settledMs).buffer))
    lastMs = settledMs
    if (part) body.varint(part.to).varint(part.from)
    if (before) writeExtents(body, chunks, before)
    if (found) writeIdentity(body, found)
  }
  const w = new ByteWriter(body.length + chunks.ids.length * 32 + 16)
  chunks.write(w)
  return transferable(w.varint(files.length).raw(body.finish()))
}

export function decodeBatch(bytes: Uint8Array): LaneFile[] {
  const r = new ByteReader(bytes)
  const chunks = readChunkTable(r)
  const files: LaneFile[] = []
  let settledMs = 0
  for (let left = r.varint(); left > 0; left--) {
    const folderFd = r.varint()
    const path = r.bytes()
    const marks = r.u8()
    if ((marks & FILE_MARK.time) !== 0) settledMs = r.raw(8).readDoubleLE(0)
    const part = (marks & FILE_MARK.part) !== 0 ? { part: { to: r.varint(), from: r.varint() } } : {}
    const before = (marks & FILE_MARK.before) !== 0 ? { before: readExtents(r, chunks, (why) => new Error(why)) } : {}
    const found = (marks & FILE_MARK.found) !== 0 ? { found: readIdentity(r) } : {}
    files.push({ folderFd, name: path.subarray(path.lastIndexOf(SLASH) + 1), path, settledMs, ...part, ...before, ...found })
  }
  return files
}

/** `files`: the batch that it answers. */
export function encodeAnswer(files: readonly LaneFile[], { results, addedBytes, packedBytes }: LaneAnswer): Uint8Array<ArrayBuffer> {
  const body = new ByteWriter(results.length * 96 + 64)
  const chunks = new ChunkTable()
  for (const [i, result] of results.entries()) writeResult(body, chunks, result, files[i]?.before)
  const w = new ByteWriter(body.length + chunks.ids.length * 32 + 64).varint(addedBytes).varint(packedBytes)
  chunks.write(w)
  return transferable(w.varint(results.length).raw(body.finish()))
}

/** `files`: those of which the batch was made. Extents that are as they were are those that stand there. */
export function decodeAnswer(files: readonly LaneFile[], bytes: Uint8Array): LaneAnswer {
  const r = new ByteReader(bytes)
  const addedBytes = r.varint()
  const packedBytes = r.varint()
  const chunks = readChunkTable(r)
  const results: (LaneResult | KeptResult)[] = []
  for (let left = r.varint(); left > 0; left--) results.push(readResult(r, chunks, files[results.length]?.before))
  return { results, addedBytes, packedBytes }
}

function writeResult(w: ByteWriter, chunks: ChunkTable, result: LaneResult | KeptResult, before: readonly Extent[] | undefined): void {
  if (result.isKept) {
    w.u8(KEPT | (result.extents === before ? MARK.before : 0))
    if (result.extents !== before) writeExtents(w, chunks, result.extents)
    return
  }
  if (!result.ok) {
    w.u8(MARK.failed).bytes(Buffer.from(JSON.stringify(result.warning)))
    return
  }
  const { stat, xattrs, inodeFlags, warning } = result
  w.u8(
    (result.unsettled ? MARK.unsettled : 0) |
      (result.sparse ? MARK.sparse : 0) |
      (inodeFlags !== undefined ? MARK.flags : 0) |
      (stat.bornSec !== undefined ? MARK.born : 0) |
      (warning ? MARK.warning : 0) |
      (xattrs.length > 0 ? MARK.xattrs : 0) |
      (result.extents === before ? MARK.before : 0),
  )
  writeStat(w, stat)
  w.varint(result.sizeBytes)
  if (inodeFlags !== undefined) w.varint(inodeFlags)
  if (xattrs.length > 0) {
    w.varint(xattrs.length)
    for (const { name, value } of xattrs) w.bytes(name).bytes(value)
  }
  if (result.extents !== before) writeExtents(w, chunks, result.extents)
  if (warning) w.bytes(Buffer.from(JSON.stringify(warning)))
}

function readResult(r: ByteReader, chunks: readonly Buffer[], before: readonly Extent[] | undefined): LaneResult | KeptResult {
  const marks = r.u8()
  if ((marks & KEPT) === KEPT) return { ok: true, isKept: true, extents: readExtentsUnless(r, chunks, marks, before) }
  if ((marks & MARK.failed) !== 0) return { ok: false, warning: readWarning(r) }
  const stat = readStat(r, (marks & MARK.born) !== 0)
  const sizeBytes = r.varint()
  const inodeFlags = (marks & MARK.flags) !== 0 ? r.varint() : undefined
  const xattrs: Xattr[] = []
  if ((marks & MARK.xattrs) !== 0) for (let left = r.varint(); left > 0; left--) xattrs.push({ name: r.bytes(), value: r.bytes() })
  return {
    ok: true,
    stat,
    xattrs,
    inodeFlags,
    extents: readExtentsUnless(r, chunks, marks, before),
    sizeBytes,
    unsettled: (marks & MARK.unsettled) !== 0,
    sparse: (marks & MARK.sparse) !== 0,
    warning: (marks & MARK.warning) !== 0 ? readWarning(r) : undefined,
  }
}

function readExtentsUnless(
  r: ByteReader,
  chunks: readonly Buffer[],
  marks: number,
  before: readonly Extent[] | undefined,
): readonly Extent[] {
  return before && (marks & MARK.before) !== 0 ? before : readExtents(r, chunks, (why) => new Error(why))
}

function writeIdentity(w: ByteWriter, { ino, sizeBytes, mtimeSec, mtimeNs, ctimeSec, ctimeNs }: FileIdentity): void {
  w.varint(ino).varint(sizeBytes).svarint(mtimeSec).varint(mtimeNs).svarint(ctimeSec).varint(ctimeNs)
}

function readIdentity(r: ByteReader): FileIdentity {
  return {
    ino: r.varint(),
    sizeBytes: r.varint(),
    mtimeSec: r.svarint(),
    mtimeNs: r.varint(),
    ctimeSec: r.svarint(),
    ctimeNs: r.varint(),
  }
}

/** Of a file: no other kind is answered for. */
function writeStat(w: ByteWriter, stat: FileStat): void {
  w.varint(stat.mode).varint(stat.uid).varint(stat.gid).varint(stat.sizeBytes).varint(stat.blocks512)
  w.svarint(stat.mtimeSec).varint(stat.mtimeNs).svarint(stat.ctimeSec).varint(stat.ctimeNs)
  if (stat.bornSec !== undefined) w.svarint(stat.bornSec).varint(stat.bornNs)
  w.varint(stat.dev).varint(stat.ino).varint(stat.links)
}

function readStat(r: ByteReader, hasBorn: boolean): FileStat {
  return {
    kind: 'file',
    mode: r.varint(),
    uid: r.varint(),
    gid: r.varint(),
    sizeBytes: r.varint(),
    blocks512: r.varint(),
    mtimeSec: r.svarint(),
    mtimeNs: r.varint(),
    ctimeSec: r.svarint(),
    ctimeNs: r.varint(),
    bornSec: hasBorn ? r.svarint() : undefined,
    bornNs: hasBorn ? r.varint() : 0,
    dev: r.varint(),
    ino: r.varint(),
    links: r.varint(),
    rdevMajor: 0,
    rdevMinor: 0,
    mountId: undefined,
  }
}

function readWarning(r: ByteReader): Warning {
  return JSON.parse(r.bytes().toString('utf8')) as Warning
}

/** In memory of its own, which can change hands. */
function transferable(w: ByteWriter): Uint8Array<ArrayBuffer> {
  return new Uint8Array(w.finish())
}
