/** A job as it is told to those who listen: enough to update a line of a list. */
import { toTimestamp } from '../../base/clock.ts'
import type { Job, JsonObject } from '../../catalog/index.ts'

export function summaryOf(job: Job): JsonObject {
  return {
    id: job.id,
    type: job.type,
    state: job.state,
    ...(job.sourceId !== undefined && { sourceId: job.sourceId }),
    ...(job.groupId !== undefined && { groupId: job.groupId }),
    ...(job.agentId !== undefined && { agentId: job.agentId }),
    ...(job.startedMs !== undefined && { started: toTimestamp(job.startedMs) }),
    ...(job.finishedMs !== undefined && { finished: toTimestamp(job.finishedMs) }),
    ...(job.progress !== undefined && { progress: job.progress }),
    bytesTransferred: job.bytesTransferred,
    warnings: job.warnings,
    ...(job.error !== undefined && { error: { code: job.error.code, message: job.error.message } }),
    ...(job.cancelRequestedMs !== undefined && { isCancelling: true }),
  }
}
