/** A store as plain data, so that a worker thread can open it again. */
import { systemDisk } from '../platform/index.ts'
import { LocalDiskStore } from './local-disk.ts'
import type { ObjectStore } from './object-store.ts'
import { VaultStore } from './vault-store.ts'

export type StoreDescriptor =
  | { readonly kind: 'local'; readonly path: string }
  | { readonly kind: 'vault'; readonly url: string; readonly serverId: string; readonly bearerToken: string }
  | { readonly kind: 'vault'; readonly url: string; readonly serverId: string; readonly privateKey: string }

/** `tag` begins the names of temporary files of a local store. */
export function openStore(descriptor: StoreDescriptor, tag = '0'): ObjectStore {
  if (descriptor.kind === 'local') return new LocalDiskStore(systemDisk(), descriptor.path, { tag })
  return new VaultStore(descriptor, fetch)
}
