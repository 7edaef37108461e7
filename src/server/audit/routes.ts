/** The audit log, for those who look after the others. */
import { fromTimestamp, toTimestamp } from '../../base/clock.ts'
import type { AuditEntry } from '../../catalog/index.ts'
import {
  type AuditDescription,
  auditEntryShape,
  auditQueryShape,
  auditVerdictShape,
  auditVerifyShape,
  pageShape,
} from '../../wire/index.ts'
import type { ServerContext } from '../context.ts'
import { auditors, type Route, route } from '../http/route.ts'

const tag = 'Audit log'
const access = { who: 'roles', roles: auditors, scope: 'server' } as const

export function auditRoutes({ catalog }: ServerContext): Route[] {
  return [
    route({
      method: 'GET',
      path: '/audit',
      name: 'audit.list',
      summary: 'Who did what, the newest first.',
      tag,
      access,
      query: auditQueryShape,
      answer: pageShape(auditEntryShape),
      async handle({ query: { actor, action, from, until, ...page } }) {
        const filter = { actorId: actor, action, fromMs: from && fromTimestamp(from), untilMs: until && fromTimestamp(until) }
        const found = await catalog.audit.list(page, {
          ...filter,
          fromMs: filter.fromMs || undefined,
          untilMs: filter.untilMs || undefined,
        })
        return { body: { ...found, items: found.items.map(present) } }
      },
    }),
    route({
      method: 'POST',
      path: '/audit/verify',
      name: 'audit.verify',
      summary: 'Whether every entry is as it was written, and, with an anchor that was noted earlier, whether the end is still there.',
      tag,
      access,
      body: auditVerifyShape,
      answer: auditVerdictShape,
      takesKey: false,
      async handle({ body, record }) {
        const { entries, head, broken } = await catalog.audit.verify(body.anchor)
        await record({ action: 'audit.verify', subject: { kind: 'server', id: '' }, details: { entries, broken: broken?.sequence } })
        return { body: { entries, head: { ...head }, ...(broken && { broken: { ...broken } }) } }
      },
    }),
  ]
}

function present({ atMs, ...entry }: AuditEntry): AuditDescription {
  return { ...entry, actor: { ...entry.actor }, subject: { ...entry.subject }, at: toTimestamp(atMs), details: { ...entry.details } }
}
