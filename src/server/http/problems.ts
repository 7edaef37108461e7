/**
 * Errors become answers, here and nowhere else: RFC 9457 with our code. Below 500 an error is about the request and is told in full; from 500 on it
 * is about us, and only its code and hint leave, with the request's id, under which it is reported.
 */
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { ErrorKind } from '../../base/errors.ts'
import { baseError, TerpError } from '../../base/errors.ts'
import type { Operation } from '../../base/operation.ts'
import { apiHeaders, problemType, toProblem } from '../../wire/index.ts'
import { serverError } from '../errors.ts'

const STATUS_OF_KIND: Record<ErrorKind, number> = {
  invalid: 400,
  'not-found': 404,
  conflict: 409,
  locked: 423,
  unauthenticated: 401,
  forbidden: 403,
  unavailable: 503,
  exhausted: 507,
  corrupt: 500,
  cancelled: 503,
  internal: 500,
}

/** Where HTTP has a better word for it than the kind gives. */
const STATUS_OF_CODE: Readonly<Record<string, number>> = {
  API_BODY_TOO_LARGE: 413,
  API_CONTENT_TYPE: 415,
  API_KEY_REUSED: 422,
  API_VERSION_REQUIRED: 428,
  AUTH_TOO_OFTEN: 429,
  API_TOO_MANY_STREAMS: 429,
  CATALOG_VERSION_CONFLICT: 412,
  GROUP_CHANGED_MEANWHILE: 412,
}

/** Not about us: what somebody else answered, or did not, and it is told to who asked for it. */
const ABOUT_OTHERS: ReadonlySet<string> = new Set([
  'AGENT_AWAY',
  'AGENT_SILENT',
  'AUTH_DIRECTORY_UNAVAILABLE',
  'CHANNEL_REFUSED',
  'POOL_FOLDER_UNWRITABLE',
  'POOL_NONE_FITS',
])

export function statusOf(error: TerpError): number {
  return STATUS_OF_CODE[error.code] ?? STATUS_OF_KIND[error.kind]
}

export function answerProblem(op: Operation, error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const known = translate(op, error)
  const status = statusOf(known)
  const isOurs = status >= 500 && known.kind !== 'exhausted' && !ABOUT_OTHERS.has(known.code)
  // The route only: a path may hold what is nobody's business.
  if (isOurs)
    op.warn({ code: known.code, message: `request ${request.id}: ${known.message}`, item: request.routeOptions.url ?? request.method })
  const { code, kind, retry, hint, message, context } = known
  const told = isOurs
    ? { code, kind, retry, hint, message: 'the server could not do this', context: {} }
    : { code, kind, retry, hint, message, context }
  const { retry_after_ms: waitMs } = context
  if (typeof waitMs === 'number') reply.header('retry-after', String(Math.max(1, Math.ceil(waitMs / 1000))))
  if (status === 401) reply.header('www-authenticate', 'Bearer')
  return reply
    .code(status)
    .header(apiHeaders.code, code)
    .header('cache-control', 'no-store')
    .type(problemType)
    .serializer((value: unknown) => String(value))
    .send(JSON.stringify(toProblem(told, status, request.id)))
}

export function translate(op: Operation, error: unknown): TerpError {
  if (error instanceof TerpError) return error
  if (op.signal.aborted) return serverError('SERVER_STOPPING', 'the server is stopping')
  const status = error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number' ? error.statusCode : 500
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  const text = error instanceof Error ? error.message : String(error)
  if (error instanceof Error && 'validation' in error && status === 400) {
    const where = 'validationContext' in error ? `${String(error.validationContext)}` : 'request'
    return serverError('API_REQUEST_INVALID', `the ${where} is wrong: ${firstProblem(error.validation) ?? text}`)
  }
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') return serverError('API_CONTENT_TYPE', 'the body is not application/json')
  if (status === 413) return serverError('API_BODY_TOO_LARGE', 'the body is too large')
  // Fastify's own refusals: what it cannot parse. A parser's message could quote the body, which may hold a secret.
  if (status >= 400 && status < 500) return serverError('API_REQUEST_INVALID', 'the request can not be read')
  return baseError('INTERNAL', text, { cause: error })
}

function firstProblem(validation: unknown): string | undefined {
  if (!Array.isArray(validation)) return undefined
  const first: unknown = validation[0]
  if (typeof first !== 'object' || first === null) return undefined
  const path = 'instancePath' in first ? String(first.instancePath).replace(/^\//, '').replaceAll('/', '.') : ''
  const message = 'message' in first ? String(first.message) : ''
  return path === '' ? message : `${path}: ${message}`
}
