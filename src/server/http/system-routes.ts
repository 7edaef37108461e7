/** How the server is, for those who watch it; and what happens, as it happens. */
import { z } from 'zod'
import type { ServerContext } from '../context.ts'
import { everyRole, type Route, route, viewers } from './route.ts'

const tag = 'Server'

/** Why the server is not ready to work; empty: it is. */
export type ReadinessCheck = () => Promise<readonly string[]>

export function systemRoutes(context: ServerContext, isReady: ReadinessCheck): Route[] {
  return [
    route({
      method: 'GET',
      path: '//healthz',
      name: 'server.health',
      summary: 'The server runs and answers.',
      tag,
      access: { who: 'anybody' },
      answer: z.object({ status: z.literal('ok') }),
      handle: async () => ({ body: { status: 'ok' as const } }),
    }),
    route({
      method: 'GET',
      path: '//readyz',
      name: 'server.ready',
      summary: 'Whether the server can do its work; 503 when not. Why not is told to who is signed in.',
      tag,
      access: { who: 'anybody' },
      answer: z.object({ status: z.literal(['ready', 'not-ready']), reasons: z.array(z.string()) }),
      async handle({ caller }) {
        const reasons = await isReady()
        const isReadyNow = reasons.length === 0
        const told = caller.kind === 'nobody' ? [] : [...reasons]
        const status = isReadyNow ? ('ready' as const) : ('not-ready' as const)
        return { body: { status, reasons: told }, ...(!isReadyNow && { status: 503 }) }
      },
    }),
    route({
      method: 'GET',
      path: '//metrics',
      name: 'server.metrics',
      summary: 'Metrics for Prometheus.',
      tag,
      access: { who: 'roles', roles: everyRole, scope: 'server' },
      stream: 'text',
      contentType: 'text/plain',
      async handle() {
        const content = await context.metrics.collect()
        return { text: { type: context.metrics.registry.contentType, content } }
      },
    }),
    route({
      method: 'GET',
      path: '/version',
      name: 'server.version',
      summary: 'Which Terp this is.',
      tag,
      access: { who: 'roles', roles: everyRole, scope: 'groups' },
      answer: z.object({ version: z.string(), apiVersion: z.literal(1) }),
      handle: async () => ({ body: { version: context.version, apiVersion: 1 as const } }),
    }),
    route({
      method: 'GET',
      path: '/events',
      name: 'event.listen',
      summary: 'What happens, as server-sent events: jobs and alerts, by topics. After a break, with Last-Event-ID, what was missed.',
      tag,
      access: { who: 'roles', roles: viewers, scope: 'groups' },
      query: z.object({
        topics: z
          .string()
          .regex(/^[a-z-]+(,[a-z-]+)*$/)
          .max(200)
          .optional(),
      }),
      stream: 'events',
      async handle({ query }) {
        const topics = query.topics?.split(',')
        return { events: { wants: ({ topic }) => topics === undefined || topics.includes(topic) } }
      },
    }),
  ]
}
