/** Server-sent events: a stream that stays open, says what happens, and ends when the caller may no longer listen. */
import type { FastifyReply } from 'fastify'
import { sessionCookie } from '../../wire/index.ts'
import { reaches } from '../auth/caller.ts'
import { identify } from '../auth/identify.ts'
import type { ServerContext } from '../context.ts'
import type { ServerEvent, Subscription } from './event-hub.ts'
import { findRefusal } from './judge.ts'
import { type Exchange, signalOf } from './request.ts'

/** Less than what proxies cut off, and how long somebody who was signed out still hears. */
const BEAT_MS = 15_000

export async function sendEvents(context: ServerContext, exchange: Exchange, subscription: Subscription): Promise<FastifyReply> {
  const { caller, request, reply } = exchange
  const { op } = context
  const gone = signalOf(op, reply)
  const ended = new AbortController()
  const signal = AbortSignal.any([gone, ended.signal])
  const { raw } = reply
  reply.hijack()
  const headers = { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' }
  for (const [name, value] of Object.entries({ ...reply.getHeaders(), ...headers })) if (value !== undefined) raw.setHeader(name, value)
  raw.writeHead(200)
  // At once, so that the caller knows that it is heard.
  raw.write('retry: 3000\n\n')

  const beats = beat(context, exchange, signal, ended)
  const wants = (event: ServerEvent) => {
    // What concerns no group is for those who may know of all.
    return caller.kind !== 'nobody' && reaches(caller, event.groupId) && subscription.wants(event)
  }
  for await (const event of context.events.listen({ wants }, signal, readLastId(request.headers['last-event-id']))) {
    await write(raw, `id: ${event.id}\nevent: ${event.topic}\ndata: ${JSON.stringify(event.data)}\n\n`, signal)
  }
  ended.abort()
  await beats
  raw.end()
  return reply
}

async function beat(
  context: ServerContext,
  { route, request, reply }: Exchange,
  signal: AbortSignal,
  ended: AbortController,
): Promise<void> {
  while (!signal.aborted) {
    try {
      await context.op.clock.sleep(BEAT_MS, signal)
    } catch {
      // Woken by the end of the stream.
      return
    }
    if (signal.aborted) return
    const credentials = { authorization: request.headers.authorization, cookie: request.cookies[sessionCookie] }
    const caller = await identify(context, credentials, { isActivity: false })
    if (findRefusal(route, caller, request.headers)) return ended.abort()
    reply.raw.write(': \n\n')
  }
}

/** Waits for a listener that reads slowly. */
async function write(raw: FastifyReply['raw'], text: string, signal: AbortSignal): Promise<void> {
  if (raw.write(text) || signal.aborted) return
  await new Promise<void>((resolve) => {
    raw.once('drain', resolve)
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

function readLastId(header: string | string[] | undefined): number | undefined {
  return typeof header === 'string' && /^\d{1,15}$/.test(header) ? Number(header) : undefined
}
