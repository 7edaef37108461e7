/** A catalog in a temporary folder, with a clock that stands still. For tests. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { fromTimestamp, ManualClock } from '../base/clock.ts'
import { seededRandom } from '../base/random.ts'
import { type Catalog, openCatalog } from './catalog.ts'

export interface TestCatalog {
  readonly catalog: Catalog
  readonly clock: ManualClock
  readonly path: string
  readonly folder: string
  /** Closed, unless it is, and opened again, as after a restart. */
  reopen(options?: { readonly isClosed: boolean }): Promise<Catalog>
}

export async function aCatalog(t: Pick<TestContext, 'after'>): Promise<TestCatalog> {
  const folder = await mkdtemp(join(tmpdir(), 'terp-catalog-'))
  const path = join(folder, 'catalog.db')
  const clock = new ManualClock(fromTimestamp('2026-11-22T10:00:00.000Z'))
  const random = seededRandom('catalog')
  let catalog = await openCatalog({ clock, random }, path)
  t.after(async () => {
    await catalog.close()
    await rm(folder, { recursive: true, force: true })
  })
  return {
    get catalog() {
      return catalog
    },
    clock,
    path,
    folder,
    async reopen(options) {
      if (!options?.isClosed) await catalog.close()
      catalog = await openCatalog({ clock, random }, path)
      return catalog
    },
  }
}

/** A pool and a data source in it, with its agent. */
export async function aSource(catalog: Catalog, name = 'srv1'): Promise<{ sourceId: string; poolId: string; agentId: string }> {
  const agent = await catalog.agents.enrol({ name, publicKey: `key of ${name}`, publicKeySha256: name.padEnd(64, '0') })
  const pool = await catalog.pools.add({ name: `pool of ${name}`, folder: `/pools/${name}` })
  const place = { workload: 'files', name: `${name}:/home`, path: '/home' }
  const source = await catalog.sources.add({ ...place, agentId: agent.id, poolId: pool.id, state: 'ok' })
  return { sourceId: source.id, poolId: pool.id, agentId: agent.id }
}
