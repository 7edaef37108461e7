/**
 * First copies that were brought by hand (§3.9): an administrator carries the data to this machine, into the folder that the server names or into one that he names, and the
 * server takes it into the pool as if the agent had sent it. What is there is then known, so the check that follows, which reads every byte of the source, sends only what
 * differs. Nothing that the copy says of a file's times is believed: only that check makes the replica sound.
 */
import { mkdir, readdir, realpath, rmdir, stat } from 'node:fs/promises'
import { isAbsolute, join, posix, resolve } from 'node:path'
import type { ReadPlace } from '../../archive/index.ts'
import type { Operation } from '../../base/operation.ts'
import type { DataSource, Job, Records } from '../../catalog/index.ts'
import type { ServerContext } from '../context.ts'
import { POINT_KINDS } from '../jobs/backup-jobs.ts'
import type { JobEngine } from '../jobs/engine.ts'
import { jobError } from '../jobs/errors.ts'
import type { JobOutcome, ServerJobKind } from '../jobs/kind.ts'
import type { PoolWork } from '../jobs/pool-work.ts'
import { isWithin } from '../pools/volume-place.ts'
import { backupTaskOf } from './backup-task.ts'
import { groupError } from './errors.ts'
import { readGroup } from './group-facts.ts'
import { applyEvent } from './source-state.ts'

export interface FirstCopiesParts {
  readonly context: ServerContext
  readonly engine: Pick<JobEngine, 'create' | 'fill' | 'wake'>
  readonly pools: PoolWork
  readonly dataFolder: string
  readonly followReplica: (sourceId: string) => Promise<void>
}

const FOLDER = 'first-copies'
const ATTEMPTS = 3
const PRIORITY = 50

export class FirstCopies {
  readonly #parts: FirstCopiesParts
  readonly #folder: string

  constructor(parts: FirstCopiesParts) {
    this.#parts = parts
    this.#folder = join(resolve(parts.dataFolder), FOLDER)
  }

  /** Where the data of that source is waited for. */
  placeOf(sourceId: string): string {
    return join(this.#folder, sourceId)
  }

  /** Sources that wait have their folder; folders of others go where nothing is in them. */
  async prepare(): Promise<void> {
    const waiting = await this.#parts.context.catalog.sources.all({ states: ['manual-pending'] })
    if (waiting.length > 0) await mkdir(this.#folder, { recursive: true, mode: 0o700 })
    for (const { id } of waiting) await mkdir(this.placeOf(id), { recursive: true, mode: 0o700 })
    const kept = new Set(waiting.map(({ id }) => id))
    for (const name of await readdir(this.#folder).catch(() => []))
      if (!kept.has(name)) await rmdir(join(this.#folder, name)).catch(() => undefined)
  }

  /** Starts to load it. `folder`: another than the one that the server named. SOURCE_NOT_MANUAL, SOURCE_COPY_UNUSABLE. */
  async load(source: DataSource, by: string, folder?: string): Promise<Job> {
    if (source.state !== 'manual-pending') throw groupError('SOURCE_NOT_MANUAL', `the replica is ${source.state}`)
    const from = await this.#usable(folder ?? this.placeOf(source.id), folder !== undefined)
    const { id, groupId, poolId } = source
    return await this.#parts.engine.create({
      type: 'replica-load',
      sourceId: id,
      groupId,
      poolId,
      priority: PRIORITY,
      isAdHoc: true,
      createdBy: by,
      parameters: { folder: from },
    })
  }

  kind(): ServerJobKind {
    return {
      type: 'replica-load',
      where: 'server',
      gated: 'backupDisk',
      attempts: ATTEMPTS,
      run: (op, job) => this.#run(op, job),
      ended: (records, job, outcome) => this.#ended(records, job, outcome),
      afterwards: async (job) => {
        await this.#parts.followReplica(job.sourceId ?? '')
        await this.prepare()
        this.#parts.engine.wake()
      },
    }
  }

  async #usable(folder: string, isNamed: boolean): Promise<string> {
    const refuse = (message: string) => groupError('SOURCE_COPY_UNUSABLE', message, { context: { folder } })
    if (!isAbsolute(folder) || folder.includes('\0')) throw refuse(`${folder} is no absolute path`)
    const real = await realpath(folder).catch(() => undefined)
    if (real === undefined || !(await stat(real)).isDirectory()) throw refuse(`there is no folder ${folder} on this machine`)
    if (isNamed) {
      const { catalog } = this.#parts.context
      const ours = [this.#parts.dataFolder, ...(await catalog.pools.all()).map((pool) => pool.folder)]
      for (const other of ours) {
        const there = await realpath(other).catch(() => resolve(other))
        if (isWithin(real, there) || isWithin(there, real))
          throw refuse(`${folder} lies in the same place as ${other}, which belongs to the server`)
      }
    }
    if ((await readdir(real)).length === 0) throw refuse(`${folder} is empty: the data was not copied there yet`)
    return real
  }

  async #run(op: Operation, job: Job): Promise<JobOutcome> {
    const { context, pools } = this.#parts
    const { catalog } = context
    const source = await catalog.sources.find(job.sourceId ?? '')
    const folder = job.parameters.folder
    if (source?.poolId === undefined || source.groupId === undefined || typeof folder !== 'string')
      throw jobError('JOB_WITHOUT_SUBJECT', 'the data source is protected no longer')
    // A job that was cut off after its end was written does not run again; one that was cut off before loads what is missing.
    if (source.state !== 'manual-pending') throw jobError('JOB_WITHOUT_SUBJECT', `the replica is ${source.state}`)
    const group = readGroup((await catalog.groups.get(source.groupId)).document)
    const member = group.members.find(({ dataSourceId }) => dataSourceId === source.id)
    if (!member) throw jobError('JOB_WITHOUT_SUBJECT', `${source.name} is no member of its group`)
    const task = backupTaskOf({ jobId: job.id, group, member, forceRead: true, nowMs: op.clock.nowMs() })
    const paths = task.paths.map((path) => Buffer.from(path, 'base64'))
    const { dev } = await stat(folder)
    const readAt = paths.map((path): ReadPlace => {
      const at = Buffer.from(placeWithin(folder, source.path, path.toString('utf8')))
      // Settled at no time: whatever is compared with it later is read.
      return { at, settledMs: 0, device: { read: dev, recorded: dev }, above: Buffer.from(folder) }
    })
    const { excludes, oneFileSystem } = task
    const host = (await catalog.agents.find(source.agentId ?? ''))?.name ?? source.name
    const wish = { source: source.id, host, program: `terp ${context.version}`, isLarge: true }
    const facts = await pools.backUpHere(op, source.poolId, { ...wish, paths, readAt, excludes, oneFileSystem })
    await catalog.points.record({ ...facts, kind: POINT_KINDS.synchronisation })
    const { id, bytes, files, storedBytes, warnings } = facts
    return { pointId: id, bytesTransferred: bytes, warnings, result: { folder, files, sizeBytes: bytes, storedBytes } }
  }

  async #ended(records: Records, job: Job, outcome: JobOutcome | undefined): Promise<void> {
    const source = await records.sources.find(job.sourceId ?? '')
    if (!outcome || source?.state !== 'manual-pending') return
    const message = 'the first copy was brought by hand, and is compared with the source'
    await applyEvent(records, source, 'data-copied', { code: 'manual-copy', message, jobId: job.id })
    const { id, groupId, agentId, poolId } = source
    const check = {
      type: 'consistency-check',
      sourceId: id,
      groupId,
      agentId,
      poolId,
      priority: PRIORITY,
      createdBy: job.createdBy,
      parameters: { isHeavy: true },
    } as const
    await records.jobs.create(this.#parts.engine.fill(check))
  }
}

/** The folder stands for the data source's path. */
export function placeWithin(folder: string, sourcePath: string, path: string): string {
  const below = posix.relative(sourcePath, path)
  if (below === '..' || below.startsWith('../'))
    throw groupError('SOURCE_COPY_UNUSABLE', `${path} does not lie in ${sourcePath}, which the folder stands for`, { context: { folder } })
  return below === '' ? folder : join(folder, below)
}
