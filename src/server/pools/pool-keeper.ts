/**
 * Holds the pool volumes of the server open: makes them, gives sessions for backups and restores, expires, prunes and verifies. The store is the truth: what is
 * told here of recovery points is so because it is durable in a pool, and the catalog is told after that.
 */
import { join } from 'node:path'
import type { VerifyReport } from '../../archive/index.ts'
import { asTerpError, type TerpError } from '../../base/errors.ts'
import { type Operation, startOperation } from '../../base/operation.ts'
import { randomHex } from '../../base/random.ts'
import { Semaphore } from '../../base/semaphore.ts'
import type { Catalog, JsonObject, PointFacts, PoolVolume } from '../../catalog/index.ts'
import type { Disk } from '../../platform/index.ts'
import { chooseVolume, refusalError, refuseVolumeRemoval } from '../../protection/index.ts'
import type { PointListing, PruneReport } from '../../repository/index.ts'
import type { OpenedSession } from '../agents/desk.ts'
import type { DataPaths } from '../data-folder.ts'
import { poolError } from './errors.ts'
import type { Expired, FoundFacts, PruneWish } from './maintenance.ts'
import { makeVolume, unmakeVolume } from './make-volume.ts'
import { type BackupWish, OpenVolume, type RestoreWish } from './open-volume.ts'
import { SentJournal } from './sent-journal.ts'
import { type Fullness, fullnessOf, thresholdOf } from './usage.ts'
import { checkPlace } from './volume-place.ts'

export interface NewPool {
  readonly name: string
  readonly folder: string
  readonly workloads?: readonly string[] | undefined
  readonly thresholds?: JsonObject | undefined
}

export interface PoolKeeperOptions {
  readonly catalog: Pick<Catalog, 'pools' | 'sources'>
  readonly disk: Disk
  readonly paths: Pick<DataPaths, 'folder' | 'keys'>
}

export class PoolKeeper {
  readonly #op: Operation
  readonly #catalog: PoolKeeperOptions['catalog']
  readonly #disk: Disk
  readonly #paths: PoolKeeperOptions['paths']
  readonly #journal: SentJournal
  readonly #volumes = new Map<string, Promise<OpenVolume>>()
  readonly #making = new Semaphore(1)
  readonly #listeners: ((facts: PointFacts) => void)[] = []
  #isClosed = false

  /** Opens nothing yet. It goes on until `close`, whatever becomes of the operation's signal: sessions end in good order. */
  constructor({ clock, random, warn }: Operation, { catalog, disk, paths }: PoolKeeperOptions) {
    this.#op = startOperation({ clock, random, onWarning: warn })
    this.#catalog = catalog
    this.#disk = disk
    this.#paths = paths
    this.#journal = new SentJournal(disk, join(paths.folder, 'sent'))
  }

  /** All that the catalog knows. Those that can not be opened are told, and tried again when they are asked for. */
  async openAll(): Promise<readonly { readonly pool: PoolVolume; readonly error: TerpError }[]> {
    const failures: { pool: PoolVolume; error: TerpError }[] = []
    for (const pool of await this.#catalog.pools.all()) {
      await this.volume(pool.id).catch((error: unknown) => void failures.push({ pool, error: asTerpError(error) }))
    }
    return failures
  }

  /** Held open from now on. CATALOG_RECORD_NOT_FOUND, and what opening it says. */
  volume(poolId: string): Promise<OpenVolume> {
    if (this.#isClosed) return Promise.reject(poolError('POOL_CLOSING', 'the server is stopping', { context: { pool: poolId } }))
    const known = this.#volumes.get(poolId)
    if (known) return known
    const opening = this.#open(poolId)
    this.#volumes.set(poolId, opening)
    opening.catch(() => this.#volumes.delete(poolId))
    return opening
  }

  async #open(poolId: string): Promise<OpenVolume> {
    const { id, name, folder, repositoryId, state } = await this.#catalog.pools.get(poolId)
    if (state === 'removed') throw poolError('POOL_UNAVAILABLE', `the pool volume ${name} was removed`, { context: { pool: id } })
    const setup = { id, name, folder, repositoryId, keysFolder: this.#paths.keys, journal: this.#journal }
    return await OpenVolume.open(this.#op, this.#disk, setup)
  }

  /**
   * The recovery words are told this once. POOL_FOLDER_INVALID, POOL_VOLUME_NOT_ALLOWED, POOL_FOLDER_USED, POOL_FOLDER_UNWRITABLE, REPOSITORY_EXISTS,
   * REPOSITORY_FOLDER_NOT_EMPTY, CATALOG_NAME_TAKEN.
   */
  createPool(wanted: NewPool): Promise<{ readonly pool: PoolVolume; readonly recoveryWords: string }> {
    return this.#making.run(async () => {
      const { pools } = this.#catalog
      const folders = (await pools.all()).map(({ folder }) => folder)
      const folder = await checkPlace(wanted.folder, { pools: folders, dataFolder: this.#paths.folder })
      const place = { id: randomHex(this.#op.random, 16), folder, keysFolder: this.#paths.keys }
      const { repositoryId, recoveryWords } = await makeVolume(this.#op, this.#disk, place)
      try {
        const { name, workloads, thresholds } = wanted
        const pool = await pools.add({ id: place.id, name, folder, repositoryId, workloads, thresholds })
        await this.volume(pool.id)
        return { pool, recoveryWords }
      } catch (error) {
        // Nobody has its recovery words: unless the catalog knows it, it goes.
        if (!(await pools.find(place.id))) await unmakeVolume(this.#op, this.#disk, place)
        throw error
      }
    })
  }

  /** The source's own; else the one with most room for such data. The caller assigns it. POOL_NONE_FITS, CATALOG_RECORD_NOT_FOUND. */
  async place(sourceId: string, workload: string): Promise<string> {
    const { poolId } = await this.#catalog.sources.get(sourceId)
    if (poolId !== undefined) return poolId
    return await this.placeNew(workload)
  }

  async placeNew(workload: string, bytes = 0): Promise<string> {
    const volumes = []
    for (const pool of await this.#catalog.pools.all()) {
      if (pool.state !== 'active') continue
      const fullness = await fullnessOf(pool.folder).catch(() => undefined)
      if (!fullness) continue
      const { sizeBytes: capacityBytes, usedBytes } = fullness
      volumes.push({ id: pool.id, workloads: pool.workloads, isThere: true, capacityBytes, usedBytes, threshold: thresholdOf(pool) })
    }
    const chosen = chooseVolume(volumes, { workload, bytes })
    if (chosen) return chosen.id
    throw poolError('POOL_NONE_FITS', `no pool volume has room for ${workload}`, { context: { workload, domain_code: 136 } })
  }

  /** No longer the server's; what is in it stays as it is, with the key in `keys/`. POOL_VOLUME_IN_USE, CATALOG_STILL_USED. */
  async remove(poolId: string): Promise<void> {
    const pool = await this.#catalog.pools.get(poolId)
    const sources = await this.#catalog.sources.all({ poolId })
    const inactive = sources.filter(({ state }) => state === 'inactive').length
    const refusal = refuseVolumeRemoval({ name: pool.name, activeReplicas: sources.length - inactive, inactiveReplicas: inactive })
    if (refusal) throw refusalError(refusal)
    await this.#catalog.pools.setState(poolId, 'removed')
    const open = this.#volumes.get(poolId)
    this.#volumes.delete(poolId)
    await (await open?.catch(() => undefined))?.close()
  }

  /** Told after whoever began the backup was. */
  onCommitted(listener: (facts: PointFacts) => void): void {
    this.#listeners.push(listener)
  }

  async openBackup({ poolId, ...wish }: BackupWish & { readonly poolId: string }): Promise<OpenedSession> {
    const volume = await this.volume(poolId)
    return volume.openBackup({
      ...wish,
      onCommitted: async (facts, point) => {
        await wish.onCommitted(facts, point)
        for (const listener of this.#listeners) listener(facts)
      },
    })
  }

  async openRestore({ poolId, ...wish }: RestoreWish & { readonly poolId: string }): Promise<OpenedSession> {
    return (await this.volume(poolId)).openRestore(wish)
  }

  async listPoints(op: Operation, poolId: string, source?: string): Promise<PointListing> {
    return (await this.volume(poolId)).reader.run(op, 'points', { source })
  }

  /** All that the pool holds, for the catalog to be compared with, or made again from. */
  async facts(op: Operation, poolId: string): Promise<FoundFacts> {
    return (await this.volume(poolId)).reader.run(op, 'facts', { poolId })
  }

  async expire(op: Operation, poolId: string, points: readonly string[], options: { readonly dryRun?: boolean } = {}): Promise<Expired> {
    return (await this.volume(poolId)).expire(op, points, { dryRun: options.dryRun ?? false })
  }

  /** Backups and restores go on meanwhile. PRUNE_BUSY. */
  async prune(op: Operation, poolId: string, wish: PruneWish): Promise<PruneReport> {
    return (await this.volume(poolId)).prune(op, wish)
  }

  /** Changes nothing but the note of what is damaged. */
  async verify(op: Operation, poolId: string, options: { readonly readData: boolean }): Promise<VerifyReport> {
    return (await this.volume(poolId)).verify(op, options)
  }

  /** Whether it is open, without opening it. */
  isOpen(poolId: string): boolean {
    return this.#volumes.has(poolId)
  }

  async usage(poolId: string): Promise<Fullness> {
    return fullnessOf((await this.#catalog.pools.get(poolId)).folder)
  }

  /** What the next prune could free. Reads all trees. */
  async reclaimableBytes(op: Operation, poolId: string): Promise<number> {
    const wish = { dryRun: true, keepTrashMs: 0, waitMs: 0, acceptUnexplained: true }
    return (await this.prune(op, poolId, wish)).unreferencedBytes
  }

  /** All sessions end, all locks are given back. */
  async close(): Promise<void> {
    this.#isClosed = true
    const volumes = await Promise.allSettled(this.#volumes.values())
    const closed = await Promise.allSettled(volumes.flatMap((one) => (one.status === 'fulfilled' ? [one.value.close()] : [])))
    const failed = closed.find((one) => one.status === 'rejected')
    if (failed) throw failed.reason
  }
}
