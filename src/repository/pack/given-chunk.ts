/** What is looked at in a chunk that others cut and compressed, before a byte of it is decompressed. */
import { repositoryError } from '../errors.ts'
import { CHUNK_TYPE, type ChunkType } from '../keys/hierarchy.ts'
import { COMPRESSION, type Compression, isChunkType, isCompression, PACK_CLASS, type PackClass } from './pack-format.ts'

/** A chunk as somebody else compressed it, who may be wrong about any of this. */
export interface GivenChunk {
  readonly id: Buffer
  readonly type: ChunkType
  readonly compression: Compression
  readonly contentBytes: number
  readonly stored: Uint8Array
}

/** Larger than any chunk that a cutter makes, or a page of a tree: what claims more is no chunk, and would only take memory. */
export const MOST_CONTENT_BYTES = 33_554_432
const ID_BYTES = 32

/** CHUNK_REFUSED. */
export function checkClaims(
  { id, type, compression, contentBytes, stored }: GivenChunk,
  packClass: PackClass,
  mostContentBytes: number,
): void {
  if (id.length !== ID_BYTES) throw refused(`its id has ${id.length} bytes`)
  if (!isChunkType(type) || (type === CHUNK_TYPE.data) !== (packClass === PACK_CLASS.data)) throw refused(`it has type ${type}`)
  if (!isCompression(compression)) throw refused(`it has compression ${compression}`)
  const isSize = Number.isSafeInteger(contentBytes) && contentBytes >= 0 && contentBytes <= mostContentBytes
  if (!isSize) throw refused(`it is said to have ${contentBytes} bytes of at most ${mostContentBytes}`)
  const isLength = compression === COMPRESSION.none ? stored.length === contentBytes : stored.length > 0 && stored.length < contentBytes
  if (!isLength) throw refused(`${stored.length} bytes were given for ${contentBytes}`)
}

export function refused(what: string): Error {
  return repositoryError('CHUNK_REFUSED', `a chunk was not stored: ${what}`)
}
