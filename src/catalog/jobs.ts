/**
 * Durable jobs. Who runs one holds it by the epoch of his server and a lease: every change that he makes says the epoch, and is refused once a
 * server that started later has taken the job over. At most one job with the same lock is in progress; the database sees to that.
 */
import { sql } from 'kysely'
import type { JobState, JobType } from '../protection/index.ts'
import { isUniqueViolation } from '../sqlite/index.ts'
import { type CatalogContext, newId } from './context.ts'
import { catalogError, notFound } from './errors.ts'
import { type Job, type JobFailure, type JobFilter, type NewJob, present } from './job.ts'
import { type JsonObject, toJson } from './json.ts'
import { type Page, type PageRequest, readCursor, toPage } from './paging.ts'
import { type FinalJobState, finalJobStates } from './states.ts'
import type { JobRow } from './tables.ts'

/** A literal, so that SQLite sees that the index of locks that are held has the answer. */
const IN_PROGRESS = sql.lit('in-progress' as const)

export class Jobs {
  readonly #context: CatalogContext

  constructor(context: CatalogContext) {
    this.#context = context
  }

  async create(job: NewJob): Promise<Job> {
    const nowMs = this.#context.clock.nowMs()
    const dueMs = job.dueMs ?? nowMs
    const row: JobRow = {
      id: newId(this.#context),
      type: job.type,
      state: dueMs > nowMs ? 'scheduled' : 'queued',
      source_id: job.sourceId ?? null,
      group_id: job.groupId ?? null,
      agent_id: job.agentId ?? null,
      pool_id: job.poolId ?? null,
      point_id: job.pointId ?? null,
      lock: job.lock ?? null,
      priority: job.priority ?? 0,
      is_ad_hoc: job.isAdHoc ? 1 : 0,
      parameters_json: JSON.stringify(job.parameters ?? {}),
      created_by: job.createdBy,
      created_ms: nowMs,
      due_ms: dueMs,
      started_ms: null,
      finished_ms: null,
      attempts: 0,
      attempts_allowed: job.attemptsAllowed ?? 1,
      progress_json: null,
      bytes_transferred: 0,
      warnings: 0,
      error_json: null,
      result_json: null,
      cancel_requested_ms: null,
      cancel_requested_by: null,
      epoch: null,
      lease_until_ms: null,
      retry_of: job.retryOf ?? null,
    }
    await this.#context.db.insertInto('jobs').values(row).execute()
    return present(row)
  }

  async find(id: string): Promise<Job | undefined> {
    const row = await this.#context.db.selectFrom('jobs').selectAll().where('id', '=', id).executeTakeFirst()
    return row && present(row)
  }

  async get(id: string): Promise<Job> {
    const job = await this.find(id)
    if (!job) throw notFound('job', id)
    return job
  }

  /** The newest first. */
  async list({ limit, cursor }: PageRequest, { states, ...filter }: JobFilter = {}): Promise<Page<Job>> {
    const after = readCursor<[number, string]>(cursor, ['number', 'string'])
    // One after the other, each by its index: together they would be sorted, all of a history of millions.
    const found: JobRow[] = []
    for (const state of states ?? [undefined]) found.push(...(await this.#page(limit + 1, after, { ...filter, state })))
    if (states !== undefined && states.length > 1) {
      found.sort((a, b) => b.created_ms - a.created_ms || (a.id < b.id ? 1 : -1))
      found.splice(limit + 1)
    }
    return toPage(found, limit, (row) => [row.created_ms, row.id], present)
  }

  async #page(
    limit: number,
    after: [number, string] | undefined,
    filter: Omit<JobFilter, 'states'> & { state: JobState | undefined },
  ): Promise<JobRow[]> {
    let query = this.#context.db.selectFrom('jobs').selectAll()
    if (filter.state !== undefined) query = query.where('state', '=', filter.state)
    if (filter.types !== undefined) query = query.where('type', 'in', filter.types)
    if (filter.sourceId !== undefined) query = query.where('source_id', '=', filter.sourceId)
    if (filter.groupId !== undefined) query = query.where('group_id', '=', filter.groupId)
    if (filter.agentId !== undefined) query = query.where('agent_id', '=', filter.agentId)
    if (filter.poolId !== undefined) query = query.where('pool_id', '=', filter.poolId)
    if (filter.fromMs !== undefined) query = query.where('created_ms', '>=', filter.fromMs)
    if (filter.untilMs !== undefined) query = query.where('created_ms', '<', filter.untilMs)
    if (filter.minBytes !== undefined) query = query.where('bytes_transferred', '>=', filter.minBytes)
    if (filter.isAdHoc !== undefined) query = query.where('is_ad_hoc', '=', filter.isAdHoc ? 1 : 0)
    if (filter.minElapsedMs !== undefined) {
      const { minElapsedMs } = filter
      const nowMs = this.#context.clock.nowMs()
      query = query.where((eb) => eb(eb(eb.fn.coalesce('finished_ms', eb.val(nowMs)), '-', eb.ref('started_ms')), '>=', minElapsedMs))
    }
    if (after) query = query.where((eb) => eb(eb.refTuple('created_ms', 'id'), '<', eb.tuple(...after)))
    return await query.orderBy('created_ms', 'desc').orderBy('id', 'desc').limit(limit).execute()
  }

  /** Whose time has come, and whose lock is free; the most urgent first, then the one that waits longest. */
  async ready(options: {
    readonly limit: number
    /** Passed over. */
    readonly offset?: number | undefined
    readonly types?: readonly JobType[] | undefined
  }): Promise<Job[]> {
    let query = this.#context.db
      .selectFrom('jobs')
      .selectAll()
      .where('state', 'in', ['scheduled', 'queued'])
      .where('due_ms', '<=', this.#context.clock.nowMs())
      .where('cancel_requested_ms', 'is', null)
      .where((eb) =>
        eb.or([
          eb('lock', 'is', null),
          eb.not(
            eb.exists(
              eb
                .selectFrom('jobs as holder')
                .select('holder.id')
                .whereRef('holder.lock', '=', 'jobs.lock')
                .where('holder.state', '=', IN_PROGRESS),
            ),
          ),
        ]),
      )
    if (options.types !== undefined) query = query.where('type', 'in', options.types)
    const sorted = query.orderBy('priority', 'desc').orderBy('due_ms').orderBy('id')
    const rows = await sorted
      .limit(options.limit)
      .offset(options.offset ?? 0)
      .execute()
    return rows.map(present)
  }

  /** Those whose time has come wait for their turn from now on. */
  async queueDue(): Promise<Job[]> {
    const query = this.#context.db.updateTable('jobs').set({ state: 'queued' }).where('state', '=', 'scheduled')
    return (await query.where('due_ms', '<=', this.#context.clock.nowMs()).returningAll().execute()).map(present)
  }

  /** One that waits can not run: the gate is closed, or what it is about is gone. CATALOG_STATE_CONFLICT when it does not wait. */
  async refuse(id: string, error: JobFailure): Promise<Job> {
    const row = await this.#context.db
      .updateTable('jobs')
      .set({ state: 'failed', finished_ms: this.#context.clock.nowMs(), error_json: toJson({ ...error }) })
      .where('id', '=', id)
      .where('state', 'in', ['scheduled', 'queued'])
      .returningAll()
      .executeTakeFirst()
    if (row) return present(row)
    const job = await this.get(id)
    throw catalogError('CATALOG_STATE_CONFLICT', `the job ${id} is ${job.state}`, { context: { id, state: job.state } })
  }

  /** When the next one that waits is due; undefined when none waits. */
  async nextDueMs(): Promise<number | undefined> {
    const row = await this.#context.db
      .selectFrom('jobs')
      .select((eb) => eb.fn.min<number | null>('due_ms').as('due'))
      .where('state', 'in', ['scheduled', 'queued'])
      .executeTakeFirst()
    return row?.due ?? undefined
  }

  /** Undefined when someone was quicker, it was cancelled, or its lock is taken. */
  async claim(id: string, { epoch, leaseMs }: { readonly epoch: number; readonly leaseMs: number }): Promise<Job | undefined> {
    const nowMs = this.#context.clock.nowMs()
    try {
      const row = await this.#context.db
        .updateTable('jobs')
        .set((eb) => ({
          state: 'in-progress',
          epoch,
          lease_until_ms: nowMs + leaseMs,
          started_ms: eb.fn.coalesce('started_ms', eb.val(nowMs)),
          attempts: eb('attempts', '+', 1),
          error_json: null,
        }))
        .where('id', '=', id)
        .where('state', 'in', ['scheduled', 'queued'])
        .where('cancel_requested_ms', 'is', null)
        .returningAll()
        .executeTakeFirst()
      return row && present(row)
    } catch (error) {
      if (isUniqueViolation(error)) return undefined
      throw error
    }
  }

  /** Progress extends the lease. CATALOG_JOB_FENCED. */
  async progress(
    id: string,
    epoch: number,
    report: { readonly leaseMs: number; readonly progress?: JsonObject | undefined; readonly bytesTransferred?: number | undefined },
  ): Promise<Job> {
    const { progress, bytesTransferred } = report
    return await this.#held(id, epoch, {
      lease_until_ms: this.#context.clock.nowMs() + report.leaseMs,
      ...(progress !== undefined && { progress_json: toJson(progress) }),
      ...(bytesTransferred !== undefined && { bytes_transferred: bytesTransferred }),
    })
  }

  /** CATALOG_JOB_FENCED. */
  async finish(
    id: string,
    epoch: number,
    end: {
      readonly state: FinalJobState
      readonly error?: JobFailure | undefined
      readonly result?: JsonObject | undefined
      readonly pointId?: string | undefined
      readonly warnings?: number | undefined
      readonly bytesTransferred?: number | undefined
    },
  ): Promise<Job> {
    return await this.#held(id, epoch, {
      state: end.state,
      finished_ms: this.#context.clock.nowMs(),
      lease_until_ms: null,
      error_json: toJson(end.error && { ...end.error }),
      result_json: toJson(end.result),
      ...(end.pointId !== undefined && { point_id: end.pointId }),
      ...(end.warnings !== undefined && { warnings: end.warnings }),
      ...(end.bytesTransferred !== undefined && { bytes_transferred: end.bytesTransferred }),
    })
  }

  /** Back to those that wait, for another attempt. CATALOG_JOB_FENCED. */
  async retryLater(id: string, epoch: number, { dueMs, error }: { readonly dueMs: number; readonly error: JobFailure }): Promise<Job> {
    return await this.#held(id, epoch, {
      state: 'queued',
      due_ms: dueMs,
      lease_until_ms: null,
      epoch: null,
      error_json: toJson({ ...error }),
    })
  }

  /**
   * One that waits is cancelled at once; one in progress learns of it (`cancelRequestedMs`) and ends itself. CATALOG_STATE_CONFLICT when it ended.
   */
  async cancel(id: string, by: string): Promise<Job> {
    const nowMs = this.#context.clock.nowMs()
    const waiting = await this.#context.db
      .updateTable('jobs')
      .set({ state: 'cancelled', finished_ms: nowMs, cancel_requested_ms: nowMs, cancel_requested_by: by })
      .where('id', '=', id)
      .where('state', 'in', ['scheduled', 'queued'])
      .returningAll()
      .executeTakeFirst()
    if (waiting) return present(waiting)
    const running = await this.#context.db
      .updateTable('jobs')
      .set((eb) => ({
        cancel_requested_ms: eb.fn.coalesce('cancel_requested_ms', eb.val(nowMs)),
        cancel_requested_by: eb.fn.coalesce('cancel_requested_by', eb.val(by)),
      }))
      .where('id', '=', id)
      .where('state', '=', 'in-progress')
      .returningAll()
      .executeTakeFirst()
    if (running) return present(running)
    const job = await this.get(id)
    throw catalogError('CATALOG_STATE_CONFLICT', `the job ${id} has ended: ${job.state}`, { context: { id, state: job.state } })
  }

  async inProgress(): Promise<Job[]> {
    const rows = await this.#context.db.selectFrom('jobs').selectAll().where('state', '=', 'in-progress').orderBy('started_ms').execute()
    return rows.map(present)
  }

  /** Those whose holder is gone: of an earlier epoch, or with a lease that ran out. They wait again, and nobody who held them can change them. */
  async takeBack(epoch: number): Promise<Job[]> {
    const nowMs = this.#context.clock.nowMs()
    const rows = await this.#context.db
      .updateTable('jobs')
      .set({ state: 'queued', epoch: null, lease_until_ms: null, due_ms: nowMs })
      .where('state', '=', 'in-progress')
      .where((eb) => eb.or([eb('epoch', '<', epoch), eb('lease_until_ms', '<', nowMs)]))
      .returningAll()
      .execute()
    return rows.map(present)
  }

  /** History that nobody asks for any more, with steps and logs. Returns how many. */
  async removeFinishedBefore(beforeMs: number, limit = 1000): Promise<number> {
    const old = this.#context.db
      .selectFrom('jobs')
      .select('id')
      .where('state', 'in', finalJobStates)
      .where('finished_ms', '<', beforeMs)
      .limit(limit)
    const { numDeletedRows } = await this.#context.db.deleteFrom('jobs').where('id', 'in', old).executeTakeFirst()
    return Number(numDeletedRows)
  }

  async #held(id: string, epoch: number, set: Partial<JobRow>): Promise<Job> {
    const row = await this.#context.db
      .updateTable('jobs')
      .set(set)
      .where('id', '=', id)
      .where('state', '=', 'in-progress')
      .where('epoch', '=', epoch)
      .returningAll()
      .executeTakeFirst()
    if (row) return present(row)
    const job = await this.get(id)
    throw catalogError('CATALOG_JOB_FENCED', `the job ${id} is ${job.state} and not held by epoch ${epoch}`, { context: { id, epoch } })
  }
}
