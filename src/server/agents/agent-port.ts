/** The port on which agents call: TLS 1.3 with a certificate on both sides, and the routes of docs/protocol.md. It knows no people and no passwords. */
import { constants, createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import type { z } from 'zod'
import { letOthersRun, toTimestamp } from '../../base/clock.ts'
import { baseError, TerpError } from '../../base/errors.ts'
import type { Operation } from '../../base/operation.ts'
import { randomHex } from '../../base/random.ts'
import { type ByteRange, checkObjectName, type ObjectInfo, type ObjectStore, storageError } from '../../storage/index.ts'
import {
  AGENT_PROTOCOLS,
  agentHeaders,
  agentLimits,
  agentPaths,
  enrolmentShape,
  eventsShape,
  firstIssue,
  helloShape,
  idShape,
  listQueryShape,
  openSessionShape,
  pollShape,
  problemType,
  replyShape,
  sha256Hex,
  toProblem,
} from '../../wire/index.ts'
import { serverError } from '../errors.ts'
import { AgentGuard, type Asker, clientKey, keyOf } from './authentication.ts'
import type { AgentDesk } from './desk.ts'
import { agentError } from './errors.ts'
import { readBody } from './read-body.ts'
import { AgentSessions } from './sessions.ts'
import { UploadBudget, type UploadShare } from './upload-budget.ts'

export interface AgentPortOptions {
  readonly desk: AgentDesk
  /** PEM. */
  readonly certificate: string
  readonly privateKey: string
  readonly version: string
  /** Of bodies that are being sent or worked on, of all agents together. */
  readonly uploadBytes?: number
}

const OCTETS = 'application/octet-stream'
const ASKER = 'asker'
const ANSWER = 'answer'
const SHARE = 'share'
/** Half a dozen packs: more than the threads that open them have at a time. */
const UPLOAD_BYTES = 192 * 1024 * 1024
/** Longer than an agent keeps an idle connection, so that it is never the server who lets go first. */
const KEEP_ALIVE_MS = 120_000
/** A pack of an agent that may use 10 kB a second takes half an hour. Who speaks is judged by the headers, which have a minute. */
const REQUEST_TIMEOUT_MS = 2 * 3_600_000
const HASHED_AT_ONCE = 4 * 1024 * 1024
/** Of who is not known yet. */
const ENROLMENT_BYTES = 65_536
const ENROLMENT_MS = 30_000

const STATUS = {
  invalid: 400,
  'not-found': 404,
  conflict: 409,
  locked: 423,
  unauthenticated: 401,
  forbidden: 403,
  unavailable: 503,
  exhausted: 507,
  // Of what was sent, not of what is stored: the pool's own damage is told as such by its code.
  corrupt: 422,
  cancelled: 503,
  internal: 500,
} as const

export interface AgentPort {
  readonly app: FastifyInstance
  readonly sessions: AgentSessions
  readonly uploads: UploadBudget
}

export function makeAgentPort(op: Operation, options: AgentPortOptions): AgentPort {
  const { desk, certificate, privateKey, version, uploadBytes = UPLOAD_BYTES } = options
  const uploads = new UploadBudget(uploadBytes)
  const sessions = new AgentSessions(desk, op.clock, op.random)
  const guard = new AgentGuard(desk, op.clock)
  const app = fastify({
    https: {
      cert: certificate,
      key: privateKey,
      minVersion: 'TLSv1.3',
      // Agents are known by their keys, which no authority signs; who brings none is refused by `guard`.
      requestCert: true,
      rejectUnauthorized: false,
      secureOptions: constants.SSL_OP_NO_TICKET,
      sessionTimeout: 1,
    },
    logger: false,
    bodyLimit: agentLimits.jsonBytes,
    exposeHeadRoutes: false,
    genReqId: () => randomHex(op.random, 8),
    forceCloseConnections: true,
    keepAliveTimeout: KEEP_ALIVE_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    frameworkErrors: (error, request, reply) => answerProblem(op, error, request, reply),
  }) as unknown as FastifyInstance
  app.setErrorHandler((error, request, reply) => answerProblem(op, error, request, reply))
  app.setNotFoundHandler(() => {
    throw agentError('AGENT_ROUTE_NOT_FOUND', 'there is nothing at this path for this method')
  })
  // As bytes, because a signature covers bytes.
  app.removeAllContentTypeParsers()
  for (const type of [OCTETS, 'application/json'])
    app.addContentTypeParser(type, { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
  for (const name of [ASKER, ANSWER, SHARE]) app.decorateRequest(name)

  const hurry = async (request: FastifyRequest) => hurryUp(op, request.raw)
  app.post(agentPaths.enrolments, { bodyLimit: ENROLMENT_BYTES, onRequest: hurry }, async (request, reply) => {
    const { protocols, ...enrolment } = read(bodyOf(request), enrolmentShape)
    const protocol = commonProtocol(protocols)
    const publicKey = clientKey(request)
    if (publicKey === undefined) throw agentError('AGENT_UNKNOWN', 'the connection was made without a certificate')
    // With a key of another kind it could sign nothing that is taken.
    if (keyOf(publicKey).asymmetricKeyType !== 'ed25519')
      throw agentError('AGENT_REQUEST_INVALID', 'the key of the agent is not an Ed25519 key')
    return reply.code(201).send({ ...(await desk.enrol({ ...enrolment, publicKey })), protocol })
  })

  app.register(async (scope) => {
    // Before the body is read: strangers can't make us read 72 MiB.
    scope.addHook('onRequest', async (request, reply) => {
      request.setDecorator(ASKER, await guard.authenticate(request, request.routeOptions.url === agentPaths.hello))
      request.setDecorator(ANSWER, reply.raw)
    })
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser([OCTETS, 'application/json'], (request: FastifyRequest, payload: IncomingMessage) =>
      takeBody(op, uploads, request, payload),
    )
    commandRoutes(scope, { op, desk, sessions, version })
    objectRoutes(scope, op, sessions)
  })
  return { app, sessions, uploads }
}

/** What it takes of the budget goes back when the answer is out; for what is being stored then, see `PUT`. */
async function takeBody(op: Operation, uploads: UploadBudget, request: FastifyRequest, payload: IncomingMessage): Promise<Buffer> {
  const length = lengthOf(request)
  const { agentId } = request.getDecorator<Asker>(ASKER)
  const answer = request.getDecorator<ServerResponse>(ANSWER)
  const share = uploads.open(agentId, length)
  const held: HeldShare = { share, isInUse: false }
  request.setDecorator(SHARE, held)
  answer.once('close', () => {
    if (!held.isInUse) share.end()
  })
  return await readBody(payload, { share, length, clock: op.clock, answer })
}

interface HeldShare {
  readonly share: UploadShare
  isInUse: boolean
}

/** Known beforehand, since room is made for it. */
function lengthOf(request: FastifyRequest): number {
  const text = request.headers['content-length'] ?? ''
  const length = /^\d{1,12}$/.test(text) ? Number(text) : Number.NaN
  if (length <= request.routeOptions.bodyLimit) return length
  // What is on its way of it is not read.
  request.getDecorator<ServerResponse>(ANSWER).setHeader('connection', 'close')
  throw agentError('AGENT_REQUEST_INVALID', `a body has a length of at most ${request.routeOptions.bodyLimit} bytes, and says it`)
}

/** Who is not known yet does not hold a connection by saying a little of a request now and then. */
function hurryUp({ clock }: Operation, request: IncomingMessage): void {
  const isRead = new AbortController()
  for (const event of ['end', 'close']) request.once(event, () => isRead.abort())
  clock.sleep(ENROLMENT_MS, isRead.signal).then(
    () => request.destroy(),
    () => undefined, // it was read in time
  )
}

interface RouteContext {
  readonly op: Operation
  readonly desk: AgentDesk
  readonly sessions: AgentSessions
  readonly version: string
}

function commandRoutes(app: FastifyInstance, { op, desk, sessions, version }: RouteContext): void {
  app.post(agentPaths.hello, async (request) => {
    const hello = read(signedBody(request), helloShape)
    if (!AGENT_PROTOCOLS.some((version) => hello.protocols.includes(version))) await desk.refused(agentOf(request), hello)
    const protocol = commonProtocol(hello.protocols)
    const answer = await desk.hello(agentOf(request), hello)
    return { ...answer, protocol, serverTime: toTimestamp(op.clock.nowMs()), serverVersion: version }
  })
  app.post(agentPaths.commands, async (request, reply) => {
    const { taken } = read(signedBody(request), pollShape)
    const gone = new AbortController()
    // Of the answer: the request itself counts as closed as soon as it was read.
    reply.raw.on('close', () => gone.abort())
    return { commands: await desk.commands(agentOf(request), taken, agentLimits.pollMs, AbortSignal.any([gone.signal, op.signal])) }
  })
  app.post(agentPaths.replies(':id'), async (request, reply) => {
    await desk.reply(agentOf(request), idIn(request), read(signedBody(request), replyShape))
    return reply.code(204).send()
  })
  app.post(agentPaths.events(':id'), async (request) => {
    const { first, events } = read(signedBody(request), eventsShape)
    const jobId = idIn(request)
    const answer = await desk.events(agentOf(request), jobId, first, events)
    sessions.extend(agentOf(request), jobId)
    return answer
  })
  app.get(agentPaths.bundle(':sha256', ':offset'), async (request, reply) => {
    const { sha256 = '', offset = '' } = request.params as Record<string, string>
    const isAsked = /^[0-9a-f]{64}$/.test(sha256) && /^\d{1,10}$/.test(offset)
    const part = isAsked ? await desk.bundlePart?.(sha256, Number(offset)) : undefined
    if (!part) throw agentError('AGENT_ROUTE_NOT_FOUND', 'there is no such program of an agent')
    return reply.header('cache-control', 'no-store, no-transform').type(OCTETS).send(part)
  })
  app.post(agentPaths.sessions, async (request, reply) => {
    const { jobId } = read(signedBody(request), openSessionShape)
    const { sessionId, session } = await sessions.open(agentOf(request), jobId)
    return reply.code(201).send({ sessionId, ...session.answer })
  })
  app.delete(agentPaths.session(':id'), async (request, reply) => {
    await sessions.end(agentOf(request), idIn(request))
    return reply.code(204).send()
  })
}

/** As a vault has them, for the view of one session. No verb deletes an object, and none replaces one. */
function objectRoutes(app: FastifyInstance, op: Operation, sessions: AgentSessions): void {
  const storeOf = (request: FastifyRequest): ObjectStore => sessions.of(agentOf(request), idIn(request)).store
  const object = agentPaths.object(':id', '*')

  app.put(object, { bodyLimit: agentLimits.bodyBytes }, async (request, reply) => {
    const store = storeOf(request)
    const name = objectName(request)
    const { content } = request.getDecorator<Asker>(ASKER)
    const bytes = bodyOf(request)
    const held = request.getDecorator<HeldShare | null>(SHARE)
    if (held) held.isInUse = true
    try {
      // A view looks at the hash of a pack by its name.
      if (content === 'name' ? !name.endsWith('.pack') : (await hashOf(bytes)) !== content) {
        throw agentError('SERVER_BODY_MISMATCH', 'the body is not the one that was signed')
      }
      const result = await store.put(op, name, bytes)
      return reply.code(result === 'stored' ? 201 : 200).send({ result })
    } finally {
      // Also of an agent that has gone meanwhile: until now its bytes were there.
      held?.share.end()
    }
  })
  app.get(object, async (request, reply) => {
    const range = rangeOf(request.headers.range)
    const bytes = await storeOf(request).get(op, objectName(request), range)
    if (range) reply.code(206).header('content-range', `bytes ${range.offset}-${range.offset + range.length - 1}/*`)
    return reply.header('cache-control', 'no-store, no-transform').type(OCTETS).send(bytes)
  })
  app.head(object, async (request, reply) => {
    const name = objectName(request)
    const info = await storeOf(request).head(op, name)
    if (!info) throw storageError('STORAGE_OBJECT_NOT_FOUND', `there is no object ${name}`)
    return reply.header('content-length', info.sizeBytes).type(OCTETS).send()
  })
  app.get(agentPaths.objects(':id'), async (request) => {
    const { prefix, after, limit } = readShape(request.query, listQueryShape)
    const page: ObjectInfo[] = []
    for await (const info of storeOf(request).list(op, prefix)) {
      if (after !== undefined && info.name <= after) continue
      if (page.length === limit) return { objects: page, next: page.at(-1)?.name ?? null }
      page.push(info)
    }
    return { objects: page, next: null }
  })
}

function agentOf(request: FastifyRequest): string {
  return request.getDecorator<Asker>(ASKER).agentId
}

function bodyOf(request: FastifyRequest): Buffer {
  return Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0)
}

/** In pieces, since SHA-256 takes its time where the processor has no instructions for it. */
async function hashOf(bytes: Buffer): Promise<string> {
  const hash = createHash('sha256')
  for (let at = 0; at < bytes.length; at += HASHED_AT_ONCE) {
    if (at > 0) await letOthersRun()
    hash.update(bytes.subarray(at, at + HASHED_AT_ONCE))
  }
  return hash.digest('hex')
}

/** The signature covers the hash of the body; this compares it with the body. */
function signedBody(request: FastifyRequest): Buffer {
  const body = bodyOf(request)
  if (sha256Hex(body) !== request.getDecorator<Asker>(ASKER).content) {
    throw agentError('SERVER_BODY_MISMATCH', 'the body is not the one that was signed')
  }
  return body
}

function idIn(request: FastifyRequest): string {
  const { id } = request.params as { id: string }
  return readShape(id, idShape)
}

function read<T>(body: Buffer, shape: z.ZodType<T>): T {
  let json: unknown
  try {
    json = JSON.parse(body.toString('utf8'))
  } catch {
    // The parser's message would quote the body, which may hold a token.
    throw agentError('AGENT_REQUEST_INVALID', 'the body is not JSON')
  }
  return readShape(json, shape)
}

function readShape<T>(value: unknown, shape: z.ZodType<T>): T {
  const parsed = shape.safeParse(value)
  if (parsed.success) return parsed.data
  throw agentError('AGENT_REQUEST_INVALID', `the request is wrong: ${firstIssue(parsed.error)}`)
}

/** Read from the path as it came in: what would have to be decoded first is not a name. */
function objectName(request: FastifyRequest): string {
  const target = request.raw.url ?? ''
  const prefix = agentPaths.object(idIn(request), '')
  const name = target.startsWith(prefix) ? target.slice(prefix.length) : target
  checkObjectName(name)
  return name
}

/** Exactly `bytes=first-last`. */
function rangeOf(text: string | undefined): ByteRange | undefined {
  if (text === undefined) return undefined
  const match = /^bytes=(\d{1,15})-(\d{1,15})$/.exec(text)
  const [first, last] = [Number(match?.[1]), Number(match?.[2])]
  if (!match || last < first) throw agentError('AGENT_REQUEST_INVALID', 'the range is not understood')
  return { offset: first, length: last - first + 1 }
}

function commonProtocol(theirs: readonly number[]): number {
  const common = AGENT_PROTOCOLS.filter((version) => theirs.includes(version))
  if (common.length > 0) return Math.max(...common)
  const older = Math.max(...theirs) < Math.min(...AGENT_PROTOCOLS) ? 'agent' : 'server'
  const message = `the ${older} is too old: the agent speaks protocol ${theirs.join(', ')}, the server ${AGENT_PROTOCOLS.join(', ')}`
  throw agentError('AGENT_PROTOCOL_UNKNOWN', message, { context: { older } })
}

function answerProblem(op: Operation, error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const known = translate(op, error)
  const status = known.code === 'STORAGE_OBJECT_SHORT' ? 416 : STATUS[known.kind]
  if (status >= 500)
    op.warn({ code: known.code, message: `request ${request.id}: ${known.message}`, item: request.routeOptions.url ?? request.method })
  const { code, kind, retry, hint, message, context } = known
  // What a stranger still wants to say is not heard.
  if (status === 401) reply.header('connection', 'close')
  const isOurs = kind === 'internal'
  const told = { code, kind, retry, hint, message: isOurs ? 'the server could not do this' : message, context: isOurs ? {} : context }
  return reply
    .code(status)
    .header(agentHeaders.code, code)
    .header('cache-control', 'no-store')
    .type(problemType)
    .send(JSON.stringify(toProblem(told, status, request.id)))
}

function translate(op: Operation, error: unknown): TerpError {
  if (op.signal.aborted) return serverError('SERVER_STOPPING', 'the server is stopping')
  if (error instanceof TerpError) return error
  const status = error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number' ? error.statusCode : 500
  const text = error instanceof Error ? error.message : String(error)
  if (status >= 400 && status < 500) return agentError('AGENT_REQUEST_INVALID', text)
  return baseError('INTERNAL', text, { cause: error })
}
