/**
 * Alerts that follow from the state of a replica (§5.4: 3101, 3104 – 3106, 3118, 3119; §10.7). Whoever changes a state need not think of them: they are made to fit after
 * each job and each change of a group, and now and then, so that none is left over and none is missing.
 */
import type { DataSource } from '../../catalog/index.ts'
import { type AlertKindName, INCONSISTENCY_CAUSES, type InconsistencyCause, type ReplicaState } from '../../protection/index.ts'
import type { ServerContext } from '../context.ts'
import type { AlertDesk } from './alert-desk.ts'

const OF_STATE: Readonly<Partial<Record<ReplicaState, readonly AlertKindName[]>>> = {
  scheduled: ['replica-scheduled'],
  'manual-pending': ['manual-replica-pending'],
  creating: ['replica-creating'],
  inconsistent: ['replica-inconsistent'],
  // It lasts until the check has succeeded.
  verifying: ['replica-inconsistent', 'replica-verifying'],
  missing: ['replica-missing'],
  invalid: ['replica-inconsistent'],
}
const NAMES: readonly string[] = [...new Set(Object.values(OF_STATE).flat())]
const STATES = Object.keys(OF_STATE) as ReplicaState[]

export class ReplicaAlerts {
  readonly #context: ServerContext
  readonly #alerts: AlertDesk
  readonly #placeOf: (sourceId: string) => string

  /** `placeOf`: where data that is brought by hand is waited for. */
  constructor(context: ServerContext, alerts: AlertDesk, placeOf: (sourceId: string) => string) {
    this.#context = context
    this.#placeOf = placeOf
    this.#alerts = alerts
  }

  /** Of all sources, or of one. */
  async follow(sourceId?: string): Promise<void> {
    const { catalog } = this.#context
    const sources = sourceId === undefined ? await catalog.sources.all({ states: STATES }) : [await catalog.sources.find(sourceId)]
    const wanted = new Map<string, { readonly name: AlertKindName; readonly source: DataSource }>(
      sources.flatMap((source) => (source ? namesOf(source).map((name) => [`${name} ${source.id}`, { name, source }] as const) : [])),
    )
    for (const { code, subject, message } of await catalog.alerts.open()) {
      if (subject.kind !== 'data-source' || !NAMES.includes(code) || (sourceId !== undefined && subject.id !== sourceId)) continue
      const key = `${code} ${subject.id}`
      const due = wanted.get(key)
      if (!due) await this.#alerts.resolve(code as AlertKindName, subject.id)
      else if (this.#messageOf(due.name, due.source) === message) wanted.delete(key)
    }
    for (const { name, source } of wanted.values()) {
      const { id, groupId, cause, state, stateSinceMs } = source
      const message = this.#messageOf(name, source)
      await this.#alerts.raise(name, {
        id,
        name: source.name,
        groupId,
        message,
        details: { state, sinceMs: stateSinceMs, ...(cause && { cause }) },
      })
    }
  }

  #messageOf(name: AlertKindName, source: DataSource): string {
    if (name !== 'manual-replica-pending') return messageOf(name, source)
    return `the first copy of ${source.path} waits for its data in ${this.#placeOf(source.id)}, on the machine of the server`
  }
}

/** A check of a sound replica, on demand or of one that is protected again, is none of an inconsistent one. */
function namesOf({ state, cause }: DataSource): readonly AlertKindName[] {
  const names = OF_STATE[state] ?? []
  return state === 'verifying' && !isInconsistency(cause?.code) ? [] : names
}

function isInconsistency(code: unknown): code is InconsistencyCause {
  return typeof code === 'string' && Object.hasOwn(INCONSISTENCY_CAUSES, code)
}

function messageOf(name: AlertKindName, { cause }: DataSource): string {
  const why =
    typeof cause?.message === 'string' ? cause.message : isInconsistency(cause?.code) ? INCONSISTENCY_CAUSES[cause.code] : undefined
  if (name === 'replica-inconsistent') return `the replica is inconsistent: ${why ?? 'why is not known'}`
  if (name === 'replica-verifying') return 'the replica is being checked and mended'
  if (name === 'replica-missing') return `the replica can not be reached: ${why ?? 'its volume is missing'}`
  if (name === 'replica-scheduled') return 'the first copy will be made at its time'
  return 'the first copy is being made'
}
