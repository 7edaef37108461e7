/**
 * A view as a store of objects: what an agent's repository is made of. FORMAT, the recovery points that it is shown, an index of the chunks that it is shown, and their
 * packs come from the pool; packs that are put become part of the pool, and a manifest that is put is the commit. Everything else that a writer puts (its epoch, its
 * index, its notes) matters to nobody but the session, and is kept for as long as that lasts.
 */
import { equalBytes } from '../../base/bytes.ts'
import { letOthersRun } from '../../base/clock.ts'
import type { Operation } from '../../base/operation.ts'
import { type ByteRange, checkObjectName, checkObjectPrefix, type ObjectInfo, type ObjectStore, storageError } from '../../storage/index.ts'
import { repositoryError } from '../errors.ts'
import { encodeFormat } from '../format/format-file.ts'
import type { ChunkLocation } from '../index/chunk-index.ts'
import { encodeSegment, segmentOfName } from '../index/segment.ts'
import { sourceId } from '../keys/hierarchy.ts'
import { decodeManifest, encodeManifest, manifestOfName, type RecoveryPoint } from '../manifest/manifest.ts'
import { packName, packOfName, type SealedPack } from '../pack/pack-format.ts'
import type { Repository } from '../repository.ts'
import { checkPoint } from './check-point.ts'
import { ShownPacks } from './shown-packs.ts'
import type { ViewKeys } from './view-keys.ts'

/** What becomes of that which a writer puts. Without it, the view is read only. */
export interface ViewWriter {
  /** The one source that may be written. */
  readonly source: string
  /** Durable when it returns; or it throws, and nothing of the pack counts. */
  takePack(op: Operation, name: string, bytes: Buffer): Promise<void>
  /** The commit. The recovery point is in the pool when it returns. */
  takePoint(op: Operation, point: RecoveryPoint): Promise<void>
}

/** What a session may keep besides packs. */
const MOST_KEPT_BYTES = 67_108_864
/** Chunks in one segment of the index that it shows: some ten milliseconds of sorting and sealing. */
const SHOWN_AT_ONCE = 32_768

export class ViewStore implements ObjectStore {
  readonly description: string
  readonly #keys: ViewKeys
  readonly #shown: ShownPacks
  readonly #objects = new Map<string, Buffer>()
  readonly #taken = new Map<string, number>()
  readonly #writer: ViewWriter | undefined
  readonly #takingPoints = new Map<string, Promise<void>>()
  #keptBytes = 0

  constructor(op: Operation, pool: Repository, keys: ViewKeys, writer?: ViewWriter) {
    this.description = `a view of ${pool.store.description}`
    this.#keys = keys
    this.#writer = writer
    this.#shown = new ShownPacks(pool, keys.keys)
    const format = encodeFormat(keys.format, op.clock.nowMs())
    for (const name of ['FORMAT', 'FORMAT.copy']) this.#objects.set(name, format)
  }

  /** Before the view is handed out. All its copies: one may be damaged. */
  showChunk(location: ChunkLocation): void {
    for (const copy of [location, ...(location.others ?? [])]) this.#shown.add(copy)
  }

  /** The one that was shown last turned out to be damaged in all its copies. */
  hideChunk(location: ChunkLocation): void {
    for (const copy of [location, ...(location.others ?? [])]) this.#shown.remove(copy)
  }

  /** As the last of its source: numbers begin anew in a view, with this one. */
  showPoint(op: Operation, point: RecoveryPoint): void {
    const { object: _, publicPart: __, ...body } = point
    const publicPart = { id: point.id, source: sourceId(this.#keys.keys, point.source), sequence: point.sequence, previous: null }
    const manifest = encodeManifest(op.random, this.#keys.keys, publicPart, body)
    this.#objects.set(manifest.name, manifest.bytes)
  }

  /** Once everything is shown: makes the index of it. */
  async seal(op: Operation): Promise<void> {
    const packs = this.#shown.sealed
    for (let first = 0; first < packs.length; ) {
      let [end, records] = [first, 0]
      while (end < packs.length && (records === 0 || records + (packs[end] as SealedPack).records.length <= SHOWN_AT_ONCE)) {
        records += (packs[end++] as SealedPack).records.length
      }
      const segment = encodeSegment(op.random, this.#keys.keys, packs.slice(first, end))
      this.#objects.set(segment.name, segment.bytes)
      first = end
      await letOthersRun()
    }
  }

  async put(op: Operation, name: string, bytes: Uint8Array): Promise<'stored' | 'already-there'> {
    checkObjectName(name)
    const writer = this.#writer
    if (!writer) throw storageError('STORAGE_READ_ONLY', 'this view can only be read')
    if (packOfName(name) !== undefined) return await this.#putPack(op, writer, name, bytes)
    if (segmentOfName(name) !== undefined) return this.#putSegment(name, bytes)
    const there = this.#objects.get(name)
    if (there) {
      if (equalBytes(there, bytes)) return 'already-there'
      throw storageError('STORAGE_OBJECT_EXISTS', `there is another object ${name}`)
    }
    if (this.#keptBytes + bytes.length > MOST_KEPT_BYTES)
      throw storageError('STORAGE_FULL', 'a session keeps no more than 64 MiB beside its packs')
    this.#keptBytes += bytes.length
    const kept = Buffer.from(bytes)
    if (manifestOfName(name)) await this.#putPoint(op, writer, name, kept)
    this.#objects.set(name, kept)
    return 'stored'
  }

  /** What it lists, the pool's own segments do. Nobody reads it, and for a large source it would be gigabytes. */
  #putSegment(name: string, bytes: Uint8Array): 'stored' | 'already-there' {
    if (this.#taken.has(name)) return 'already-there'
    this.#taken.set(name, bytes.length)
    return 'stored'
  }

  /** An agent that heard no answer puts it again, perhaps while the first is at work: that waits for it. */
  async #putPoint(op: Operation, writer: ViewWriter, name: string, bytes: Buffer): Promise<void> {
    const point = checkPoint(decodeManifest(this.#keys.keys, name, bytes))
    if (point.source !== writer.source) {
      throw repositoryError('VIEW_FOREIGN_SOURCE', `this session writes ${writer.source}, the manifest says ${point.source}`)
    }
    // Its name is its hash, which was just checked.
    const taking = this.#takingPoints.get(name) ?? writer.takePoint(op, point).finally(() => this.#takingPoints.delete(name))
    this.#takingPoints.set(name, taking)
    await taking
  }

  async #putPack(op: Operation, writer: ViewWriter, name: string, bytes: Uint8Array): Promise<'stored' | 'already-there'> {
    if (this.#taken.has(name)) return 'already-there' // its name is its hash, and that was checked
    // Its memory may go to another thread, which leaves nothing of it here.
    const { length } = bytes
    await writer.takePack(op, name, bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
    this.#taken.set(name, length)
    return 'stored'
  }

  async get(op: Operation, name: string, range?: ByteRange): Promise<Buffer> {
    checkObjectName(name)
    const sha256 = packOfName(name)
    const size = sha256 === undefined ? this.#objects.get(name)?.length : this.#shown.sizeOf(sha256)
    if (size === undefined) throw storageError('STORAGE_OBJECT_NOT_FOUND', `there is no object ${name}`)
    const { offset, length } = range ?? { offset: 0, length: size }
    if (offset + length > size)
      throw storageError('STORAGE_OBJECT_SHORT', `${name} ends after ${size} bytes, ${offset + length} are wanted`)
    if (sha256 !== undefined) return await this.#shown.read(op, sha256, { offset, length })
    return Buffer.from((this.#objects.get(name) as Buffer).subarray(offset, offset + length))
  }

  async head(_op: Operation, name: string): Promise<ObjectInfo | undefined> {
    checkObjectName(name)
    const sizeBytes = this.#sizeOf(name)
    return sizeBytes === undefined ? undefined : { name, sizeBytes }
  }

  async *list(_op: Operation, prefix: string): AsyncGenerator<ObjectInfo> {
    checkObjectPrefix(prefix)
    const names = [...this.#objects.keys(), ...this.#taken.keys(), ...this.#shown.names.map(packName)]
    for (const name of names.filter((name) => name.startsWith(prefix)).sort()) {
      const sizeBytes = this.#sizeOf(name)
      if (sizeBytes !== undefined) yield { name, sizeBytes }
    }
  }

  #sizeOf(name: string): number | undefined {
    const sha256 = packOfName(name)
    const shown = sha256 === undefined ? this.#objects.get(name)?.length : this.#shown.sizeOf(sha256)
    return shown ?? this.#taken.get(name)
  }
}
