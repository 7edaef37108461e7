/** One admitted request: its key, its version, the handler, and what the handler gave as an answer. */
import { createHash } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import { canonicalJson, type IdempotencyKey, type Json, type Records } from '../../catalog/index.ts'
import { apiBase, apiHeaders, sessionCookie } from '../../wire/index.ts'
import { askForSecond, needsSecond } from '../auth/approvals/ask.ts'
import { presentApproval } from '../auth/approvals/present.ts'
import type { Caller } from '../auth/caller.ts'
import type { ServerContext } from '../context.ts'
import { serverError } from '../errors.ts'
import { sendEvents } from './event-stream.ts'
import { translate } from './problems.ts'
import { addressOf, clientOf, type Exchange, signalOf } from './request.ts'
import { isChange, type RecordedEvent, type RouteAnswer, type RouteRequest } from './route.ts'

export async function handleRoute(context: ServerContext, exchange: Exchange): Promise<unknown> {
  const key = readKey(exchange)
  if (!key) return await perform(context, exchange)
  const { idempotency } = context.catalog
  const begun = await idempotency.begin(key, requestSha256(exchange))
  if (begun === 'different') throw serverError('API_KEY_REUSED', 'this idempotency key came with another request')
  if (begun === 'running') throw serverError('API_KEY_RUNNING', 'a request with this idempotency key is not done')
  if (begun !== 'new') {
    return exchange.reply
      .code(begun.status)
      .headers(begun.headers)
      .serializer((body: unknown) => String(body))
      .send(begun.body)
  }
  try {
    const body = await perform(context, exchange)
    const { reply } = exchange
    const kept = Object.entries(reply.getHeaders()).filter(([name]) => ['location', 'etag', 'content-type'].includes(name))
    const headers = {
      'content-type': 'application/json; charset=utf-8',
      ...Object.fromEntries(kept.map(([name, value]) => [name, String(value)])),
    }
    // As the shape of the answer makes it, so that the second answer is the first.
    const text = body === undefined ? '' : reply.serializeInput(body as Record<string, unknown>, String(reply.statusCode))
    await idempotency.finish(key, { status: reply.statusCode, headers, body: String(text) })
    return body
  } catch (error) {
    // A refusal changed nothing. Of what broke we do not know that, so the key stays taken and a repetition is not carried out.
    if (translate(context.op, error).kind !== 'internal') await idempotency.abandon(key)
    throw error
  }
}

async function perform(context: ServerContext, { route, caller, request, reply }: Exchange): Promise<unknown> {
  const { op, catalog } = context
  const address = addressOf(request)
  let isRecorded = false
  const record = async (event: RecordedEvent, records: Records = catalog) => {
    isRecorded = true
    await records.audit.append({ outcome: 'done', actor: caller.actor, ...event, address })
  }
  const asked: RouteRequest<Caller, unknown, unknown, unknown> = {
    caller,
    params: request.params,
    query: request.query,
    body: request.body,
    address,
    client: clientOf(request),
    origin: `https://${request.host}`,
    expectedVersion: route.needsVersion ? readVersion(request) : 0,
    signal: signalOf(op, reply),
    record,
  }
  if (caller.kind !== 'nobody' && (await needsSecond(context, route, asked))) {
    const approval = await askForSecond(context, route, caller, asked)
    const body = { approval: await presentApproval(context, approval, route.summary) }
    const location = `${apiBase}/approvals/${approval.id}`
    return await send(context, { route, caller, request, reply }, { body, status: 202, location })
  }
  const answer = await route.handle(asked)
  if (isChange(route) && !isRecorded) await record({ action: route.name, subject: { kind: 'server', id: '' } })
  return await send(context, { route, caller, request, reply }, answer)
}

async function send(context: ServerContext, exchange: Exchange, answer: RouteAnswer<unknown>): Promise<unknown> {
  const { route, reply } = exchange
  const { version, location, cookie, file, events, text, body } = answer
  if (events) return await sendEvents(context, exchange, events)
  reply.code(answer.status ?? route.status).header('cache-control', 'no-store')
  if (version !== undefined) reply.header('etag', `"${version}"`)
  if (location !== undefined) reply.header('location', location)
  if (cookie) {
    // `__Host-`: a browser takes it only like this, and never from a neighbour.
    const attributes = { path: '/', httpOnly: true, secure: true, sameSite: 'strict' } as const
    if (cookie.value === null) reply.clearCookie(sessionCookie, attributes)
    else reply.setCookie(sessionCookie, cookie.value, { ...attributes, maxAge: Math.floor(cookie.lifeMs / 1000) })
  }
  if (file) {
    if (file.sizeBytes !== undefined) reply.header('content-length', String(file.sizeBytes))
    // Quoted text as RFC 6266 wants it, and the name as it is for those that can read it.
    const plain = file.name.replace(/[^\x20-\x7e]|["\\]/g, '_')
    reply.header('content-disposition', `attachment; filename="${plain}"; filename*=UTF-8''${encodeURIComponent(file.name)}`)
    return reply.type(file.type).send(file.content)
  }
  if (text) {
    return reply
      .type(text.type)
      .serializer((value: unknown) => String(value))
      .send(text.content)
  }
  return body ?? reply.send()
}

function readVersion(request: FastifyRequest): number {
  const match = /^(?:W\/)?"(\d{1,10})"$/.exec(request.headers['if-match'] ?? '')
  if (!match) throw serverError('API_VERSION_REQUIRED', 'the request does not say which version it changes')
  return Number(match[1])
}

function readKey({ route, caller, request }: Exchange): IdempotencyKey | undefined {
  const key = request.headers[apiHeaders.idempotencyKey]
  if (key === undefined || !route.takesKey || caller.kind === 'nobody') return undefined
  if (typeof key !== 'string' || !/^[\x21-\x7e]{1,200}$/.test(key)) {
    throw serverError('API_REQUEST_INVALID', 'an idempotency key has 1 to 200 visible ASCII characters')
  }
  return { caller: caller.account.id, key }
}

function requestSha256({ route, request }: Exchange): string {
  const body = canonicalJson((request.body ?? null) as Json)
  return createHash('sha256').update(`${route.name}\n${request.url}\n${body}`).digest('hex')
}
