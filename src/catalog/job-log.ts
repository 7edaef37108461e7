/** What a job did: its steps, which nest, and its log. */
import type { CatalogContext } from './context.ts'
import { fromJsonOr, type JsonObject, toJson } from './json.ts'
import { type Page, type PageRequest, readCursor, toPage } from './paging.ts'
import type { LogLevel } from './states.ts'
import type { JobStepRow } from './tables.ts'

export interface JobStep {
  readonly id: number
  readonly parentId: number | undefined
  readonly name: string
  readonly state: JobStepRow['state']
  readonly startedMs: number
  readonly finishedMs: number | undefined
  readonly details: JsonObject | undefined
}

export interface LogLine {
  readonly id: number
  readonly stepId: number | undefined
  readonly atMs: number
  readonly level: LogLevel
  readonly code: string | undefined
  readonly message: string
  readonly item: string | undefined
}

export interface NewLogLine {
  readonly level: LogLevel
  readonly message: string
  readonly code?: string | undefined
  readonly item?: string | undefined
  readonly stepId?: number | undefined
}

export class JobLog {
  readonly #context: CatalogContext

  constructor(context: CatalogContext) {
    this.#context = context
  }

  /** Returns its id. */
  async startStep(jobId: string, name: string, parentId?: number): Promise<number> {
    const row = { job_id: jobId, parent_id: parentId ?? null, name, state: 'in-progress' as const, finished_ms: null, details_json: null }
    const { id } = await this.#context.db
      .insertInto('job_steps')
      .values({ ...row, started_ms: this.#context.clock.nowMs() })
      .returning('id')
      .executeTakeFirstOrThrow()
    return id
  }

  async endStep(stepId: number, state: 'completed' | 'failed' | 'cancelled', details?: JsonObject): Promise<void> {
    await this.#context.db
      .updateTable('job_steps')
      .set({ state, finished_ms: this.#context.clock.nowMs(), details_json: toJson(details) })
      .where('id', '=', stepId)
      .execute()
  }

  /** Those that were not ended when their server died. */
  async endOpenSteps(jobId: string, state: 'failed' | 'cancelled'): Promise<void> {
    await this.#context.db
      .updateTable('job_steps')
      .set({ state, finished_ms: this.#context.clock.nowMs() })
      .where('job_id', '=', jobId)
      .where('state', '=', 'in-progress')
      .execute()
  }

  /** In the order in which they began. */
  async steps(jobId: string): Promise<JobStep[]> {
    const rows = await this.#context.db.selectFrom('job_steps').selectAll().where('job_id', '=', jobId).orderBy('id').execute()
    return rows.map((row) => ({
      id: row.id,
      parentId: row.parent_id ?? undefined,
      name: row.name,
      state: row.state,
      startedMs: row.started_ms,
      finishedMs: row.finished_ms ?? undefined,
      details: fromJsonOr<JsonObject, undefined>(row.details_json, undefined),
    }))
  }

  /** In one statement, since a commit costs a sync. */
  async write(jobId: string, lines: readonly NewLogLine[]): Promise<void> {
    if (lines.length === 0) return
    const atMs = this.#context.clock.nowMs()
    const rows = lines.map(({ level, message, code, item, stepId }) => ({
      job_id: jobId,
      step_id: stepId ?? null,
      at_ms: atMs,
      level,
      code: code ?? null,
      message,
      item: item ?? null,
    }))
    await this.#context.db.insertInto('job_log').values(rows).execute()
  }

  /** The oldest first; asked again with the last cursor, what came since. */
  async read(jobId: string, { limit, cursor }: PageRequest): Promise<Page<LogLine>> {
    const after = readCursor<[number]>(cursor, ['number'])
    const rows = await this.#context.db
      .selectFrom('job_log')
      .selectAll()
      .where('job_id', '=', jobId)
      .where('id', '>', after?.[0] ?? 0)
      .orderBy('id')
      .limit(limit + 1)
      .execute()
    return toPage(
      rows,
      limit,
      (row) => [row.id],
      (row) => ({
        id: row.id,
        stepId: row.step_id ?? undefined,
        atMs: row.at_ms,
        level: row.level,
        code: row.code ?? undefined,
        message: row.message,
        item: row.item ?? undefined,
      }),
    )
  }
}
