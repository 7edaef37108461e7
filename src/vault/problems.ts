/**
 * Errors become answers, here and nowhere else. Below 500 an error is about the request and is told in full; from 500 on it is about us, and only
 * its code, kind and hint leave, with the request's id, under which it is reported.
 */
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { ErrorKind } from '../base/errors.ts'
import { baseError, TerpError } from '../base/errors.ts'
import type { Operation } from '../base/operation.ts'
import { problemType, toProblem, vaultHeaders } from '../wire/index.ts'
import { vaultError } from './errors.ts'

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
const STATUS_OF_CODE: Record<string, number> = {
  STORAGE_OBJECT_SHORT: 416,
  VAULT_BODY_MISMATCH: 422,
  VAULT_BODY_TOO_LARGE: 413,
  VAULT_CONDITION_REQUIRED: 428,
  VAULT_MANIFEST_INVALID: 422,
  VAULT_NAME_MISMATCH: 422,
  VAULT_SERVERS_FULL: 409,
}

export function answerProblem(op: Operation, error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const known = translate(op, error)
  const status = STATUS_OF_CODE[known.code] ?? STATUS_OF_KIND[known.kind]
  const isOurs = status >= 500
  // The route only: a path may hold what is nobody's business.
  if (isOurs)
    op.warn({ code: known.code, message: `request ${request.id}: ${known.message}`, item: request.routeOptions.url ?? request.method })
  const { code, kind, retry, hint, message, context } = known
  const told = isOurs
    ? { code, kind, retry, hint, message: 'the vault could not do this', context: {} }
    : { code, kind, retry, hint, message, context }
  return reply
    .code(status)
    .header(vaultHeaders.code, code)
    .header('cache-control', 'no-store')
    .type(problemType)
    .send(JSON.stringify(toProblem(told, status, request.id)))
}

function translate(op: Operation, error: unknown): TerpError {
  if (error instanceof TerpError) return ofStorage(error)
  if (op.signal.aborted) return vaultError('VAULT_STOPPING', 'the vault service is stopping')
  const status = error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number' ? error.statusCode : 500
  const text = error instanceof Error ? error.message : String(error)
  if (status === 413) return vaultError('VAULT_BODY_TOO_LARGE', 'the body is too large')
  // Fastify's own refusals: what it cannot parse.
  if (status >= 400 && status < 500) return vaultError('VAULT_REQUEST_INVALID', text)
  return baseError('INTERNAL', text, { cause: error })
}

/** The hints of storage speak to who owns the disk; he who asks does not. */
function ofStorage(error: TerpError): TerpError {
  if (error.code === 'STORAGE_FULL') return vaultError('VAULT_FULL', error.message, { cause: error })
  if (error.code === 'CANCELLED') return vaultError('VAULT_STOPPING', error.message, { cause: error })
  const isDisk = error.code === 'STORAGE_IO' || error.code === 'STORAGE_POISONED' || error.code === 'STORAGE_FORBIDDEN'
  return isDisk ? vaultError('VAULT_STORE_FAILED', error.message, { cause: error }) : error
}
