import type { Operation } from '../../base/operation.ts'
import { gcm } from '../../platform/index.ts'
import type { ObjectStore } from '../../storage/index.ts'
import { nonceOf, seal, TAG_BYTES } from '../format/aead.ts'
import type { KnownChunks } from '../index/known-chunks.ts'
import { type ChunkType, chunkId, objectHash, type RepositoryKeys } from '../keys/hierarchy.ts'
import { Compressor } from './compression.ts'
import {
  DIRECTORY_COUNTER,
  DIRECTORY_RECORD_BYTES,
  directoryAssociatedData,
  encodeDirectory,
  entryAssociatedData,
  MOST_ENTRIES,
  PACK_END,
  PACK_FOOTER_BYTES,
  PACK_HEADER_BYTES,
  PACK_LIMIT_BYTES,
  PACK_MAGIC,
  type PackClass,
  type PackRecord,
  packKey,
  packName,
  padmeSize,
  type SealedPack,
} from './pack-format.ts'

const MOST_IN_FLIGHT = 2
const LEAST_PADDED_BYTES = 65_536

export interface ChunkWriterOptions {
  readonly store: ObjectStore
  readonly keys: RepositoryKeys
  readonly known: KnownChunks
  readonly packClass: PackClass
  readonly packBytes: number
  readonly padding: 'none' | 'padme'
  /** Called for each pack once it is durable. */
  readonly onSealed: (pack: SealedPack) => void
  readonly inFlight?: number
  /** Memory of packs that are durable, for those to come. Writers on one thread may share it. */
  readonly spares?: Buffer[]
}

/** What `write` did: the id, and how much was added (0 and 0 when the chunk was known). */
export interface WrittenChunk {
  readonly id: Buffer
  readonly addedBytes: number
  readonly packedBytes: number
}

interface StoredChunk extends Pick<PackRecord, 'id' | 'type' | 'compression' | 'contentBytes'> {
  readonly stored: Uint8Array
}

interface OpenPack {
  readonly buffer: Buffer
  readonly key: Uint8Array
  readonly records: PackRecord[]
  length: number
}

export class ChunkWriter {
  readonly #options: ChunkWriterOptions
  #open: OpenPack | undefined
  readonly #spare: Buffer[]
  readonly #compressor: Compressor
  readonly #inFlight = new Set<Promise<void>>()
  /** Packs that wait for their turn to be published. */
  #sealing = 0
  #failure: { error: unknown } | undefined

  constructor(options: ChunkWriterOptions) {
    this.#options = options
    this.#spare = options.spares ?? []
    this.#compressor = new Compressor({ isCheckedElsewhere: options.store.checksChunks ?? false, isHard: options.store.isNarrow ?? false })
  }

  /** Stores the content unless its chunk is known (`again`: even then). The content may be reused once the promise has settled. */
  async write(op: Operation, type: ChunkType, content: Uint8Array, options: { readonly again?: boolean } = {}): Promise<WrittenChunk> {
    const { keys, known } = this.#options
    const id = chunkId(keys, type, content)
    if (!known.add(id) && !options.again) return { id, addedBytes: 0, packedBytes: 0 }
    const packedBytes = await this.#append(op, { id, type, contentBytes: content.length, ...this.#compressor.compress(content) })
    return { id, addedBytes: content.length, packedBytes }
  }

  /** A chunk of another repository with the same id key, just read and checked there: stored as it was compressed. */
  async copy(op: Operation, record: PackRecord, stored: Uint8Array): Promise<WrittenChunk> {
    const { id, type, compression, contentBytes } = record
    if (!this.#options.known.add(id)) return { id, addedBytes: 0, packedBytes: 0 }
    // A copy of the id: the record's is a view of the other repository's index.
    const packedBytes = await this.#append(op, { id: Buffer.from(id), type, compression, contentBytes, stored })
    return { id, addedBytes: contentBytes, packedBytes }
  }

  async #append(op: Operation, { id, type, compression, contentBytes, stored }: StoredChunk): Promise<number> {
    const length = stored.length + TAG_BYTES
    let kept = stored
    while (this.#open && !this.#fits(this.#open, length)) {
      // While this waits, another write may use the buffer of the compressor, or fill the next pack.
      if (kept === stored) kept = Buffer.from(stored)
      await this.#seal(op, true)
    }
    const pack = this.#open ?? this.#begin(op, length)
    const { keys, packClass } = this.#options
    const associated = entryAssociatedData(keys, packClass, { id, type, compression, offset: pack.length })
    gcm.seal(pack.buffer.subarray(pack.length, pack.length + length), pack.key, nonceOf(pack.length), associated, kept)
    pack.records.push({ id, offset: pack.length, storedBytes: length, contentBytes, type, compression })
    pack.length += length
    return length
  }

  #fits(pack: OpenPack, length: number): boolean {
    return pack.records.length < MOST_ENTRIES && this.#sizeWith(pack, length) <= this.#options.packBytes
  }

  #sizeWith(pack: OpenPack, length: number): number {
    const directory = 4 + (pack.records.length + 1) * DIRECTORY_RECORD_BYTES + TAG_BYTES
    return pack.length + length + directory + PACK_FOOTER_BYTES
  }

  #begin(op: Operation, firstLength: number): OpenPack {
    const { keys, packClass, packBytes } = this.#options
    const need = Math.max(packBytes, PACK_HEADER_BYTES + firstLength + 4096)
    const spare = this.#spare.pop()
    const buffer = spare && spare.length >= need ? spare : Buffer.allocUnsafeSlow(Math.min(need, PACK_LIMIT_BYTES))
    const salt = op.random.bytes(32)
    const { key, commitment } = packKey(keys, packClass, salt)
    buffer.fill(0, 0, PACK_HEADER_BYTES)
    buffer.set(PACK_MAGIC, 0)
    buffer[8] = 1
    buffer[9] = packClass
    buffer.set(salt, 16)
    buffer.set(commitment, 48)
    this.#open = { buffer, key, records: [], length: PACK_HEADER_BYTES }
    return this.#open
  }

  /** Seals the open pack and starts to publish it; waits while too many are being published. */
  async #seal(op: Operation, isFull: boolean): Promise<void> {
    const pack = this.#open
    if (!pack) return
    this.#open = undefined
    const bytes = this.#finish(pack, isFull)
    this.#sealing++
    while (this.#inFlight.size >= (this.#options.inFlight ?? MOST_IN_FLIGHT)) await Promise.race(this.#inFlight)
    this.#sealing--
    this.#throwFailure()
    op.check()
    const publishing = this.#publish(op, pack, bytes).catch((error: unknown) => {
      this.#failure ??= { error }
    })
    this.#inFlight.add(publishing)
    void publishing.finally(() => this.#inFlight.delete(publishing))
  }

  #finish(pack: OpenPack, isFull: boolean): Buffer {
    const { keys, padding, packBytes } = this.#options
    const directoryAt = pack.length
    const plain = 4 + pack.records.length * DIRECTORY_RECORD_BYTES
    const bare = directoryAt + plain + TAG_BYTES + PACK_FOOTER_BYTES
    let size = bare
    if (padding === 'padme') size = isFull && bare <= packBytes ? packBytes : Math.max(LEAST_PADDED_BYTES, padmeSize(bare))
    const directory = seal(
      pack.key,
      DIRECTORY_COUNTER,
      directoryAssociatedData(keys, pack.buffer.subarray(0, PACK_HEADER_BYTES)),
      encodeDirectory(pack.records, size - bare),
    )
    const buffer = pack.buffer.length >= size ? pack.buffer : Buffer.concat([pack.buffer.subarray(0, directoryAt)], size)
    buffer.set(directory, directoryAt)
    const footer = size - PACK_FOOTER_BYTES
    buffer.fill(0, footer, size)
    buffer.writeBigUInt64LE(BigInt(directoryAt), footer)
    buffer.writeBigUInt64LE(BigInt(directory.length), footer + 8)
    buffer.set(PACK_END, footer + 24)
    return buffer.subarray(0, size)
  }

  async #publish(op: Operation, pack: OpenPack, bytes: Buffer): Promise<void> {
    const hash = objectHash(this.#options.keys, bytes)
    await this.#options.store.put(op, packName(hash), bytes)
    if (this.#spare.length < 2) this.#spare.push(pack.buffer)
    this.#options.onSealed({ sha256: hash, sizeBytes: bytes.length, records: pack.records })
  }

  #throwFailure(): void {
    if (this.#failure) throw this.#failure.error
  }

  /** Seals what is open and waits until every pack is durable. Throws the first failure; then nothing of this writer counts. */
  async flush(op: Operation): Promise<void> {
    await this.#seal(op, false)
    // Also what another caller is about to publish.
    while (this.#inFlight.size + this.#sealing > 0) await Promise.race(this.#inFlight.size > 0 ? this.#inFlight : [undefined])
    this.#throwFailure()
  }
}
