/** Server-sent events: a stream that stays open, says what happens, and ends when the caller may no longer listen, does not read, or the server stops. */
import type { FastifyReply } from 'fastify'
import { sessionCookie } from '../../wire/index.ts'
import { reaches } from '../auth/caller.ts'
import { identify } from '../auth/identify.ts'
import type { ServerContext } from '../context.ts'
import { serverError } from '../errors.ts'
import type { ServerEvent, Subscription } from './event-hub.ts'
import { findRefusal } from './judge.ts'
import { type Exchange, signalOf } from './request.ts'

/** Less than what proxies cut off. */
const BEAT_MS = 15_000
/** How long somebody who was signed out may still hear. */
const LOOK_EVERY_MS = 3000
/** Of one account at the same time. */
const MOST_STREAMS = 32
const streams = new WeakMap<ServerContext, Map<string, number>>()

/** API_TOO_MANY_STREAMS. */
export async function sendEvents(context: ServerContext, exchange: Exchange, subscription: Subscription): Promise<FastifyReply> {
  const { caller, request, reply } = exchange
  const done = countStream(context, caller.kind === 'nobody' ? '' : caller.account.id)
  try {
    const gone = signalOf(context.op, reply)
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
    const hangUp = () => {
      ended.abort()
      // What it was sent and did not read is not waited for.
      raw.destroy()
    }
    for await (const event of context.events.listen({ wants }, signal, readLastId(request.headers['last-event-id']), hangUp)) {
      await write(raw, `id: ${event.id}\nevent: ${event.topic}\ndata: ${JSON.stringify(event.data)}\n\n`, signal)
    }
    ended.abort()
    await beats
    raw.end()
    return reply
  } finally {
    done()
  }
}

function countStream(context: ServerContext, accountId: string): () => void {
  const counts = streams.get(context) ?? new Map<string, number>()
  streams.set(context, counts)
  const count = (counts.get(accountId) ?? 0) + 1
  if (count > MOST_STREAMS) throw serverError('API_TOO_MANY_STREAMS', `this account listens to ${MOST_STREAMS} streams of events already`)
  counts.set(accountId, count)
  return () => {
    const left = (counts.get(accountId) ?? 1) - 1
    if (left === 0) counts.delete(accountId)
    else counts.set(accountId, left)
  }
}

/** A sign of life now and then, and a look whether the caller may still listen more often. */
async function beat(
  context: ServerContext,
  { route, request, reply }: Exchange,
  signal: AbortSignal,
  ended: AbortController,
): Promise<void> {
  const { clock } = context.op
  for (let beatMs = clock.monotonicMs() + BEAT_MS; !signal.aborted; ) {
    try {
      await clock.sleep(LOOK_EVERY_MS, signal)
    } catch {
      // Woken by the end of the stream.
      return
    }
    if (signal.aborted) return
    const credentials = { authorization: request.headers.authorization, cookie: request.cookies[sessionCookie] }
    const caller = await identify(context, credentials, { isActivity: false }).catch(() => undefined)
    if (caller === undefined || findRefusal(route, caller, request.headers)) return ended.abort()
    if (clock.monotonicMs() < beatMs) continue
    reply.raw.write(': \n\n')
    beatMs = clock.monotonicMs() + BEAT_MS
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

function readLastId(header: string | string[] | undefined): string | undefined {
  return typeof header === 'string' && /^[0-9a-f]{1,32}\.\d{1,15}$/.test(header) ? header : undefined
}
