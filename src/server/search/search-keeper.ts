/**
 * Keeps the index of names at the points of the pools: after each backup by what changed, after a start by what it missed. It holds nothing that the pools do not,
 * so one that is damaged is made again.
 */
import { join } from 'node:path'
import { asTerpError, hasCode, isKind } from '../../base/errors.ts'
import { type Operation, startOperation } from '../../base/operation.ts'
import { type Catalog, openSearch, type Search } from '../../catalog/index.ts'
import type { Disk } from '../../platform/index.ts'
import { makeFile, removeFile } from '../data-folder.ts'
import type { PoolKeeper } from '../pools/pool-keeper.ts'
import type { NameChange } from './name-tasks.ts'

export interface SearchKeeperParts {
  readonly catalog: Pick<Catalog, 'points'>
  readonly keeper: PoolKeeper
  readonly disk: Disk
  /** Of the server. */
  readonly dataFolder: string
}

export class SearchKeeper {
  readonly #op: Operation
  readonly #stop: AbortController
  readonly #parts: SearchKeeperParts
  readonly #search: Search
  /** Sources whose points are ahead of the index, with the pool volumes that have them. */
  readonly #waiting = new Map<string, string>()
  #current: string | undefined
  #working: Promise<void> | undefined

  private constructor(op: Operation, stop: AbortController, parts: SearchKeeperParts, search: Search) {
    this.#op = op
    this.#stop = stop
    this.#parts = parts
    this.#search = search
    parts.keeper.onCommitted(({ sourceId, poolId }) => this.follow(sourceId, poolId))
  }

  static async open({ clock, random, warn }: Operation, parts: SearchKeeperParts): Promise<SearchKeeper> {
    const stop = new AbortController()
    const op = startOperation({ clock, random, signal: stop.signal, onWarning: warn })
    return new SearchKeeper(op, stop, parts, await openOrMake(parts.disk, join(parts.dataFolder, 'search.db')))
  }

  get search(): Search {
    return this.#search
  }

  /** Sources whose newest points are not searched yet. */
  get pending(): readonly string[] {
    return [...new Set([...this.#waiting.keys(), ...(this.#current === undefined ? [] : [this.#current])])]
  }

  /** Takes up what was missed; it goes on in the background. */
  async start(): Promise<void> {
    for (const { sourceId, newestId } of await this.#parts.catalog.points.summaries()) {
      const { poolId, sequence } = await this.#parts.catalog.points.get(newestId)
      if ((await this.#search.newestOf(sourceId)) < sequence) this.follow(sourceId, poolId)
    }
  }

  /** The source has points that the index may not know. Returns at once. */
  follow(sourceId: string, poolId: string): void {
    if (this.#stop.signal.aborted) return
    this.#waiting.set(sourceId, poolId)
    this.#working ??= this.#work().finally(() => {
      this.#working = undefined
    })
  }

  /** Waits until nothing waits any more. */
  async settled(): Promise<void> {
    while (this.#working) await this.#working
  }

  async #work(): Promise<void> {
    for (;;) {
      const [next] = this.#waiting
      if (!next || this.#stop.signal.aborted) return
      const [sourceId, poolId] = next
      this.#waiting.delete(sourceId)
      this.#current = sourceId
      try {
        await this.#catchUp(sourceId, poolId)
      } catch (error) {
        // The next point of the source brings it up, or the next start.
        if (!isKind(error, 'cancelled') && !this.#stop.signal.aborted) {
          const { code, message } = asTerpError(error)
          this.#op.warn({ code, message: `names of a data source can not be searched yet: ${message}`, item: sourceId })
        }
      } finally {
        this.#current = undefined
      }
    }
  }

  async #catchUp(sourceId: string, poolId: string): Promise<void> {
    const { searcher } = await this.#parts.keeper.volume(poolId)
    const points = await searcher.run(this.#op, 'chain', { source: sourceId })
    const newest = await this.#search.newestOf(sourceId)
    let before = points.find(({ sequence }) => sequence === newest)
    // What it was filled with is gone, so nothing can be compared with it: all points anew.
    if (newest > 0 && !before) await this.#search.removeSource(sourceId)
    for (const point of points) {
      if (before && point.sequence <= before.sequence) continue
      const changes = searcher.items(this.#op, 'names', { before: before?.id, point: point.id })
      await this.#search.addPoint(sourceId, point.sequence, flat(changes))
      before = point
    }
  }

  /** Points of the source went: names that only those had are forgotten. */
  async forget(sourceId: string): Promise<void> {
    const points = await this.#parts.catalog.points.validOf(sourceId)
    if (points.length === 0) await this.#search.removeSource(sourceId)
    else await this.#search.forgetBefore(sourceId, Math.min(...points.map(({ sequence }) => sequence)))
  }

  /** Makes the index again from the pools, in the background. */
  async rebuild(): Promise<void> {
    for (const { sourceId } of await this.#parts.catalog.points.summaries()) await this.#search.removeSource(sourceId)
    await this.start()
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await this.#working
    await this.#search.close()
  }
}

async function openOrMake(disk: Disk, path: string): Promise<Search> {
  try {
    return await openPrivate(disk, path)
  } catch (error) {
    if (!hasCode(error, 'DATABASE_INVALID') && !hasCode(error, 'DATABASE_NEWER')) throw error
    for (const end of ['', '-wal', '-shm']) await removeFile(disk, `${path}${end}`)
    return await openPrivate(disk, path)
  }
}

/** SQLite gives its other files the mode of this one. */
async function openPrivate(disk: Disk, path: string): Promise<Search> {
  if ((await disk.size(path)) === undefined) await makeFile(disk, path, '')
  return await openSearch(path)
}

async function* flat(batches: AsyncIterable<readonly NameChange[]>): AsyncGenerator<NameChange> {
  for await (const batch of batches) yield* batch
}
