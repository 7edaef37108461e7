/** Alerts over the API. Live: `/events?topics=alert`. */
import { z } from 'zod'
import type { Alert, Catalog } from '../../catalog/index.ts'
import { alertDescriptionShape, alertQueryShape, idShape, pageShape } from '../../wire/index.ts'
import type { ServerContext } from '../context.ts'
import { applyEvent } from '../groups/source-state.ts'
import { operators, type Route, route, viewers } from '../http/route.ts'
import { type AlertDesk, describeAlert } from './alert-desk.ts'

const tag = 'Alerts'
const params = z.object({ id: idShape })

export function alertRoutes({ catalog }: ServerContext, alerts: AlertDesk): Route[] {
  return [
    route({
      method: 'GET',
      path: '/alerts',
      name: 'alert.list',
      summary: 'Alerts that last, the newest first; or those of the last 30 days.',
      tag,
      access: { who: 'roles', roles: viewers, scope: 'server' },
      query: alertQueryShape,
      answer: pageShape(alertDescriptionShape),
      async handle({ query: { state, severity, ...page } }) {
        const states =
          state === 'open' ? (['active', 'action-in-progress'] as const) : state === 'inactive' ? (['inactive'] as const) : undefined
        const list = await catalog.alerts.list(page, { states, ...(severity && { severities: [severity] }) })
        return { body: { ...list, items: list.items.map(describeAlert) } }
      },
    }),
    route({
      method: 'POST',
      path: '/alerts/:id/put-away',
      name: 'alert.put-away',
      summary: 'Put an alert away. Nothing is mended by that, but a replica counts as OK again (3610).',
      tag,
      access: { who: 'roles', roles: operators, scope: 'server' },
      params,
      status: 200,
      answer: alertDescriptionShape,
      async handle({ params: { id }, caller, record }) {
        const alert = await alerts.putAway(id, caller.account.id)
        await settleSource(catalog, alert)
        await record({ action: 'alert.put-away', subject: alert.subject, details: { code: alert.code, domainCode: 3610 } })
        return { body: describeAlert(alert) }
      },
    }),
  ]
}

/** As the domain has it: who inactivates "replica is inconsistent" says that it is none. */
async function settleSource(catalog: Catalog, alert: Alert): Promise<void> {
  if (alert.code !== 'replica-inconsistent') return
  const source = await catalog.sources.find(alert.subject.id)
  if (source?.state !== 'inconsistent') return
  const checking = await applyEvent(catalog, source, 'start-check', source.cause)
  await applyEvent(catalog, checking, 'succeed')
}
