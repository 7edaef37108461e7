/**
 * Pool volumes, recovery and search as a part of the server. It is made before the control plane, which works with the keeper, and closed after it; jobs are started
 * by what is made later, so it is asked for when one is.
 */
import { type Disk, systemDisk } from '../../platform/index.ts'
import type { ServerContext } from '../context.ts'
import { dataPaths } from '../data-folder.ts'
import type { ServerPart } from '../part.ts'
import type { JobStarter } from '../recovery/job-starter.ts'
import { recoveryRoutes } from '../recovery/recovery-routes.ts'
import { SearchKeeper } from '../search/search-keeper.ts'
import { searchRoutes } from '../search/search-routes.ts'
import { moveRoutes } from './move-routes.ts'
import { Moves } from './moves.ts'
import { PoolKeeper } from './pool-keeper.ts'
import { poolRoutes } from './pool-routes.ts'
import { SourceMover } from './source-mover.ts'

export interface PoolsPart extends ServerPart {
  readonly keeper: PoolKeeper
  readonly search: SearchKeeper
  readonly mover: SourceMover
}

export interface PoolsPartOptions {
  readonly dataFolder: string
  readonly disk?: Disk
  readonly jobs: () => JobStarter
}

export async function makePoolsPart(context: ServerContext, options: PoolsPartOptions): Promise<PoolsPart> {
  const { op, catalog } = context
  const paths = dataPaths(options.dataFolder)
  const disk = options.disk ?? systemDisk()
  const keeper = new PoolKeeper(op, { catalog, disk, paths })
  keeper.onDamage(({ fresh, healed }) => {
    if (fresh > 0) context.metrics.chunksCorrupt.inc(fresh)
    if (healed > 0) context.metrics.chunksHealed.inc(healed)
  })
  const search = await SearchKeeper.open(op, { catalog, keeper, disk, dataFolder: paths.folder })
  const jobs: JobStarter = { create: (request) => options.jobs().create(request), cancel: (id, by) => options.jobs().cancel(id, by) }
  const mover = new SourceMover({ context, keeper, onMoved: (moved) => search.moved(moved) })
  const moves = new Moves({ context, keeper, jobs: options.jobs })
  return {
    keeper,
    search,
    mover,
    routes: [
      ...poolRoutes(context, { keeper, jobs }),
      ...moveRoutes(context, moves),
      ...recoveryRoutes(context, { keeper, jobs }),
      ...searchRoutes(context, search),
    ],
    async isReady() {
      const failures = await keeper.openAll()
      return failures.map(({ pool, error }) => `the pool volume ${pool.name} can not be used: ${error.message}`)
    },
    async started() {
      for (const { pool, error } of await keeper.openAll()) op.warn({ code: error.code, message: error.message, item: pool.name })
      await search.start()
    },
    async close() {
      await search.close()
      await keeper.close()
    },
  }
}
