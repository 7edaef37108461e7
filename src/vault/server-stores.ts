/** One object store for each registered server, opened when it is first needed and kept: a store that failed stays failed until a restart. */
import { join } from 'node:path'
import type { ObjectStore } from '../storage/index.ts'

export interface ServerPlace {
  readonly vaultId: string
  readonly serverId: string
}

/** Where objects of a server lie. A folder now; whatever fulfils the storage contract later. */
export type OpenStore = (folder: string) => Promise<ObjectStore>

export class ServerStores {
  readonly #objectsFolder: string
  readonly #open: OpenStore
  readonly #stores = new Map<string, Promise<ObjectStore>>()

  constructor(objectsFolder: string, open: OpenStore) {
    this.#objectsFolder = objectsFolder
    this.#open = open
  }

  of({ vaultId, serverId }: ServerPlace): Promise<ObjectStore> {
    const known = this.#stores.get(serverId)
    if (known) return known
    const opening = this.#open(join(this.#objectsFolder, vaultId, serverId))
    this.#stores.set(serverId, opening)
    // What could not be opened is tried again by the next request; this one gets the error from the promise itself.
    opening.catch(() => this.#stores.delete(serverId))
    return opening
  }
}
