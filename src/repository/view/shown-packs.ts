/**
 * The packs of a pool as a view shows them: the same entries at the same places, under the view's keys, made when they are asked for. What the view does not show
 * is zeros. A pack of a view has no directory, since the view's index lists all that there is.
 */
import type { Operation } from '../../base/operation.ts'
import type { ByteRange } from '../../storage/index.ts'
import { repositoryError } from '../errors.ts'
import { seal, unseal } from '../format/aead.ts'
import type { ChunkLocation } from '../index/chunk-index.ts'
import { hkdf, type RepositoryKeys } from '../keys/hierarchy.ts'
import { entryAssociatedData, PACK_HEADER_BYTES, PACK_MAGIC, type PackRecord, packKey, type SealedPack } from '../pack/pack-format.ts'
import { type PackHeader, readPackHeader } from '../pack/pack-reader.ts'
import { getPack } from '../pack/pack-source.ts'
import type { Repository } from '../repository.ts'

/** Neighbours are read from the pool at once, with at most so much between them that is not shown. */
const BRIDGED_BYTES = 65_536

interface ShownPack {
  readonly sha256: string
  readonly records: PackRecord[]
  isSorted: boolean
  endBytes: number
  header: { readonly pool: PackHeader; readonly shown: PackHeader } | undefined
}

export class ShownPacks {
  readonly #pool: Repository
  readonly #keys: RepositoryKeys
  readonly #packs = new Map<string, ShownPack>()

  constructor(pool: Repository, keys: RepositoryKeys) {
    this.#pool = pool
    this.#keys = keys
  }

  /** Shows one more chunk. */
  add({ pack: sha256, record }: ChunkLocation): void {
    let pack = this.#packs.get(sha256)
    if (!pack) {
      pack = { sha256, records: [], isSorted: true, endBytes: PACK_HEADER_BYTES, header: undefined }
      this.#packs.set(sha256, pack)
    }
    // A copy of the id: the record's may be a view of a block that is let go.
    pack.records.push({ ...record, id: Buffer.from(record.id) })
    pack.isSorted = false
    pack.endBytes = Math.max(pack.endBytes, record.offset + record.storedBytes)
  }

  /** The one that was added last of its pack. */
  remove({ pack: sha256, record }: ChunkLocation): void {
    const pack = this.#packs.get(sha256)
    if (!pack?.records.at(-1)?.id.equals(record.id)) return
    pack.records.pop()
    if (pack.records.length === 0) this.#packs.delete(sha256)
  }

  /** In the order of their names. */
  get names(): string[] {
    return [...this.#packs.keys()].sort()
  }

  /** As the view's index lists them. */
  get sealed(): SealedPack[] {
    return this.names.map((sha256) => {
      const { records, endBytes } = this.#packs.get(sha256) as ShownPack
      return { sha256, sizeBytes: endBytes, records }
    })
  }

  /** Undefined for a pack of which nothing is shown. */
  sizeOf(sha256: string): number | undefined {
    return this.#packs.get(sha256)?.endBytes
  }

  /** The range lies within the pack. What is damaged is zeros. PACK_MISSING, PACK_DAMAGED of the pool. */
  async read(op: Operation, sha256: string, { offset, length }: ByteRange): Promise<Buffer> {
    const pack = this.#packs.get(sha256)
    if (!pack) throw repositoryError('PACK_MISSING', `pack ${sha256.slice(0, 12)}… is not part of the view`, { context: { pack: sha256 } })
    const bytes = Buffer.alloc(length)
    const end = offset + length
    const { pool, shown } = await this.#headerOf(op, pack)
    if (offset < PACK_HEADER_BYTES) shown.bytes.copy(bytes, 0, offset, Math.min(end, PACK_HEADER_BYTES))
    for (const run of runsWithin(pack, offset, end)) {
      const [first] = run
      const last = run.at(-1)
      if (!first || !last) continue
      const from = first.offset
      const sealed = await getPack(op, this.#pool.store, sha256, { offset: from, length: last.offset + last.storedBytes - from })
      for (const record of run) {
        const at = record.offset - from
        const again = this.#reseal(pool, shown, record, sealed.subarray(at, at + record.storedBytes))
        // The agent finds its seal broken, of this one and not of its neighbours.
        if (!again) continue
        const start = Math.max(record.offset, offset)
        again.copy(bytes, start - offset, start - record.offset, Math.min(record.offset + record.storedBytes, end) - record.offset)
      }
    }
    return bytes
  }

  /** Undefined when its own seal is broken. */
  #reseal(pool: PackHeader, shown: PackHeader, record: PackRecord, sealed: Buffer): Buffer | undefined {
    const stored = unseal(pool.key, record.offset, entryAssociatedData(this.#pool.keys, pool.packClass, record), sealed)
    return stored && seal(shown.key, record.offset, entryAssociatedData(this.#keys, shown.packClass, record), stored)
  }

  async #headerOf(op: Operation, pack: ShownPack): Promise<NonNullable<ShownPack['header']>> {
    if (pack.header) return pack.header
    const pool = await readPackHeader(op, this.#pool.store, this.#pool.keys, pack.sha256)
    pack.header = { pool, shown: shownHeader(this.#keys, pack.sha256, pool.packClass) }
    return pack.header
  }
}

/** The salt follows from the pack: whoever asks twice is shown the same bytes, and a key never seals two packs. */
function shownHeader(keys: RepositoryKeys, sha256: string, packClass: number): PackHeader {
  const salt = hkdf(keys.metaKey, Buffer.from(sha256, 'hex'), 'terp/1/view-pack', 32)
  const { key, commitment } = packKey(keys, packClass, salt)
  const bytes = Buffer.alloc(PACK_HEADER_BYTES)
  bytes.set(PACK_MAGIC, 0)
  bytes[8] = 1
  bytes[9] = packClass
  bytes.set(salt, 16)
  bytes.set(commitment, 48)
  return { packClass, key, bytes }
}

/** The records that reach into the range, in runs that are worth one read. */
function runsWithin(pack: ShownPack, from: number, to: number): PackRecord[][] {
  if (!pack.isSorted) {
    pack.records.sort((a, b) => a.offset - b.offset)
    pack.isSorted = true
  }
  const { records } = pack
  let [low, high] = [0, records.length]
  while (low < high) {
    const middle = (low + high) >> 1
    const { offset, storedBytes } = records[middle] as PackRecord
    if (offset + storedBytes <= from) low = middle + 1
    else high = middle
  }
  const runs: PackRecord[][] = []
  let lastEnd = Number.NEGATIVE_INFINITY
  for (let i = low; i < records.length && (records[i] as PackRecord).offset < to; i++) {
    const record = records[i] as PackRecord
    if (record.offset - lastEnd > BRIDGED_BYTES) runs.push([])
    runs.at(-1)?.push(record)
    lastEnd = record.offset + record.storedBytes
  }
  return runs
}
