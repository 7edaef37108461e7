/**
 * Where chunks are now whose packs are gone: a prune may write a pack anew, and delete it, while somebody reads by an index that was opened before. The index
 * is opened again when its segments have changed since the last look, so that a pack that is truly lost costs a list each time and no more.
 */
import type { Operation } from '../../base/operation.ts'
import type { ObjectStore } from '../../storage/index.ts'
import type { RepositoryKeys } from '../keys/hierarchy.ts'
import { ChunkIndex, type ChunkLocation } from './chunk-index.ts'
import { openSegments } from './open-index.ts'
import { segmentOfName } from './segment.ts'

export class MovedChunks {
  readonly #store: ObjectStore
  readonly #keys: RepositoryKeys
  #index: ChunkIndex | undefined
  #names = ''

  constructor(store: ObjectStore, keys: RepositoryKeys) {
    this.#store = store
    this.#keys = keys
  }

  /** Undefined when it is in none but the packs that were tried. */
  async find(op: Operation, id: Buffer, tried: ReadonlySet<string>): Promise<ChunkLocation | undefined> {
    const known = this.#index && elsewhere(this.#index.find(id), tried)
    if (known) return known
    const names: string[] = []
    for await (const { name } of this.#store.list(op, 'index/')) if (segmentOfName(name)) names.push(name)
    if (this.#names === names.join()) return undefined
    this.#names = names.join()
    this.#index?.close()
    const { files } = await openSegments(op, this.#store, this.#keys)
    this.#index = new ChunkIndex(files)
    return elsewhere(this.#index.find(id), tried)
  }
}

function elsewhere(location: ChunkLocation | undefined, tried: ReadonlySet<string>): ChunkLocation | undefined {
  const [first, ...others] = location ? [location, ...(location.others ?? [])].filter(({ pack }) => !tried.has(pack)) : []
  return first && { pack: first.pack, record: first.record, ...(others.length > 0 ? { others } : {}) }
}
