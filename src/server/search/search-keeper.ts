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
import type { ExpiredPoints, PoolKeeper } from '../pools/pool-keeper.ts'
import type { NameChange } from './name-tasks.ts'

const TIDY_EVERY_MS = 86_400_000

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
  /** Sources of which points went. */
  readonly #forgetting = new Map<string, Set<string>>()
  #hasForgotten = false
  #tidiedMs = Number.NEGATIVE_INFINITY
  #current: string | undefined
  #working: Promise<void> | undefined

  private constructor(op: Operation, stop: AbortController, parts: SearchKeeperParts, search: Search) {
    this.#op = op
    this.#stop = stop
    this.#parts = parts
    this.#search = search
    parts.keeper.onExpired((expired) => this.forget(expired))
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
    this.#start()
  }

  #start(): void {
    if (this.#stop.signal.aborted) return
    this.#working ??= this.#work().finally(() => {
      this.#working = undefined
      // What came while the last of it ended.
      if (this.#forgetting.size + this.#waiting.size > 0) this.#start()
    })
  }

  /** Waits until nothing waits any more. */
  async settled(): Promise<void> {
    while (this.#working) await this.#working
  }

  async #work(): Promise<void> {
    for (;;) {
      if (this.#stop.signal.aborted) return
      const [gone] = this.#forgetting
      const [next] = this.#waiting
      if (!gone && !next) return await this.#tidy().catch(() => undefined) // another time
      const sourceId = gone?.[0] ?? next?.[0] ?? ''
      try {
        if (gone) {
          this.#forgetting.delete(sourceId)
          await this.#forget(sourceId, gone[1])
        } else if (next) {
          this.#waiting.delete(sourceId)
          this.#current = sourceId
          await this.#catchUp(sourceId, next[1])
        }
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
    const newest = await this.#search.newestOf(sourceId)
    let points = await searcher.run(this.#op, 'chain', { source: sourceId, from: newest })
    let before = points.find((sequence) => sequence === newest)
    // What it was filled with is gone, so nothing can be compared with it: all points anew.
    if (newest > 0 && before === undefined) {
      await this.#search.removeSource(sourceId)
      points = await searcher.run(this.#op, 'chain', { source: sourceId, from: 0 })
    }
    for (const point of points) {
      if (before !== undefined && point <= before) continue
      const changes = searcher.items(this.#op, 'names', { source: sourceId, before, point })
      await this.#search.addPoint(sourceId, point, flat(changes))
      before = point
    }
  }

  /** These went from a volume: names that only those had are forgotten. What can still be taken back is remembered. Returns at once. */
  forget({ poolId, points }: ExpiredPoints): void {
    for (const { id, source } of points) {
      const gone = this.#forgetting.get(source) ?? new Set()
      this.#forgetting.set(source, gone.add(`${poolId} ${id}`))
    }
    this.#start()
  }

  /** The catalog may be told later than this that they are gone; and one that was moved is gone from where it was only. */
  async #forget(sourceId: string, gone: ReadonlySet<string>): Promise<void> {
    const points = (await this.#parts.catalog.points.presentOf(sourceId)).filter(({ id, poolId }) => !gone.has(`${poolId} ${id}`))
    const newest = points.at(-1)
    const isKept =
      newest &&
      (await this.#search.keepOnly(
        sourceId,
        points.map(({ sequence }) => sequence),
      ))
    if (!isKept) await this.#search.removeSource(sourceId)
    if (newest && !isKept) this.#waiting.set(sourceId, newest.poolId)
    this.#hasForgotten = true
  }

  /** Once all is forgotten that there is to forget, and not more often than daily: it reads all names. */
  async #tidy(): Promise<void> {
    const nowMs = this.#op.clock.monotonicMs()
    if (!this.#hasForgotten || nowMs - this.#tidiedMs < TIDY_EVERY_MS) return
    this.#hasForgotten = false
    this.#tidiedMs = nowMs
    await this.#search.tidy()
  }

  /** Its points are on another volume; with other numbers, what is known of it is of no use. */
  async moved({
    sourceId,
    poolId,
    isRenumbered,
  }: {
    readonly sourceId: string
    readonly poolId: string
    readonly isRenumbered: boolean
  }): Promise<void> {
    if (isRenumbered) await this.#search.removeSource(sourceId)
    this.follow(sourceId, poolId)
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
