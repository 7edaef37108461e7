/**
 * What the server remembers of a data source beside its state: when its replica was unsound, which retention its points have when no group protects it, and how far
 * its copy in the vault is. It lies in the source's `options`, which nobody else writes.
 */
import { z } from 'zod'
import type { DataSource, JsonObject, Records } from '../../catalog/index.ts'
import type { ReplicaState } from '../../protection/index.ts'
import { asJson } from '../settings/setting.ts'

const memoryShape = z.object({
  /** §3.4: such time does not count for retention. The last may be open. */
  unsound: z.array(z.object({ fromMs: z.number(), toMs: z.number().optional() })).default([]),
  /** Its protection was stopped, and its points go on expiring by the range that they had. */
  retained: z.object({ timeZone: z.string(), shortTermDays: z.int() }).optional(),
  online: z
    .object({
      /** What the newest point in the vault was copied of. */
      pointId: z.string(),
      /** The moment whose data it holds. */
      dataMs: z.number(),
      copiedMs: z.number(),
      points: z.int(),
    })
    .optional(),
  /** An offline seed is on its way since then. */
  seedSinceMs: z.number().optional(),
})
export type SourceMemory = z.infer<typeof memoryShape>

export function memoryOf({ options }: Pick<DataSource, 'options'>): SourceMemory {
  return memoryShape.parse(options ?? {})
}

export async function remember(records: Pick<Records, 'sources'>, id: string, change: Partial<SourceMemory>): Promise<void> {
  const source = await records.sources.get(id)
  const memory = { ...memoryOf(source), ...change }
  await records.sources.assign(id, { options: asJson(memory) as JsonObject })
}

const UNSOUND: readonly ReplicaState[] = ['inconsistent', 'missing', 'invalid']
/** Longest that can matter: no range is longer. */
const MOST_PERIODS = 200

/** Periods of unsoundness after a change of state; undefined where they stay as they are. A check of a sound replica is none. */
export function periodsAfter(before: SourceMemory['unsound'], to: ReplicaState, nowMs: number): SourceMemory['unsound'] | undefined {
  const open = before.at(-1)?.toMs === undefined ? before.at(-1) : undefined
  if (UNSOUND.includes(to)) return open ? undefined : [...before, { fromMs: nowMs }].slice(-MOST_PERIODS)
  const isOver = to === 'ok' || to === 'inactive' || to === 'unprotected'
  return open && isOver ? [...before.slice(0, -1), { fromMs: open.fromMs, toMs: nowMs }] : undefined
}
