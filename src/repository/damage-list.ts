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

/** Adds to what was noted before. The caller holds the writer's lock. False when there was nothing new. */
export async function noteDamage(op: Operation, repository: Repository, found: DamageList): Promise<boolean> {
  const merged = new Map<string, Set<string> | 'all'>()
  let isNew = false
  for (const [pack, chunks] of await readDamageList(op, repository)) merged.set(pack, chunks === 'all' ? chunks : new Set(chunks))
  for (const [pack, chunks] of found) {
    const before = merged.get(pack)
    if (before === 'all') continue
    if (chunks === 'all') {
      merged.set(pack, 'all')
      isNew = true
      continue
    }
    const all = before ?? new Set<string>()
    const count = all.size
    for (const chunk of chunks) all.add(chunk)
    merged.set(pack, all)
    isNew ||= all.size > count
  }
  if (!isNew) return false
  const packs = Object.fromEntries([...merged].map(([pack, chunks]) => [pack, chunks === 'all' ? chunks : [...chunks]]))
  await writeConfiguration(op, repository, TOPIC, { packs })
  return true
}
