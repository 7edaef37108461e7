/** A process that backs up, expires and prunes in one pool until it is killed, and tells what it was told. Started by pool-keeper.crash.test.ts. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startOperation } from '../../base/operation.ts'
import { seededRandom } from '../../base/random.ts'
import { openCatalog } from '../../catalog/index.ts'
import { systemDisk } from '../../platform/index.ts'
import { dataPaths } from '../data-folder.ts'
import { PoolKeeper } from './pool-keeper.ts'
import { backUpTo } from './pools.fixture.ts'

export type Told = { readonly type: 'ready' | 'failed' } | { readonly type: 'committed' | 'expiring'; readonly id: string }

const [root = '', poolId = '', seed = ''] = process.argv.slice(2)
const tell = (told: Told) => new Promise<void>((done) => process.send?.(told, undefined, undefined, () => done()))
process.once('disconnect', () => process.exit())
const op = startOperation()
const paths = dataPaths(join(root, 'data'))
const catalog = await openCatalog(op, paths.catalog)
const keeper = new PoolKeeper(op, { catalog, disk: systemDisk(), paths })
await keeper.volume(poolId)
await tell({ type: 'ready' })

const points: string[] = []
async function source(name: string): Promise<void> {
  const random = seededRandom(`${seed} ${name}`)
  const folder = join(root, `source-${name}`)
  for (let n = 0; ; n++) {
    writeFileSync(join(folder, `f${n % 5}`), random.bytes(40_000))
    const { facts } = await backUpTo({ keeper: () => keeper }, { source: name.repeat(32), folder, poolId, jobId: `${name} ${n}` })
    points.push(facts.id)
    await tell({ type: 'committed', id: facts.id })
  }
}
async function clean(): Promise<void> {
  for (;;) {
    await op.clock.sleep(30)
    if (points.length < 3) continue
    const id = points.shift() as string
    await tell({ type: 'expiring', id })
    await keeper.expire(op, poolId, [id])
    await keeper.prune(op, poolId, { dryRun: false, keepTrashMs: 0, waitMs: 200, acceptUnexplained: true })
  }
}
try {
  await Promise.all([source('1'), source('2'), clean()])
} catch (error) {
  process.send?.({ type: 'failed', error: String(error) })
}
