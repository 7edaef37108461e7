/** Packs without a repository around them: keys, a writer, and what it sealed. */
import type { ChunkType, RepositoryKeys, SealedPack } from '../../src/repository/index.ts'
import { CHUNK_TYPE, ChunkWriter, KnownChunks, PACK_CLASS } from '../../src/repository/index.ts'
import { deriveKeys, makeKeyBundle } from '../../src/repository/keys/hierarchy.ts'
import type { ChunkWriterOptions } from '../../src/repository/pack/chunk-writer.ts'
import { MemoryStore } from '../../src/storage/index.ts'
import { anOperation, noise } from './pool.ts'

export function someKeys(seed: string): RepositoryKeys {
  const { random } = anOperation(`keys ${seed}`)
  return deriveKeys(makeKeyBundle(random), Buffer.from(random.bytes(16)).toString('hex'))
}

export interface WriterParts {
  readonly writer: ChunkWriter
  readonly store: MemoryStore
  readonly keys: RepositoryKeys
  readonly sealed: SealedPack[]
}

export function aChunkWriter(options: Partial<ChunkWriterOptions> = {}): WriterParts {
  const store = new MemoryStore()
  const keys = options.keys ?? someKeys('writer')
  const sealed: SealedPack[] = []
  const writer = new ChunkWriter({
    store,
    keys,
    known: KnownChunks.withRoomFor(1000),
    packClass: PACK_CLASS.data,
    packBytes: 65_536,
    padding: 'none',
    onSealed: (pack) => sealed.push(pack),
    ...options,
  })
  return { writer, store, keys, sealed }
}

export interface SmallPack extends WriterParts {
  readonly pack: SealedPack
  readonly name: string
  /** By chunk id in hexadecimal. */
  readonly contents: ReadonlyMap<string, Buffer>
}

/** One pack with entries of each kind of storage: compressed, plain, empty. */
export async function aSmallPack(
  options: Partial<ChunkWriterOptions> & { contents?: readonly Buffer[]; type?: ChunkType; seed?: string } = {},
): Promise<SmallPack> {
  const { contents: given, type, seed, ...rest } = options
  const op = anOperation(seed ?? 'a small pack')
  const parts = aChunkWriter(rest)
  const contents = new Map<string, Buffer>()
  for (const content of given ?? [Buffer.alloc(300, 'compressible '), noise('plain', 70), Buffer.alloc(0)]) {
    contents.set((await parts.writer.write(op, type ?? CHUNK_TYPE.data, content)).id.toString('hex'), content)
  }
  await parts.writer.flush(op)
  const [pack] = parts.sealed
  if (!pack) throw new Error('nothing was sealed')
  return { ...parts, pack, name: `packs/${pack.sha256.slice(0, 2)}/${pack.sha256}.pack`, contents }
}
