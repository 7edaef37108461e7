/**
 * What a verification found damaged, kept in the repository's configuration (docs/format.md §12, topic `damage`): a writer takes such a chunk for not
 * stored, so that the next backup which meets its content stores it again. Readers need no list: they try every copy of a chunk.
 */
import { hasCode } from '../base/errors.ts'
import type { Operation } from '../base/operation.ts'
import { readConfiguration, writeConfiguration } from './configuration.ts'
import type { DamageList } from './damaged-chunks.ts'
import type { Repository } from './repository.ts'

const TOPIC = 'damage'

/** A list that can't be read itself is told and counts as empty: the next verification writes another. */
export async function readDamageList(op: Operation, repository: Repository): Promise<DamageList> {
  const stored = (await readConfiguration(op, repository, TOPIC).catch((error: unknown) => {
    if (!hasCode(error, 'CONFIGURATION_DAMAGED')) throw error
    op.warn({ code: error.code, message: error.message, item: String(error.context.object) })
  })) as { packs?: Record<string, string[] | 'all'> } | undefined
  return new Map(Object.entries(stored?.packs ?? {}).map(([pack, chunks]) => [pack, chunks === 'all' ? chunks : new Set(chunks)]))
}

/** Adds to what was noted before. The caller holds the writer's lock. How many chunks were not noted before, a pack of which nothing can be read as one. */
export async function noteDamage(op: Operation, repository: Repository, found: DamageList): Promise<number> {
  const before = await readDamageList(op, repository)
  const merged = merge(before, found)
  const fresh = countOf(without(found, before))
  if (fresh > 0) await writeDamageList(op, repository, merged)
  return fresh
}

export interface Revision {
  /** As it was noted when what follows began to be looked for. */
  readonly before: DamageList
  /** What is damaged. */
  readonly found: DamageList
  /** Whether a pack that was noted then, and is not among what was found, was read whole, or is gone. */
  readonly isSettled: (pack: string) => boolean
}

/** What was looked at and is sound, or is there no more, is taken off the list; what was noted meanwhile stays. The caller holds the writer's lock. */
export async function reviseDamage(
  op: Operation,
  repository: Repository,
  { before, found, isSettled }: Revision,
): Promise<{ readonly fresh: number; readonly healed: number }> {
  const now = await readDamageList(op, repository)
  const healed = new Map([...without(before, found)].filter(([pack]) => now.has(pack) && isSettled(pack)))
  const fresh = countOf(without(found, now))
  const gone = countOf(healed)
  if (fresh + gone > 0) await writeDamageList(op, repository, merge(without(now, healed), found))
  return { fresh, healed: gone }
}

function merge(a: DamageList, b: DamageList): DamageList {
  const merged = new Map(a)
  for (const [pack, chunks] of b) {
    const there = merged.get(pack)
    merged.set(pack, there === 'all' || chunks === 'all' ? 'all' : new Set([...(there ?? []), ...chunks]))
  }
  return merged
}

/** What is in the first and not in the second. Of a pack of which nothing can be read, single chunks are not taken away. */
function without(list: DamageList, other: DamageList): DamageList {
  const rest = new Map<string, ReadonlySet<string> | 'all'>()
  for (const [pack, chunks] of list) {
    const known = other.get(pack)
    if (known === 'all') continue
    if (chunks === 'all') rest.set(pack, 'all')
    else {
      const left = [...chunks].filter((chunk) => !known?.has(chunk))
      if (left.length > 0) rest.set(pack, new Set(left))
    }
  }
  return rest
}

function countOf(list: DamageList): number {
  return [...list.values()].reduce((sum, chunks) => sum + (chunks === 'all' ? 1 : chunks.size), 0)
}

async function writeDamageList(op: Operation, repository: Repository, list: DamageList): Promise<void> {
  const packs = Object.fromEntries([...list].map(([pack, chunks]) => [pack, chunks === 'all' ? chunks : [...chunks]]))
  await writeConfiguration(op, repository, TOPIC, { packs })
}
