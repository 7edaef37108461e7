/** Channels of notification over the API (§5.5). Secrets go in and never come out. */
import { z } from 'zod'
import { toTimestamp } from '../../base/clock.ts'
import { type Channel, catalogError } from '../../catalog/index.ts'
import { channelInputShape, channelShape, deliveryShape, idShape } from '../../wire/index.ts'
import type { ServerContext } from '../context.ts'
import { administrators, type Route, route } from '../http/route.ts'
import { asJson } from '../settings/setting.ts'
import { alertError } from './errors.ts'
import type { Notifier } from './notifier.ts'

const tag = 'Notifications'
const access = { who: 'roles', roles: administrators, scope: 'server' } as const
const params = z.object({ id: idShape })
type ChannelInput = z.infer<typeof channelInputShape>

export function channelRoutes({ catalog, sealer }: ServerContext, notifier: Notifier): Route[] {
  const seal = (secret: string | undefined) => (secret === undefined ? undefined : sealer.seal(Buffer.from(secret), 'channel'))
  const valuesOf = ({ name, options, severities, isEnabled }: ChannelInput) => ({
    name,
    options: asJson(options) as Record<string, never>,
    severities,
    isEnabled,
  })
  const check = (input: ChannelInput, known?: Channel) => {
    const needsSecret = input.kind === 'webhook' || (input.kind === 'smtp' && input.options.user !== undefined)
    if (needsSecret && input.secret === undefined && !known?.secretSealed)
      throw alertError('CHANNEL_SECRET_MISSING', 'the channel needs a secret')
  }
  return [
    route({
      method: 'GET',
      path: '/channels',
      name: 'channel.list',
      summary: 'Channels of notification.',
      tag,
      access,
      answer: z.object({ items: z.array(channelShape) }),
      handle: async () => ({ body: { items: (await catalog.channels.all()).map(present) } }),
    }),
    route({
      method: 'POST',
      path: '/channels',
      name: 'channel.create',
      summary: 'Notify over another channel: mail, webhook, or a sign of life to who notices when it stops.',
      tag,
      access,
      body: channelInputShape,
      status: 201,
      answer: channelShape,
      takesKey: false,
      async handle({ body, record }) {
        check(body)
        const made = await catalog.channels.create({ ...valuesOf(body), kind: body.kind, secretSealed: seal(body.secret) })
        await record({
          action: 'channel.create',
          subject: { kind: 'settings', id: made.id },
          details: { name: made.name, kind: made.kind },
        })
        notifier.wake()
        return { body: present(made), version: made.version }
      },
    }),
    route({
      method: 'PUT',
      path: '/channels/:id',
      name: 'channel.change',
      summary: 'Change a channel; its secret stays where none is given.',
      tag,
      access,
      params,
      body: channelInputShape,
      answer: channelShape,
      needsVersion: true,
      needsSecond: async ({ params: { id }, body }) => silences(await catalog.channels.get(id), body),
      async handle({ params: { id }, body, expectedVersion, record }) {
        const before = await catalog.channels.get(id)
        if (before.kind !== body.kind) throw alertError('CHANNEL_KIND_FIXED', `the channel is of kind ${before.kind}`)
        check(body, before)
        const after = await catalog.channels.replace(id, { ...valuesOf(body), secretSealed: seal(body.secret) }, expectedVersion)
        await record({ action: 'channel.change', subject: { kind: 'settings', id }, details: { name: after.name } })
        notifier.wake()
        return { body: present(after), version: after.version }
      },
    }),
    route({
      method: 'DELETE',
      path: '/channels/:id',
      name: 'channel.remove',
      summary: 'Remove a channel, with what waits to be sent over it.',
      tag,
      access,
      params,
      needsSecond: async ({ params: { id } }) => (await catalog.channels.get(id)).isEnabled,
      async handle({ params: { id }, record }) {
        const { name } = await catalog.channels.get(id)
        await catalog.channels.remove(id)
        await record({ action: 'channel.remove', subject: { kind: 'settings', id }, details: { name } })
        return {}
      },
    }),
    route({
      method: 'POST',
      path: '/channels/:id/test',
      name: 'channel.test',
      summary: 'Send a test message now.',
      tag,
      access,
      params,
      async handle({ params: { id }, record }) {
        await notifier.test(await catalog.channels.get(id))
        await record({ action: 'channel.test', subject: { kind: 'settings', id } })
        return {}
      },
    }),
    route({
      method: 'GET',
      path: '/channels/:id/deliveries',
      name: 'channel.deliveries',
      summary: 'What was sent over a channel, or waits to be, the newest first.',
      tag,
      access,
      params,
      answer: z.object({ items: z.array(deliveryShape) }),
      async handle({ params: { id } }) {
        await catalog.channels.get(id).catch(() => {
          throw catalogError('CATALOG_RECORD_NOT_FOUND', `there is no channel ${id}`)
        })
        const items = (await catalog.deliveries.latest(id, 100)).map(
          ({ id: delivery, event, state, attempts, createdMs, endedMs, lastError }) => ({
            id: delivery,
            event,
            state,
            attempts,
            created: toTimestamp(createdMs),
            ...(endedMs !== undefined && { ended: toTimestamp(endedMs) }),
            lastError,
          }),
        )
        return { body: { items } }
      },
    }),
  ]
}

/** Somebody who is told now would not be told any more. A channel that is switched off tells nobody. */
function silences(before: Channel, after: ChannelInput): boolean {
  if (!before.isEnabled) return false
  const isSameWay = JSON.stringify(asJson(before.options)) === JSON.stringify(asJson(after.options))
  return !after.isEnabled || !isSameWay || before.severities.some((severity) => !after.severities.includes(severity))
}

function present({ id, kind, name, options, secretSealed, severities, isEnabled, version }: Channel) {
  return { id, kind, name, options: { ...options }, hasSecret: secretSealed !== undefined, severities: [...severities], isEnabled, version }
}
