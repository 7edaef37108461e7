/** The door of the room: objects under names, on a disk, in memory, with scripted faults. */
export { createLocalDiskStore } from './create-local-disk.ts'
export { storageError } from './errors.ts'
export { type Fault, type FaultEffect, FaultyStore, type Verb } from './faulty.ts'
export { LocalDiskStore } from './local-disk.ts'
export { MemoryStore } from './memory.ts'
export {
  type ByteRange,
  checkObjectName,
  checkObjectPrefix,
  isObjectName,
  type ObjectInfo,
  type ObjectStore,
  type PruningStore,
} from './object-store.ts'
export { openStore, type StoreDescriptor } from './open-store.ts'
export { openRecovery, type RecoverySession, type Registration, type RegistrationOptions, registerServer } from './vault-registration.ts'
export { type VaultAccess, VaultStore } from './vault-store.ts'
