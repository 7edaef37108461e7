/** The ledger, what a policy would come to, and the maintenance that people start by hand. */
import { z } from 'zod'
import { toTimestamp } from '../../base/clock.ts'
import type { Deletion } from '../../catalog/index.ts'
import { explainWhy } from '../../protection/index.ts'
import { deletionQueryShape, deletionShape, idShape, jobDescriptionShape, pageShape, simulatedDayShape } from '../../wire/index.ts'
import type { ServerContext } from '../context.ts'
import { administrators, guardians, type Route, route, viewers } from '../http/route.ts'
import type { JobPresenter } from '../jobs/present.ts'
import type { Ledger } from './ledger.ts'
import type { Maintenance } from './maintenance.ts'
import type { Retention } from './retention.ts'
import { simulate, simulationShape } from './simulation.ts'

const tag = 'Retention'
const read = { who: 'roles', roles: viewers, scope: 'server' } as const

export interface RetentionRouteParts {
  readonly context: ServerContext
  readonly retention: Retention
  readonly ledger: Ledger
  readonly maintenance: Maintenance
  readonly jobs: JobPresenter
}

export function retentionRoutes({ context, retention, ledger, maintenance, jobs }: RetentionRouteParts): Route[] {
  const { catalog } = context
  return [
    route({
      method: 'GET',
      path: '/retention/ledger',
      name: 'retention.ledger',
      summary: 'What will go, why, when, and about how many bytes that frees; the next first.',
      tag,
      access: read,
      query: deletionQueryShape,
      answer: pageShape(deletionShape),
      async handle({ query: { source, state, ...page } }) {
        const list = await catalog.deletions.list(page, { sourceId: source, states: state === undefined ? ['held', 'due'] : [state] })
        return { body: { ...list, items: list.items.map(presentDeletion) } }
      },
    }),
    route({
      method: 'POST',
      path: '/retention/approve',
      name: 'retention.approve',
      summary: 'Agree to deletions that wait for a person. They go after the cool-off.',
      tag,
      access: { who: 'roles', roles: guardians, scope: 'server', stepUp: true },
      needsSecond: true,
      body: z.strictObject({ deletions: z.array(idShape).min(1).max(10_000) }),
      async handle({ body, caller, record }) {
        await ledger.approve(body.deletions, caller.account.id)
        await record({ action: 'retention.approve', subject: { kind: 'server', id: '' }, details: { deletions: body.deletions } })
        return {}
      },
    }),
    route({
      method: 'POST',
      path: '/retention/thaw',
      name: 'retention.thaw',
      summary: 'Say that the clock is right after it jumped: deletions go on.',
      tag,
      access: { who: 'roles', roles: guardians, scope: 'server', stepUp: true },
      needsSecond: true,
      async handle({ record }) {
        await retention.clock.clear()
        await record({ action: 'retention.thaw', subject: { kind: 'server', id: '' } })
        return {}
      },
    }),
    route({
      method: 'POST',
      path: '/retention/simulate',
      name: 'retention.simulate',
      summary: 'What a policy comes to, day by day. Nothing is changed.',
      tag,
      access: read,
      body: simulationShape,
      status: 200,
      answer: z.object({ days: z.array(simulatedDayShape) }),
      takesKey: false,
      async handle({ body, record }) {
        const { timeZone, days: simulated } = await simulate(context, retention, body)
        await record({ action: 'retention.simulate', subject: { kind: 'server', id: '' } })
        return {
          body: {
            days: simulated.map(({ date, made, kept, needsPerson, expired }) => ({
              date,
              made,
              kept: kept.length,
              needsPerson,
              expired: expired.map(({ point, why }) => ({ at: toTimestamp(point.createdMs), why: explainWhy(why, timeZone) })),
            })),
          },
        }
      },
    }),
    route({
      method: 'POST',
      path: '/pools/:id/maintenance',
      name: 'pool.maintain',
      summary: 'Expire, prune, verify or check one pool volume now.',
      tag,
      access: { who: 'roles', roles: administrators, scope: 'server' },
      params: z.object({ id: idShape }),
      body: z.strictObject({
        what: z.enum(['expire-points', 'prune', 'pool-verify', 'catalog-check']),
        readData: z.boolean().default(false),
      }),
      status: 202,
      answer: jobDescriptionShape,
      async handle({ params: { id }, body, caller, record }) {
        const pool = await catalog.pools.get(id)
        const job = await maintenance.request(body.what, pool.id, caller.account.id, { readData: body.readData })
        await record({ action: 'pool.maintain', subject: { kind: 'pool', id }, details: { what: body.what, job: job.id } })
        return { body: await jobs.present(job), location: `/api/v1/jobs/${job.id}` }
      },
    }),
  ]
}

function presentDeletion({ decidedMs, dueMs, endedMs, endedBy: _, details: __, ...rest }: Deletion) {
  return {
    ...rest,
    decided: toTimestamp(decidedMs),
    due: toTimestamp(dueMs),
    ...(endedMs !== undefined && { ended: toTimestamp(endedMs) }),
  }
}
