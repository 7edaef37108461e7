/** A store as plain data, so that a worker thread can open it again. */
import { systemDisk } from '../platform/index.ts'
import { LocalDiskStore } from './local-disk.ts'
import type { ObjectStore } from './object-store.ts'
import { openVaultStore } from './vaults.ts'

export type StoreDescriptor =
  | { readonly kind: 'local'; readonly path: string }
  | { readonly kind: 'vault'; readonly url: string; readonly serverId: string; readonly bearerToken: string }
  | { readonly kind: 'vault'; readonly url: string; readonly serverId: string; readonly privateKey: string }

/** `tag` begins the names of temporary files of a local store. */
export async function openStore(descriptor: StoreDescriptor, tag = '0'): Promise<ObjectStore> {
  if (descriptor.kind === 'local') return new LocalDiskStore(systemDisk(), descriptor.path, { tag })
  return await openVaultStore(descriptor)
}
