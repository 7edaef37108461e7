/** What people ask of moves: a data source to another volume, a volume emptied so that it can be removed (§3.5). The work is done by jobs (source-mover.ts). */
import type { DataSource, Job, PoolVolume } from '../../catalog/index.ts'
import { chooseVolume, type PlaceableVolume } from '../../protection/index.ts'
import type { ServerContext } from '../context.ts'
import type { JobStarter } from '../recovery/job-starter.ts'
import { poolError } from './errors.ts'
import type { PoolKeeper } from './pool-keeper.ts'

export interface MovesParts {
  readonly context: ServerContext
  readonly keeper: PoolKeeper
  readonly jobs: () => JobStarter
}

interface Load {
  readonly source: DataSource
  readonly bytes: number
}

export class Moves {
  readonly #parts: MovesParts

  constructor(parts: MovesParts) {
    this.#parts = parts
  }

  /** CATALOG_RECORD_NOT_FOUND, POOL_SAME, POOL_NOT_ACTIVE, POOL_WORKLOAD_UNFIT, POOL_NO_ROOM. */
  async moveSource(sourceId: string, to: string, by: string): Promise<Job> {
    const { catalog } = this.#parts.context
    const source = await catalog.sources.get(sourceId)
    const target = await catalog.pools.get(to)
    const { poolId: from } = source
    const context = { source: sourceId, pool: to }
    if (from === undefined || from === to) throw poolError('POOL_SAME', `${source.name} is on ${target.name}, or nowhere yet`, { context })
    if (target.state !== 'active') throw poolError('POOL_NOT_ACTIVE', `the pool volume ${target.name} is ${target.state}`, { context })
    if (target.workloads.length > 0 && !target.workloads.includes(source.workload))
      throw poolError('POOL_WORKLOAD_UNFIT', `${target.name} does not take ${source.workload}`, { context })
    const bytes = await this.#bytesOf(source, from)
    const volume = (await this.#parts.keeper.candidates()).filter(({ id }) => id === to)
    if (!chooseVolume(volume, { workload: source.workload, bytes }))
      throw poolError('POOL_NO_ROOM', `${target.name} has no room for the ${bytes} bytes of ${source.name}`, {
        context: { ...context, bytes },
      })
    return await this.#begin(source, from, to, by)
  }

  /** From now on nothing new is put there, and a job for each data source moves it away. POOL_NONE_FITS: then nothing was changed. */
  async evacuate(poolId: string, by: string): Promise<readonly Job[]> {
    const { catalog } = this.#parts.context
    const pool = await catalog.pools.get(poolId)
    if (pool.state !== 'active' && pool.state !== 'evacuating')
      throw poolError('POOL_NOT_ACTIVE', `the pool volume ${pool.name} is ${pool.state}`, { context: { pool: poolId } })
    // First, so that nothing is put there while places are looked for.
    await catalog.pools.setState(poolId, 'evacuating')
    try {
      const planned = await this.#plan(pool)
      const jobs: Job[] = []
      for (const { source, to } of planned) jobs.push(await this.#begin(source, poolId, to, by))
      return jobs
    } catch (error) {
      await catalog.pools.setState(poolId, pool.state)
      throw error
    }
  }

  /** It takes data again. Moves that run go on; those that wait are cancelled. POOL_NOT_EVACUATING. */
  async stopEvacuating(poolId: string, by: string): Promise<void> {
    const { catalog } = this.#parts.context
    const pool = await catalog.pools.get(poolId)
    if (pool.state !== 'evacuating') throw poolError('POOL_NOT_EVACUATING', `the pool volume ${pool.name} is ${pool.state}`)
    await catalog.pools.setState(poolId, 'active')
    const waiting = await catalog.jobs.list({ limit: 10_000 }, { states: ['scheduled', 'queued'], types: ['move-data-source'] })
    for (const job of waiting.items) if (job.parameters.from === poolId) await this.#parts.jobs().cancel(job.id, by)
  }

  /** The largest first, each to where there is most room left after those before it. */
  async #plan(pool: PoolVolume): Promise<readonly { readonly source: DataSource; readonly to: string }[]> {
    const loads = (await this.#loadsOn(pool.id)).toSorted((a, b) => b.bytes - a.bytes)
    let volumes: PlaceableVolume[] = await this.#parts.keeper.candidates()
    const planned: { source: DataSource; to: string }[] = []
    for (const { source, bytes } of loads) {
      // One whose volume is another already, with points that were left behind.
      const home = source.poolId === pool.id ? undefined : source.poolId
      const to = home ?? chooseVolume(volumes, { workload: source.workload, bytes })?.id
      if (to === undefined) {
        const context = { pool: pool.id, source: source.id, bytes, domain_code: 136 }
        throw poolError('POOL_NONE_FITS', `no other pool volume has room for the ${bytes} bytes of ${source.name}`, { context })
      }
      planned.push({ source, to })
      volumes = volumes.map((volume) => (volume.id === to ? { ...volume, usedBytes: volume.usedBytes + bytes } : volume))
    }
    return planned
  }

  async #loadsOn(poolId: string): Promise<Load[]> {
    const { catalog } = this.#parts.context
    const loads = new Map<string, Load>()
    for (const source of await catalog.sources.all({ poolId })) loads.set(source.id, { source, bytes: await this.#bytesOf(source, poolId) })
    for (const { sourceId } of await catalog.points.sourcesOn(poolId)) {
      if (loads.has(sourceId)) continue
      const source = await catalog.sources.get(sourceId)
      loads.set(sourceId, { source, bytes: await this.#bytesOf(source, poolId) })
    }
    return [...loads.values()]
  }

  /** What its points added where they are. What they share with other sources there is not in it, so this is an estimate. */
  async #bytesOf(source: DataSource, poolId: string): Promise<number> {
    const points = (await this.#parts.context.catalog.points.presentOf(source.id)).filter((point) => point.poolId === poolId)
    return points.reduce((sum, { storedBytes }) => sum + storedBytes, 0)
  }

  /** The one that is under way, if there is one: two moves of a source would undo each other. POOL_SOURCE_BUSY when that goes elsewhere. */
  async #begin({ id, name, groupId, agentId }: DataSource, from: string, to: string, by: string): Promise<Job> {
    const states = ['scheduled', 'queued', 'in-progress'] as const
    const open = await this.#parts.context.catalog.jobs.list({ limit: 1 }, { types: ['move-data-source'], sourceId: id, states })
    const [job] = open.items
    if (job && job.parameters.to !== to)
      throw poolError('POOL_SOURCE_BUSY', `${name} is being moved elsewhere`, { context: { job: job.id } })
    if (job) return job
    const parameters = { from, to }
    return await this.#parts
      .jobs()
      .create({ type: 'move-data-source', sourceId: id, groupId, agentId, isAdHoc: true, createdBy: by, parameters })
  }
}
