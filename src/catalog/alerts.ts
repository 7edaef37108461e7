/**
 * Alerts: conditions that people must hear of. The same condition about the same thing is one alert as long as it lasts; it ends with the condition,
 * by a person, or, for mere news, after a time. Raised again later, it is a new one.
 */
import type { AlertState, Severity } from '../protection/index.ts'
import { transact } from '../sqlite/index.ts'
import { type CatalogContext, newId } from './context.ts'
import { catalogError, notFound } from './errors.ts'
import { fromJsonOr, type JsonObject, toJson } from './json.ts'
import { type Page, type PageRequest, readCursor, toPage } from './paging.ts'
import type { Subject, SubjectKind } from './states.ts'
import type { AlertRow } from './tables.ts'

export interface Alert {
  readonly id: string
  readonly code: string
  /** Shown as "DPM 3106". */
  readonly domainCode: number | undefined
  readonly severity: Severity
  readonly state: AlertState
  readonly subject: Subject
  readonly subjectName: string
  readonly message: string
  readonly hint: string
  readonly details: JsonObject | undefined
  readonly jobId: string | undefined
  readonly raisedMs: number
  readonly lastSeenMs: number
  /** How often the condition was seen. */
  readonly times: number
  readonly endedMs: number | undefined
  /** `condition`, `time`, or the account that put it away. */
  readonly endedBy: string | undefined
  readonly expiresMs: number | undefined
}

export interface NewAlert {
  readonly code: string
  readonly domainCode?: number | undefined
  readonly severity: Severity
  readonly subject: Subject
  readonly subjectName: string
  readonly message: string
  readonly hint: string
  readonly details?: JsonObject | undefined
  readonly jobId?: string | undefined
  /** Ends by itself after that. */
  readonly lifeMs?: number | undefined
}

export interface AlertFilter {
  readonly states?: readonly AlertState[] | undefined
  readonly severities?: readonly Severity[] | undefined
  readonly subject?: Subject | undefined
  readonly code?: string | undefined
}

const OPEN = ['active', 'action-in-progress'] as const

export class Alerts {
  readonly #context: CatalogContext

  constructor(context: CatalogContext) {
    this.#context = context
  }

  /** `isNew` is false when this condition was known: then message and details are what they are now, and the count goes up. */
  async raise(alert: NewAlert): Promise<{ readonly alert: Alert; readonly isNew: boolean }> {
    const nowMs = this.#context.clock.nowMs()
    const said = {
      severity: alert.severity,
      subject_name: alert.subjectName,
      message: alert.message,
      hint: alert.hint,
      details_json: toJson(alert.details),
      job_id: alert.jobId ?? null,
      last_seen_ms: nowMs,
      expires_ms: alert.lifeMs === undefined ? null : nowMs + alert.lifeMs,
    }
    return await transact(this.#context.db, async (transaction) => {
      const known = await transaction
        .updateTable('alerts')
        .set((eb) => ({ ...said, times: eb('times', '+', 1) }))
        .where('code', '=', alert.code)
        .where('subject_kind', '=', alert.subject.kind)
        .where('subject_id', '=', alert.subject.id)
        .where('state', '<>', 'inactive')
        .returningAll()
        .executeTakeFirst()
      if (known) return { alert: present(known), isNew: false }
      const row: AlertRow = {
        ...said,
        id: newId(this.#context),
        code: alert.code,
        domain_code: alert.domainCode ?? null,
        state: 'active',
        subject_kind: alert.subject.kind,
        subject_id: alert.subject.id,
        raised_ms: nowMs,
        times: 1,
        ended_ms: null,
        ended_by: null,
      }
      await transaction.insertInto('alerts').values(row).execute()
      return { alert: present(row), isNew: true }
    })
  }

  /** The condition is over: undefined when there was no such alert. */
  async resolve(code: string, subject: Subject): Promise<Alert | undefined> {
    const row = await this.#context.db
      .updateTable('alerts')
      .set({ state: 'inactive', ended_ms: this.#context.clock.nowMs(), ended_by: 'condition' })
      .where('code', '=', code)
      .where('subject_kind', '=', subject.kind)
      .where('subject_id', '=', subject.id)
      .where('state', '<>', 'inactive')
      .returningAll()
      .executeTakeFirst()
    return row && present(row)
  }

  /** All about something that is gone. */
  async resolveAllOf(subject: Subject): Promise<Alert[]> {
    const rows = await this.#context.db
      .updateTable('alerts')
      .set({ state: 'inactive', ended_ms: this.#context.clock.nowMs(), ended_by: 'condition' })
      .where('subject_kind', '=', subject.kind)
      .where('subject_id', '=', subject.id)
      .where('state', '<>', 'inactive')
      .returningAll()
      .execute()
    return rows.map(present)
  }

  /** By a person. CATALOG_STATE_CONFLICT when it has ended. */
  async putAway(id: string, by: string): Promise<Alert> {
    return await this.#change(id, { state: 'inactive', ended_ms: this.#context.clock.nowMs(), ended_by: by })
  }

  /** The recommended action was begun. CATALOG_STATE_CONFLICT when it has ended. */
  async actionStarted(id: string, jobId?: string): Promise<Alert> {
    return await this.#change(id, { state: 'action-in-progress', ...(jobId !== undefined && { job_id: jobId }) })
  }

  /** Ends news whose time is over. */
  async expire(): Promise<Alert[]> {
    const nowMs = this.#context.clock.nowMs()
    const rows = await this.#context.db
      .updateTable('alerts')
      .set({ state: 'inactive', ended_ms: nowMs, ended_by: 'time' })
      .where('state', '<>', 'inactive')
      .where('expires_ms', '<=', nowMs)
      .returningAll()
      .execute()
    return rows.map(present)
  }

  async find(id: string): Promise<Alert | undefined> {
    const row = await this.#context.db.selectFrom('alerts').selectAll().where('id', '=', id).executeTakeFirst()
    return row && present(row)
  }

  /** The newest first. */
  async list({ limit, cursor }: PageRequest, filter: AlertFilter = {}): Promise<Page<Alert>> {
    const after = readCursor<[number, string]>(cursor, ['number', 'string'])
    let query = this.#context.db.selectFrom('alerts').selectAll()
    if (filter.states !== undefined) query = query.where('state', 'in', filter.states)
    if (filter.severities !== undefined) query = query.where('severity', 'in', filter.severities)
    if (filter.code !== undefined) query = query.where('code', '=', filter.code)
    const { subject } = filter
    if (subject !== undefined) query = query.where('subject_kind', '=', subject.kind).where('subject_id', '=', subject.id)
    if (after) query = query.where((eb) => eb(eb.refTuple('raised_ms', 'id'), '<', eb.tuple(...after)))
    const rows = await query
      .orderBy('raised_ms', 'desc')
      .orderBy('id', 'desc')
      .limit(limit + 1)
      .execute()
    return toPage(rows, limit, (row) => [row.raised_ms, row.id], present)
  }

  /** All that last, the newest first. */
  async open(): Promise<Alert[]> {
    const rows = await this.#context.db.selectFrom('alerts').selectAll().where('state', 'in', OPEN).orderBy('raised_ms', 'desc').execute()
    return rows.map(present)
  }

  async countOpen(): Promise<ReadonlyMap<Severity, number>> {
    const rows = await this.#context.db
      .selectFrom('alerts')
      .select((eb) => ['severity', eb.fn.countAll<number>().as('n')])
      .where('state', 'in', OPEN)
      .groupBy('severity')
      .execute()
    return new Map(rows.map((row) => [row.severity, row.n]))
  }

  async removeEndedBefore(beforeMs: number): Promise<void> {
    await this.#context.db.deleteFrom('alerts').where('state', '=', 'inactive').where('ended_ms', '<', beforeMs).execute()
  }

  async #change(id: string, set: Partial<AlertRow>): Promise<Alert> {
    const query = this.#context.db.updateTable('alerts').set(set).where('id', '=', id).where('state', '<>', 'inactive').returningAll()
    const row = await query.executeTakeFirst()
    if (row) return present(row)
    if (!(await this.find(id))) throw notFound('alert', id)
    throw catalogError('CATALOG_STATE_CONFLICT', `the alert ${id} has ended`, { context: { id } })
  }
}

function present(row: AlertRow): Alert {
  const subject: { kind: SubjectKind; id: string } = { kind: row.subject_kind, id: row.subject_id }
  return {
    id: row.id,
    code: row.code,
    domainCode: row.domain_code ?? undefined,
    severity: row.severity,
    state: row.state,
    subject,
    subjectName: row.subject_name,
    message: row.message,
    hint: row.hint,
    details: fromJsonOr<JsonObject, undefined>(row.details_json, undefined),
    jobId: row.job_id ?? undefined,
    raisedMs: row.raised_ms,
    lastSeenMs: row.last_seen_ms,
    times: row.times,
    endedMs: row.ended_ms ?? undefined,
    endedBy: row.ended_by ?? undefined,
    expiresMs: row.expires_ms ?? undefined,
  }
}
