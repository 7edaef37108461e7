export { expire, openPoolWriter, openWriteSession, prune, verifyObjects } from './acts.ts'
export { ChunkReader, locate, planReads, type Rooms } from './chunk-reader.ts'
export { readConfiguration, removeConfiguration, writeConfiguration } from './configuration.ts'
export { noteDamage, type Revision, readDamageList } from './damage-list.ts'
export type { DamageList } from './damaged-chunks.ts'
export { repositoryError } from './errors.ts'
export type { RepositoryFormat } from './format/format-file.ts'
export type { ChunkIndex, ChunkLocation, RecordBlock } from './index/chunk-index.ts'
export { KnownChunks, type KnownChunksMemory } from './index/known-chunks.ts'
export type { PackTable } from './index/pack-table.ts'
export {
  CHUNK_TYPE,
  type ChunkType,
  chunkId,
  cutterKey,
  decodeKeyBundle,
  encodeKeyBundle,
  type HashName,
  type KeyBundle,
  pageSeed,
  type RepositoryKeys,
} from './keys/hierarchy.ts'
export { fasterHash, poolHash } from './keys/quicker-hash.ts'
export { makePassphrase, makeRecoveryKey, parseKeyFile, parsePassphrase, type Secret } from './keys/secret.ts'
export { addKeySlot, DEFAULT_KEY_COSTS, type KeyCosts, listKeySlots, unwrapBundle } from './keys/slot.ts'
export type { ManifestSelection, ManifestStatistics, PathText, RecoveryPoint } from './manifest/manifest.ts'
export { ChunkWriter, type WrittenChunk } from './pack/chunk-writer.ts'
export { Compressor, decompressInto } from './pack/compression.ts'
export { COMPRESSION, type Compression, PACK_CLASS, type PackClass, packName, type SealedPack } from './pack/pack-format.ts'
export type { OpenedEntry } from './pack/pack-reader.ts'
export type { PoolWriter } from './pool-writer/pool-writer.ts'
export { type Deletion, NO_DELETION, readDeletion, tombstonedPacks } from './prune/deletion-record.ts'
export { pruneError } from './prune/errors.ts'
export type { ExpireOptions, ExpireReport } from './prune/expire.ts'
export type { LiveSet } from './prune/live-set.ts'
export type { PruneOptions, PruneReport } from './prune/prune.ts'
export { asSession } from './prune/reading-session.ts'
export { type Finding, type LoadedIndex, type PointListing, Repository } from './repository.ts'
export { IdTable } from './view/id-table.ts'
export { type TakenPack, takePack } from './view/take-pack.ts'
export { type ViewKeys, viewKeys } from './view/view-keys.ts'
export { ViewStore, type ViewWriter } from './view/view-store.ts'
export type { NewPoint, WriterGrant, WriterLock, WriteSession } from './write-session.ts'
