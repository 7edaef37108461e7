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
import { chooseVolume, type PlaceableVolume, refusalError, refuseVolumeRemoval } from '../../protection/index.ts'
import type { PointListing, PruneReport } from '../../repository/index.ts'
import type { OpenedSession } from '../agents/desk.ts'
import { isServerSource } from '../configuration-copy/server-source.ts'
import type { DataPaths } from '../data-folder.ts'
import type { TestRestoreReport, TestRestoreWish } from '../recovery/test-restore-task.ts'
import { openChunkKeys } from './chunk-keys.ts'
import { type CopiedSource, copySource } from './copy-source.ts'
import { poolError } from './errors.ts'
import type { Expired, FoundFacts, PruneWish } from './maintenance.ts'
import { makeVolume, unmakeVolume } from './make-volume.ts'
import { type BackupWish, OpenVolume, type OwnBackup, type RestoreWish } from './open-volume.ts'
import { SentJournal } from './sent-journal.ts'
import { type Fullness, fullnessOf, reserveOf, thresholdOf } from './usage.ts'
import { checkPlace } from './volume-place.ts'

export interface NewPool {
  readonly name: string
  readonly folder: string
  readonly workloads?: readonly string[] | undefined
  readonly thresholds?: JsonObject | undefined
}

export interface DamageChange {
  readonly fresh: number
  readonly healed: number
}

export interface ExpiredPoints {
  readonly poolId: string
  readonly points: readonly { readonly id: string; readonly source: string }[]
}

export interface PoolKeeperOptions {
  readonly catalog: Pick<Catalog, 'pools' | 'sources'>
  readonly disk: Disk
  readonly paths: Pick<DataPaths, 'folder' | 'keys'>
  /** Other than that of the disk only in tests. */
  readonly fullness?: ((folder: string) => Promise<Fullness>) | undefined
}

export class PoolKeeper {
  readonly #op: Operation
  readonly #catalog: PoolKeeperOptions['catalog']
  readonly #disk: Disk
  readonly #paths: PoolKeeperOptions['paths']
  readonly #fullness: (folder: string) => Promise<Fullness>
  readonly #journal: SentJournal
  readonly #volumes = new Map<string, Promise<OpenVolume>>()
  readonly #making = new Semaphore(1)
  readonly #listeners: ((facts: PointFacts) => void)[] = []
  readonly #onExpired: ((expired: ExpiredPoints) => void)[] = []
  readonly #onDamage: ((change: DamageChange & { readonly poolId: string }) => void)[] = []
  #isClosed = false

  /** Opens nothing yet. It goes on until `close`, whatever becomes of the operation's signal: sessions end in good order. */
  constructor({ clock, random, warn }: Operation, { catalog, disk, paths, fullness }: PoolKeeperOptions) {
    this.#op = startOperation({ clock, random, onWarning: warn })
    this.#catalog = catalog
    this.#disk = disk
    this.#paths = paths
    this.#fullness = fullness ?? fullnessOf
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
    const setup = {
      ...{ id, name, folder, repositoryId },
      keysFolder: this.#paths.keys,
      journal: this.#journal,
      onDamage: (change: DamageChange) => {
        for (const listener of this.#onDamage) listener({ poolId: id, ...change })
      },
    }
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
      const { repositoryId, recoveryWords } = await makeVolume(this.#op, this.#disk, place, await this.#chunkKeys())
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

  async #chunkKeys() {
    return await openChunkKeys(this.#op, this.#disk, this.#paths.keys, async () => {
      for (const { id } of await this.#catalog.pools.all()) {
        const volume = await this.volume(id).catch(() => undefined)
        if (volume) return volume.repository
      }
      return undefined
    })
  }

  /** The source's own; else the one with most room for such data. The caller assigns it. POOL_NONE_FITS, CATALOG_RECORD_NOT_FOUND. */
  async place(sourceId: string, workload: string): Promise<string> {
    const { poolId } = await this.#catalog.sources.get(sourceId)
    if (poolId !== undefined) return poolId
    return await this.placeNew(workload)
  }

  async placeNew(workload: string, bytes = 0): Promise<string> {
    const chosen = chooseVolume(await this.candidates(), { workload, bytes })
    if (chosen) return chosen.id
    throw poolError('POOL_NONE_FITS', `no pool volume has room for ${workload}`, { context: { workload, domain_code: 136 } })
  }

  /** Volumes that take new data sources, with how full they are; those that do not answer are left out. */
  async candidates(): Promise<PlaceableVolume[]> {
    const volumes: PlaceableVolume[] = []
    for (const pool of await this.#catalog.pools.all()) {
      if (pool.state !== 'active') continue
      const fullness = await this.#fullness(pool.folder).catch(() => undefined)
      if (!fullness) continue
      const { sizeBytes: capacityBytes, usedBytes } = fullness
      volumes.push({ id: pool.id, workloads: pool.workloads, isThere: true, capacityBytes, usedBytes, threshold: thresholdOf(pool) })
    }
    return volumes
  }

  /** No longer the server's; what is in it stays as it is, with the key in `keys/`. POOL_VOLUME_IN_USE, CATALOG_STILL_USED. */
  async remove(poolId: string): Promise<void> {
    const pool = await this.#catalog.pools.get(poolId)
    const sources = await this.#catalog.sources.all({ poolId })
    const inactive = sources.filter(({ state }) => state === 'inactive').length
    const refusal = refuseVolumeRemoval({ name: pool.name, activeReplicas: sources.length - inactive, inactiveReplicas: inactive })
    if (refusal) throw refusalError(refusal)
    await this.#checkEmpty(pool)
    await this.#catalog.pools.setState(poolId, 'removed')
    const open = this.#volumes.get(poolId)
    this.#volumes.delete(poolId)
    await (await open?.catch(() => undefined))?.close()
  }

  /** What the catalog does not know of would be lost with it. Of a volume that is gone for good, what the catalog says is all that there is. */
  async #checkEmpty({ id, name }: PoolVolume): Promise<void> {
    const volume = await this.volume(id).catch(() => undefined)
    const points = (await volume?.reader.run(this.#op, 'facts', { poolId: id }))?.facts.points ?? []
    if (points.length === 0) return
    const refusal = refuseVolumeRemoval({ name, activeReplicas: 0, inactiveReplicas: new Set(points.map(({ sourceId }) => sourceId)).size })
    if (refusal) throw refusalError(refusal)
  }

  /** Told after whoever began the backup was. */
  onCommitted(listener: (facts: PointFacts) => void): void {
    this.#listeners.push(listener)
  }

  /** Chunks of a volume were found damaged by a backup, a restore or a verification, or are sound again. */
  onDamage(listener: (change: DamageChange & { readonly poolId: string }) => void): void {
    this.#onDamage.push(listener)
  }

  /** Recovery points are gone from a volume. Whoever gave them up hears of it after this. */
  onExpired(listener: (expired: ExpiredPoints) => void): void {
    this.#onExpired.push(listener)
  }

  async openBackup({ poolId, ...wish }: BackupWish & { readonly poolId: string }): Promise<OpenedSession> {
    const volume = await this.volume(poolId)
    await this.#checkRoom(volume)
    return volume.openBackup({
      ...wish,
      onCommitted: async (facts, point) => {
        await wish.onCommitted(facts, point)
        for (const listener of this.#listeners) listener(facts)
      },
    })
  }

  /** 33515 */
  async #checkRoom({ id, folder }: OpenVolume): Promise<void> {
    const { sizeBytes, freeBytes } = await this.#fullness(folder)
    if (freeBytes >= reserveOf(sizeBytes)) return
    throw poolError('POOL_VOLUME_FULL', `${folder} has ${freeBytes} bytes left`, { context: { pool: id, folder, domain_code: 33515 } })
  }

  async openRestore({ poolId, ...wish }: RestoreWish & { readonly poolId: string }): Promise<OpenedSession> {
    return (await this.volume(poolId)).openRestore(wish)
  }

  /** Folders of this machine, as a recovery point. POOL_VOLUME_FULL. */
  async backUpHere(op: Operation, poolId: string, wish: OwnBackup): Promise<PointFacts> {
    const volume = await this.volume(poolId)
    await this.#checkRoom(volume)
    const facts = await volume.backUpHere(op, wish)
    if (!isServerSource(facts.sourceId)) for (const listener of this.#listeners) listener(facts)
    return facts
  }

  async listPoints(op: Operation, poolId: string, source?: string): Promise<PointListing> {
    return (await this.volume(poolId)).reader.run(op, 'points', { source })
  }

  /** All that the pool holds, for the catalog to be compared with, or made again from. */
  async facts(op: Operation, poolId: string): Promise<FoundFacts> {
    return (await this.volume(poolId)).reader.run(op, 'facts', { poolId })
  }

  /** Recovery points of a source, stored and checked on another volume too. No backup of it begins meanwhile. POOL_KEYS_DIFFER, POOL_MOVE_DAMAGED, POOL_SOURCE_BUSY. */
  async copySource(
    op: Operation,
    {
      sourceId,
      from,
      to,
      points,
    }: { readonly sourceId: string; readonly from: string; readonly to: string; readonly points: readonly string[] },
  ): Promise<CopiedSource> {
    const [source, target] = [await this.volume(from), await this.volume(to)]
    return source.holding(sourceId, () => target.holding(sourceId, () => copySource(op, { sourceId, from: source, to: target, points })))
  }

  async expire(op: Operation, poolId: string, points: readonly string[], options: { readonly dryRun?: boolean } = {}): Promise<Expired> {
    const dryRun = options.dryRun ?? false
    const expired = await (await this.volume(poolId)).expire(op, points, { dryRun })
    const gone = expired.report?.points ?? []
    if (!dryRun && gone.length > 0) for (const listener of this.#onExpired) listener({ poolId, points: gone })
    return expired
  }

  /** Backups and restores go on meanwhile. PRUNE_BUSY. */
  async prune(op: Operation, poolId: string, wish: PruneWish): Promise<PruneReport> {
    return (await this.volume(poolId)).prune(op, wish)
  }

  /** Changes nothing but the note of what is damaged. */
  async verify(op: Operation, poolId: string, options: { readonly readData: boolean }): Promise<VerifyReport> {
    return (await this.volume(poolId)).verify(op, options)
  }

  async testRestore(op: Operation, poolId: string, wish: TestRestoreWish): Promise<TestRestoreReport> {
    return (await this.volume(poolId)).testRestore(op, wish)
  }

  /** Whether what was opened is still there: a disk may go, and leave an empty folder behind. POOL_UNAVAILABLE, and what opening it says. */
  async check(op: Operation, poolId: string): Promise<void> {
    await (await this.volume(poolId)).check(op)
  }

  /** Whether it is open, without opening it. */
  isOpen(poolId: string): boolean {
    return this.#volumes.has(poolId)
  }

  async usage(poolId: string): Promise<Fullness> {
    return this.#fullness((await this.#catalog.pools.get(poolId)).folder)
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
