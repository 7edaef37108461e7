/** What a job is, outside of the database. */
import type { JobState, JobType } from '../protection/index.ts'
import { fromJson, fromJsonOr, type JsonObject } from './json.ts'
import type { JobRow } from './tables.ts'

export interface JobFailure {
  readonly code: string
  readonly message: string
  readonly hint: string
  readonly domainCode?: number | undefined
  readonly context?: JsonObject | undefined
}

export interface Job {
  readonly id: string
  readonly type: JobType
  readonly state: JobState
  readonly sourceId: string | undefined
  readonly groupId: string | undefined
  readonly agentId: string | undefined
  readonly poolId: string | undefined
  readonly pointId: string | undefined
  readonly lock: string | undefined
  readonly priority: number
  readonly isAdHoc: boolean
  readonly parameters: JsonObject
  readonly createdBy: string
  readonly createdMs: number
  /** Not before. */
  readonly dueMs: number
  readonly startedMs: number | undefined
  readonly finishedMs: number | undefined
  readonly attempts: number
  readonly attemptsAllowed: number
  readonly progress: JsonObject | undefined
  readonly bytesTransferred: number
  readonly warnings: number
  /** Of the last attempt. */
  readonly error: JobFailure | undefined
  readonly result: JsonObject | undefined
  readonly cancelRequestedMs: number | undefined
  readonly cancelRequestedBy: string | undefined
  readonly epoch: number | undefined
  readonly leaseUntilMs: number | undefined
  readonly retryOf: string | undefined
}

export interface NewJob {
  readonly type: JobType
  readonly sourceId?: string | undefined
  readonly groupId?: string | undefined
  readonly agentId?: string | undefined
  readonly poolId?: string | undefined
  readonly pointId?: string | undefined
  /** `source:ID` for what needs the replica for itself; undefined for what is in nobody's way. */
  readonly lock?: string | undefined
  /** Higher is earlier; 0 is usual. */
  readonly priority?: number | undefined
  readonly isAdHoc?: boolean | undefined
  readonly parameters?: JsonObject | undefined
  readonly createdBy: string
  readonly dueMs?: number | undefined
  readonly attemptsAllowed?: number | undefined
  readonly retryOf?: string | undefined
}

export interface JobFilter {
  readonly states?: readonly JobState[] | undefined
  readonly types?: readonly JobType[] | undefined
  readonly sourceId?: string | undefined
  readonly groupId?: string | undefined
  readonly agentId?: string | undefined
  readonly poolId?: string | undefined
  readonly fromMs?: number | undefined
  readonly untilMs?: number | undefined
  readonly minElapsedMs?: number | undefined
  readonly minBytes?: number | undefined
  readonly isAdHoc?: boolean | undefined
}

export function present(row: JobRow): Job {
  return {
    id: row.id,
    type: row.type,
    state: row.state,
    sourceId: row.source_id ?? undefined,
    groupId: row.group_id ?? undefined,
    agentId: row.agent_id ?? undefined,
    poolId: row.pool_id ?? undefined,
    pointId: row.point_id ?? undefined,
    lock: row.lock ?? undefined,
    priority: row.priority,
    isAdHoc: row.is_ad_hoc === 1,
    parameters: fromJson(row.parameters_json),
    createdBy: row.created_by,
    createdMs: row.created_ms,
    dueMs: row.due_ms,
    startedMs: row.started_ms ?? undefined,
    finishedMs: row.finished_ms ?? undefined,
    attempts: row.attempts,
    attemptsAllowed: row.attempts_allowed,
    progress: fromJsonOr<JsonObject, undefined>(row.progress_json, undefined),
    bytesTransferred: row.bytes_transferred,
    warnings: row.warnings,
    error: fromJsonOr<JobFailure, undefined>(row.error_json, undefined),
    result: fromJsonOr<JsonObject, undefined>(row.result_json, undefined),
    cancelRequestedMs: row.cancel_requested_ms ?? undefined,
    cancelRequestedBy: row.cancel_requested_by ?? undefined,
    epoch: row.epoch ?? undefined,
    leaseUntilMs: row.lease_until_ms ?? undefined,
    retryOf: row.retry_of ?? undefined,
  }
}
