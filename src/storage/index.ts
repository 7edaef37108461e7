/** The door of the room: objects under names, on a disk, in memory, with scripted faults. */
export { createLocalDiskStore } from './create-local-disk.ts'
export { storageError } from './errors.ts'
export { type Fault, type FaultEffect, FaultyStore, type Verb } from './faulty.ts'
export { LocalDiskStore } from './local-disk.ts'
export { MemoryStore, openBytes } from './memory.ts'
export {
  type Announcement,
  type ByteRange,
  checkObjectName,
  checkObjectPrefix,
  type ImmediateReads,
  isObjectName,
  type LiveSession,
  type ObjectInfo,
  type ObjectMove,
  type ObjectStore,
  type OpenObject,
  type PruningStore,
  type SessionBoard,
} from './object-store.ts'
export { openStore, type StoreDescriptor } from './open-store.ts'
export type { PinnedIdentity } from './pinned-fetch.ts'
export type { SessionAccess } from './session-store.ts'
export { aThrottle, type SharedThrottle, setRate } from './throttle.ts'
export type { RecoverySession, Registration, RegistrationOptions } from './vault-registration.ts'
export type { VaultAccess } from './vault-store.ts'
export { openRecovery, openVaultStore, pinnedFetch, registerServer } from './vaults.ts'
