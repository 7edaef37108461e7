/**
 * Batches and answers as bytes, for the way between threads: a hundred thousand small objects cost more to copy than the files that they tell of cost to read.
 * Only ever read by the program that wrote it. What is decoded are views of the message.
 */
import { ByteReader, ByteWriter } from '../../base/bytes.ts'
import type { Warning } from '../../base/operation.ts'
import type { FileStat, Xattr } from '../../platform/index.ts'
import { ChunkTable, readChunkTable, readExtents, writeExtents } from '../tree/extent-codec.ts'
import type { LaneAnswer, LaneFile, LaneResult } from './lane.ts'

const MARK = { unsettled: 1, sparse: 2, flags: 4, born: 8, warning: 16, failed: 32, xattrs: 64 } as const
const SLASH = 0x2f

/** The name of a file is the end of its path. */
export function encodeBatch(files: readonly LaneFile[]): Uint8Array<ArrayBuffer> {
  const w = new ByteWriter(files.length * 128 + 16).varint(files.length)
  let lastMs = -1
  for (const { folderFd, path, settledMs, part } of files) {
    w.varint(folderFd).bytes(path)
    // The same for all files of a device.
    const isSame = settledMs === lastMs
    w.u8(isSame ? 0 : 1)
    if (!isSame) w.raw(new Uint8Array(Float64Array.of(settledMs).buffer))
    lastMs = settledMs
    w.varint(part ? part.to : 0)
    if (part) w.varint(part.from)
  }
  return transferable(w)
}

export function decodeBatch(bytes: Uint8Array): LaneFile[] {
  const r = new ByteReader(bytes)
  const files: LaneFile[] = []
  let settledMs = 0
  for (let left = r.varint(); left > 0; left--) {
    const folderFd = r.varint()
    const path = r.bytes()
    if (r.u8() === 1) settledMs = r.raw(8).readDoubleLE(0)
    const to = r.varint()
    const part = to > 0 ? { part: { to, from: r.varint() } } : {}
    files.push({ folderFd, name: path.subarray(path.lastIndexOf(SLASH) + 1), path, settledMs, ...part })
  }
  return files
}

export function encodeAnswer({ results, addedBytes, packedBytes }: LaneAnswer): Uint8Array<ArrayBuffer> {
  const body = new ByteWriter(results.length * 96 + 64)
  const chunks = new ChunkTable()
  for (const result of results) writeResult(body, chunks, result)
  const w = new ByteWriter(body.length + chunks.ids.length * 32 + 64).varint(addedBytes).varint(packedBytes)
  chunks.write(w)
  return transferable(w.varint(results.length).raw(body.finish()))
}

export function decodeAnswer(bytes: Uint8Array): LaneAnswer {
  const r = new ByteReader(bytes)
  const addedBytes = r.varint()
  const packedBytes = r.varint()
  const chunks = readChunkTable(r)
  const results: LaneResult[] = []
  for (let left = r.varint(); left > 0; left--) results.push(readResult(r, chunks))
  return { results, addedBytes, packedBytes }
}

function writeResult(w: ByteWriter, chunks: ChunkTable, result: LaneResult): void {
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
      (xattrs.length > 0 ? MARK.xattrs : 0),
  )
  writeStat(w, stat)
  w.varint(result.sizeBytes)
  if (inodeFlags !== undefined) w.varint(inodeFlags)
  if (xattrs.length > 0) {
    w.varint(xattrs.length)
    for (const { name, value } of xattrs) w.bytes(name).bytes(value)
  }
  writeExtents(w, chunks, result.extents)
  if (warning) w.bytes(Buffer.from(JSON.stringify(warning)))
}

function readResult(r: ByteReader, chunks: readonly Buffer[]): LaneResult {
  const marks = r.u8()
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
    extents: readExtents(r, chunks, (why) => new Error(why)),
    sizeBytes,
    unsettled: (marks & MARK.unsettled) !== 0,
    sparse: (marks & MARK.sparse) !== 0,
    warning: (marks & MARK.warning) !== 0 ? readWarning(r) : undefined,
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
