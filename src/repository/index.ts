export { ChunkReader, locate, planReads } from './chunk-reader.ts'
export { readConfiguration, writeConfiguration } from './configuration.ts'
export { type DamageList, noteDamage } from './damage-list.ts'
export { repositoryError } from './errors.ts'
export type { RepositoryFormat } from './format/format-file.ts'
export type { ChunkIndex, ChunkLocation } from './index/chunk-index.ts'
export { KnownChunks, type KnownChunksMemory } from './index/known-chunks.ts'
export {
  CHUNK_TYPE,
  type ChunkType,
  decodeKeyBundle,
  encodeKeyBundle,
  gearTable,
  type KeyBundle,
  pageSeed,
  type RepositoryKeys,
} from './keys/hierarchy.ts'
export { makePassphrase, makeRecoveryKey, parseKeyFile, parsePassphrase, type Secret } from './keys/secret.ts'
export { addKeySlot, DEFAULT_KEY_COSTS, type KeyCosts, listKeySlots, unwrapBundle } from './keys/slot.ts'
export type { ManifestStatistics, PathText, RecoveryPoint } from './manifest/manifest.ts'
export { ChunkWriter, type WrittenChunk } from './pack/chunk-writer.ts'
export { PACK_CLASS, packName, type SealedPack } from './pack/pack-format.ts'
export type { OpenedEntry } from './pack/pack-reader.ts'
export { type Finding, type LoadedIndex, type PointListing, Repository } from './repository.ts'
export { verifyObjects } from './verify-objects.ts'
export { type NewPoint, openWriteSession, type WriterGrant, type WriterLock, WriteSession } from './write-session.ts'
