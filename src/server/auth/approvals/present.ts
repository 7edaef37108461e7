/** What leaves of an act that waits for a second person: all of it, since nobody can agree to what is not shown; save secrets, which are shown to be there. */
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
    request: {
      ...(params !== undefined && { params }),
      ...(query !== undefined && { query }),
      ...(body !== undefined && { body: masked(body) }),
    },
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

const SECRETS = new Set(['secret', 'password', 'newPassword', 'passphrase', 'totp', 'recoveryCode', 'token'])
const MASK = '(given, not shown)'

/** Auditors see requests too. What a person types so that the server knows it, nobody has to read in order to agree. */
function masked(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(masked)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => [name, SECRETS.has(name) && typeof each === 'string' ? MASK : masked(each)]),
  )
}
