/** A keeper with its catalog in temporary folders, and the engine as an agent that works on what it opens. For tests. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { type BackupReport, backUp, restorePoint } from '../../archive/index.ts'
import { type Operation, startOperation, type Warning } from '../../base/operation.ts'
import { randomHex } from '../../base/random.ts'
import { type Catalog, openCatalog, type PointFacts } from '../../catalog/index.ts'
import { systemDisk } from '../../platform/index.ts'
import { openWriteSession, parseKeyFile, Repository } from '../../repository/index.ts'
import { createLocalDiskStore } from '../../storage/index.ts'
import type { OpenedSession } from '../agents/desk.ts'
import { dataPaths, makeFile, makeFolders } from '../data-folder.ts'
import { keyPath } from './make-volume.ts'
import { PoolKeeper } from './pool-keeper.ts'

export const AGENT = 'a'.repeat(32)

export interface TestKeeper {
  readonly op: Operation
  readonly warnings: Warning[]
  readonly catalog: Catalog
  readonly root: string
  keeper(): PoolKeeper
  /** As after a restart of the server. */
  reopen(): Promise<PoolKeeper>
  /** A pool volume of a folder of its own. */
  pool(name?: string, workloads?: readonly string[]): Promise<string>
  /** One with small packs and chunks, so that little makes many. */
  smallPool(): Promise<string>
}

export async function aKeeper(t: Pick<TestContext, 'after'>): Promise<TestKeeper> {
  const root = await mkdtemp(join(tmpdir(), 'terp-pools-'))
  const warnings: Warning[] = []
  const op = startOperation({ onWarning: (warning) => warnings.push(warning) })
  const disk = systemDisk()
  const paths = dataPaths(join(root, 'data'))
  await makeFolders(disk, paths.keys)
  const catalog = await openCatalog(op, paths.catalog)
  let keeper = new PoolKeeper(op, { catalog, disk, paths })
  t.after(async () => {
    await keeper.close()
    await catalog.close()
    await rm(root, { recursive: true, force: true })
  })
  return {
    op,
    warnings,
    catalog,
    root,
    keeper: () => keeper,
    async reopen() {
      await keeper.close()
      keeper = new PoolKeeper(op, { catalog, disk, paths })
      return keeper
    },
    async pool(name = 'one', workloads) {
      const { pool } = await keeper.createPool({ name, folder: join(root, `pool-${name}`), workloads })
      return pool.id
    },
    async smallPool() {
      const folder = join(root, 'pool-small')
      const pool = await catalog.pools.add({ name: 'small', folder })
      const key = randomHex(op.random, 32)
      await makeFile(disk, keyPath(paths.keys, pool.id), key)
      await Repository.create(op, await createLocalDiskStore(op, disk, folder), {
        kind: 'pool',
        chunking: { algorithm: 'sieve', minBytes: 1024, targetBytes: 4096, maxBytes: 16_384 },
        packBytes: 65_536,
        secrets: [{ secret: parseKeyFile(Buffer.from(key)), label: 'server' }],
      })
      return pool.id
    },
  }
}

export async function openView(op: Operation, session: OpenedSession): Promise<Repository> {
  const key = (text: string) => new Uint8Array(Buffer.from(text, 'base64'))
  const { masterKey, idKey, chunkingKey } = session.answer
  const bundle = { masterKey: key(masterKey), idKey: key(idKey), chunkingKey: key(chunkingKey) }
  return await Repository.openWithBundle(op, session.store, bundle, session.answer.kind === 'backup' ? 'write' : 'read')
}

export interface ThroughKeeper {
  readonly source: string
  readonly folder: string
  readonly poolId: string
  readonly jobId?: string
  readonly signal?: AbortSignal
}

/** One backup of a folder, as an agent does it. */
export async function backUpTo(
  { keeper }: Pick<TestKeeper, 'keeper'>,
  { source, folder, poolId, jobId = 'job', signal }: ThroughKeeper,
): Promise<{ readonly facts: PointFacts; readonly report: BackupReport }> {
  let facts: PointFacts | undefined
  const session = await keeper().openBackup({
    poolId,
    agentId: AGENT,
    jobId,
    sourceId: source,
    onCommitted: (told) => {
      facts = told
    },
  })
  try {
    const report = await backUpView(session, { source, folder, ...(signal && { signal }) })
    if (!facts) throw new Error('nobody was told of the recovery point')
    return { facts, report }
  } finally {
    await session.end()
  }
}

export async function backUpView(
  session: OpenedSession,
  { source, folder, signal }: { readonly source: string; readonly folder: string; readonly signal?: AbortSignal },
): Promise<BackupReport> {
  const op = startOperation(signal ? { signal } : {})
  return await backUp(op, {
    source,
    host: 'srv1',
    excludes: [],
    excludeCaches: false,
    oneFileSystem: false,
    forceRead: false,
    skipFolders: [],
    program: 'test agent',
    session: await openWriteSession(op, await openView(op, session), { release: async () => {} }),
    paths: [Buffer.from(folder)],
  })
}

export async function restoreView(session: OpenedSession, target: string): Promise<void> {
  const op = startOperation()
  const repository = await openView(op, session)
  const point = await repository.findPoint(op, session.answer.point ?? 'latest')
  await restorePoint(op, { repository, point, target: Buffer.from(target), overwrite: 'never' })
}
