/**
 * Rebuilds the data folder of a server from one pool volume and what opens that: the words of its recovery key, or its key file. The folder is put together beside its place
 * and renamed when all of it is durable, so there is never half a server. The pool is only read.
 *
 * What is not in the copy comes back by itself: recovery points that were made after it are found in the pools when the server starts, names are indexed again. Sessions
 * of people end; agents find the server that they know, since its key for them is in the copy.
 */
import { rm } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { type Entry, openPoint, readFileContent, treePath } from '../../archive/index.ts'
import { fromTimestamp } from '../../base/clock.ts'
import type { Operation } from '../../base/operation.ts'
import { type Catalog, openCatalog, type PoolVolume } from '../../catalog/index.ts'
import type { Disk } from '../../platform/index.ts'
import { DAY_MS, type JobType } from '../../protection/index.ts'
import { type RecoveryPoint, Repository, type Secret } from '../../repository/index.ts'
import { LocalDiskStore } from '../../storage/index.ts'
import { EPOCHS_SKIPPED } from '../agents/authentication.ts'
import { dataPaths, hasErrno, makeFolders } from '../data-folder.ts'
import { serverError } from '../errors.ts'
import { deletionSetting } from '../jobs/settings.ts'
import { COPY_FILES, COPY_FOLDERS, SERVER_SOURCE } from './server-source.ts'

export interface RestoreServerOptions {
  readonly disk: Disk
  /** Of a pool volume. */
  readonly poolFolder: string
  readonly secret: Secret
  /** Must not exist, or be empty. */
  readonly dataFolder: string
  /** Id of the copy, or its beginning; the newest by default. */
  readonly copy?: string | undefined
}

export interface RestoredServer {
  readonly dataFolder: string
  readonly copy: { readonly id: string; readonly finishedMs: number }
  readonly agents: number
  readonly sources: number
  /** With whether it is where the catalog says: one that is not is mounted there before the server starts. */
  readonly pools: readonly { readonly name: string; readonly folder: string; readonly isThere: boolean; readonly isMoved: boolean }[]
}

const FILE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,100}$/

/** SERVER_DATA_NOT_EMPTY, SERVER_COPY_NOT_FOUND, SERVER_COPY_INVALID, DATABASE_NEWER, and what opening a repository says. */
export async function restoreServer(op: Operation, options: RestoreServerOptions): Promise<RestoredServer> {
  const { disk } = options
  const dataFolder = resolve(options.dataFolder)
  const poolFolder = resolve(options.poolFolder)
  await checkEmpty(disk, dataFolder)
  const repository = await Repository.open(op, new LocalDiskStore(disk, poolFolder), options.secret)
  const point = await findCopy(op, repository, options.copy)
  const part = `${dataFolder}.part`
  await rm(part, { recursive: true, force: true })
  try {
    await makeFolders(disk, part)
    await writeFiles(op, disk, repository, point, part)
    const adapted = await adapt(op, disk, { part, poolFolder, repositoryId: repository.format.repositoryId, point })
    for (const folder of [...COPY_FOLDERS.map((name) => join(part, name)), part]) await disk.syncFolder(folder)
    op.check()
    // Over an empty folder too.
    await disk.rename(part, dataFolder)
    await disk.syncFolder(dirname(dataFolder))
    return { dataFolder, copy: { id: point.id, finishedMs: fromTimestamp(point.finished) }, ...adapted }
  } catch (error) {
    await rm(part, { recursive: true, force: true })
    throw error
  }
}

async function checkEmpty(disk: Disk, folder: string): Promise<void> {
  const there = await disk.readFolder(folder).catch((error: unknown) => {
    if (hasErrno(error, 'ENOENT')) return []
    throw error
  })
  if (there.length > 0) throw serverError('SERVER_DATA_NOT_EMPTY', `${folder} is not empty`, { context: { folder } })
}

async function findCopy(op: Operation, repository: Repository, wanted: string | undefined): Promise<RecoveryPoint> {
  const { points, damaged } = await repository.listPoints(op, SERVER_SOURCE)
  for (const { code, message, object } of damaged) op.warn({ code, message, item: object })
  const found = wanted === undefined ? points.slice(-1) : points.filter(({ id }) => id.startsWith(wanted))
  const [point, second] = found
  const where = repository.store.description
  if (!point)
    throw serverError(
      'SERVER_COPY_NOT_FOUND',
      `there is no ${wanted === undefined ? '' : `${wanted} among the copies`} of a server’s configuration in ${where}`.replace('  ', ' '),
    )
  if (second) throw serverError('SERVER_COPY_NOT_FOUND', `${wanted} begins the ids of ${found.length} copies in ${where}`)
  return point
}

async function writeFiles(op: Operation, disk: Disk, repository: Repository, point: RecoveryPoint, part: string): Promise<void> {
  const opened = await openPoint(op, repository, point)
  try {
    const top = treePath(Buffer.from(point.paths[0]?.base64 ?? '', 'base64'))
    for (const name of COPY_FOLDERS) await disk.makeFolder(join(part, name))
    for await (const entry of opened.tree.within(op, top)) {
      op.check()
      const name = placeOf(entry, top)
      if (name === undefined) continue
      const file = await disk.createFile(join(part, name))
      try {
        for await (const bytes of readFileContent(op, opened, entry)) await file.write(bytes)
        await file.sync()
      } finally {
        await file.close()
      }
    }
  } finally {
    opened.tree.close()
    opened.index.close()
  }
}

/** Below the folder; undefined for what is no file of a server. Names are checked: who can write to a pool must not choose where this writes. */
function placeOf({ kind, path }: Entry, top: Buffer): string | undefined {
  if (kind !== 'file') return undefined
  const parts = path
    .subarray(top.length + 1)
    .toString('utf8')
    .split('/')
  const [first = '', second] = parts
  if (parts.length === 1) return first === COPY_FILES.catalog ? first : undefined
  const isKnown = (COPY_FOLDERS as readonly string[]).includes(first) && parts.length === 2
  return isKnown && second !== undefined && FILE_NAME.test(second) ? join(first, second) : undefined
}

interface Adapting {
  readonly part: string
  readonly poolFolder: string
  readonly repositoryId: string
  readonly point: RecoveryPoint
}

/** What holds no more of a server that was elsewhere, or lived on after its copy. */
async function adapt(op: Operation, disk: Disk, { part, poolFolder, repositoryId, point }: Adapting) {
  const { catalog: path } = dataPaths(part)
  if ((await disk.size(path)) === undefined)
    throw serverError('SERVER_COPY_INVALID', `the copy ${point.id} has no catalog`, { context: { copy: point.id } })
  const catalog = await openCatalog(op, path)
  try {
    const pools: RestoredServer['pools'][number][] = []
    for (const pool of await catalog.pools.all()) {
      const isMoved = pool.repositoryId === repositoryId && pool.folder !== poolFolder
      if (isMoved) await catalog.pools.relocate(pool.id, poolFolder)
      const folder = isMoved ? poolFolder : pool.folder
      pools.push({ name: pool.name, folder, isMoved, isThere: await isPool(op, disk, folder) })
    }
    await catalog.transaction(async (records) => {
      // Requests that were heard after the copy must not count again.
      await records.agents.skipEpochs(EPOCHS_SKIPPED)
      await records.deletions.postpone(op.clock.nowMs() + (await coolOffMs(records)))
      await records.sessions.closeAll()
      await records.audit.append({
        actor: { kind: 'server', id: '', name: 'server restore' },
        address: '',
        action: 'server.restore',
        subject: { kind: 'server', id: '' },
        outcome: 'done',
        details: { copy: point.id, finished: point.finished, pool: poolFolder },
      })
    })
    await endOldJobs(catalog)
    return { pools, ...(await countsOf(catalog)) }
  } finally {
    await catalog.close()
  }
}

/** What writes to machines and had not ended when the copy was made: since then it has. To write old files over those of today, days later, is nobody's wish. */
const NOT_AGAIN: readonly JobType[] = ['recovery', 'online-recovery', 'staging-recovery']

async function endOldJobs(catalog: Catalog): Promise<void> {
  const open = { states: ['scheduled', 'queued', 'in-progress'], types: NOT_AGAIN } as const
  for (const { id, sourceId } of (await catalog.jobs.list({ limit: 100_000 }, open)).items) {
    await catalog.jobs.cancel(id, 'server')
    if (sourceId !== undefined && (await catalog.sources.find(sourceId))) await catalog.sources.setRecovering(sourceId, false)
  }
}

/** Who had something taken back after the copy was made has time to do it again. */
async function coolOffMs({ settings }: Pick<Catalog, 'settings'>): Promise<number> {
  return deletionSetting.shape.parse((await settings.find(deletionSetting.name))?.value ?? {}).coolOffDays * DAY_MS
}

async function isPool(op: Operation, disk: Disk, folder: PoolVolume['folder']): Promise<boolean> {
  return (await new LocalDiskStore(disk, folder).head(op, 'FORMAT').catch(() => undefined)) !== undefined
}

async function countsOf(catalog: Catalog): Promise<{ agents: number; sources: number }> {
  const sources = (await catalog.sources.all()).length
  let agents = 0
  for (let cursor: string | undefined; ; ) {
    const page = await catalog.agents.list({ limit: 500, ...(cursor !== undefined && { cursor }) })
    agents += page.items.filter(({ revokedMs }) => revokedMs === undefined).length
    if (page.next === undefined) return { agents, sources }
    cursor = page.next
  }
}
