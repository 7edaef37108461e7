/** A data source's state changes by an event of the domain's machine (§10.7), or not at all. */
import type { DataSource, JsonObject, Records } from '../../catalog/index.ts'
import { type ReplicaEvent, refusalError, replicaMachine, transition } from '../../protection/index.ts'
import { memoryOf, periodsAfter, remember } from './source-memory.ts'

/** STATE_TRANSITION_ILLEGAL, or CATALOG_STATE_CONFLICT when somebody else was quicker. */
export async function applyEvent(
  records: Pick<Records, 'sources'>,
  source: DataSource,
  event: ReplicaEvent,
  cause?: JsonObject,
): Promise<DataSource> {
  const next = transition(replicaMachine, source.state, event)
  if (!next.isLegal) throw refusalError(next.refusal)
  const changed = await records.sources.setState(source.id, next.to, { from: [source.state], cause })
  // A state that was just written has the moment of its change.
  const unsound = periodsAfter(memoryOf(changed).unsound, next.to, changed.stateSinceMs)
  if (unsound) await remember(records, source.id, { unsound })
  return changed
}
