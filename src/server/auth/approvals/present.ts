/** What leaves of an act that waits for a second person: all of it, since nobody can agree to what is not shown. */
import { toTimestamp } from '../../../base/clock.ts'
import type { Approval } from '../../../catalog/index.ts'
import type { ApprovalDescription } from '../../../wire/index.ts'
import type { ServerContext } from '../../context.ts'
import { openRequest } from './ask.ts'

export async function presentApproval(context: ServerContext, approval: Approval, summary: string): Promise<ApprovalDescription> {
  const { catalog, op } = context
  const person = async (id: string) => ({ id, name: (await catalog.accounts.find(id))?.name ?? '' })
  const { params, query, body } = openRequest(context, approval)
  const isOver = approval.state === 'waiting' && approval.expiresMs <= op.clock.nowMs()
  return {
    id: approval.id,
    act: approval.act,
    summary,
    request: { ...(params !== undefined && { params }), ...(query !== undefined && { query }), ...(body !== undefined && { body }) },
    requestedBy: await person(approval.requestedBy),
    requested: toTimestamp(approval.requestedMs),
    expires: toTimestamp(approval.expiresMs),
    state: isOver ? 'expired' : approval.state,
    ...(approval.decidedBy !== undefined && { decidedBy: await person(approval.decidedBy) }),
    ...(approval.decidedMs !== undefined && { decided: toTimestamp(approval.decidedMs) }),
    ...(approval.reason !== undefined && { reason: approval.reason }),
    ...(approval.failureCode !== undefined && { failureCode: approval.failureCode }),
  }
}
