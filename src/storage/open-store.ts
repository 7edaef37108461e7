/** A store as plain data, so that a worker thread can open it again. */
import { threadId } from 'node:worker_threads'
import { systemDisk } from '../platform/index.ts'
import { LocalDiskStore } from './local-disk.ts'
import type { ObjectStore } from './object-store.ts'
import type { SessionAccess } from './session-store.ts'
import { openVaultStore } from './vaults.ts'

export type StoreDescriptor =
  | { readonly kind: 'local'; readonly path: string }
  | { readonly kind: 'session'; readonly access: SessionAccess }
  | { readonly kind: 'vault'; readonly url: string; readonly serverId: string; readonly bearerToken: string }
  | { readonly kind: 'vault'; readonly url: string; readonly serverId: string; readonly privateKey: string }

/** `tag` begins the names of temporary files of a local store. */
export async function openStore(descriptor: StoreDescriptor, tag = '0'): Promise<ObjectStore> {
  if (descriptor.kind === 'local') return new LocalDiskStore(systemDisk(), descriptor.path, { tag })
  if (descriptor.kind === 'session') return (await import('./session-store.ts')).openSessionStore(descriptor.access, laneOf(tag))
  return await openVaultStore(descriptor)
}

let stores = 0
/** No two stores of a process sign under one name, since each counts its requests by itself. */
function laneOf(tag: string): string {
  return `${tag}-${threadId}-${stores++}`
}
