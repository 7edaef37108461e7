/** From a request to what was meant. */
import type { FastifyRequest } from 'fastify'
import type { z } from 'zod'
import { type ByteRange, checkObjectName } from '../storage/index.ts'
import { firstIssue, unreadableCredentials, vaultPaths } from '../wire/index.ts'
import { bodyOf } from './authentication.ts'
import { vaultError } from './errors.ts'

/** A JSON body in its shape. What is wrong about the credentials in it has a code of its own. */
export function readBody<T>(request: FastifyRequest, shape: z.ZodType<T>): T {
  let json: unknown
  try {
    json = JSON.parse(bodyOf(request).toString('utf8'))
  } catch {
    // The parser's message would quote the body, which may hold a token.
    throw vaultError('VAULT_REQUEST_INVALID', 'the body is not JSON')
  }
  return readShape(json, shape)
}

export function readShape<T>(value: unknown, shape: z.ZodType<T>): T {
  const parsed = shape.safeParse(value)
  if (parsed.success) return parsed.data
  const issue = firstIssue(parsed.error)
  if (parsed.error.issues[0]?.path[0] === 'credentials') throw unreadableCredentials(`is wrong: ${issue}`)
  throw vaultError('VAULT_REQUEST_INVALID', `the request is wrong: ${issue}`)
}

/**
 * The object that a path names, read from the path as it came in: what had to be decoded first (`%2F`, `%00`, `..`) is not a name, so that
 * everyone between the server and us saw the same name.
 */
export function readObjectName(request: FastifyRequest, serverId: string): string {
  const target = request.raw.url ?? ''
  const prefix = vaultPaths.object(serverId, '')
  const name = target.startsWith(prefix) ? target.slice(prefix.length) : target
  checkObjectName(name)
  return name
}

/** Exactly `bytes=first-last`. Unlike HTTP at large we never cut a range short: a range past the end is an error. */
export function readRange(header: string | undefined): ByteRange | undefined {
  if (header === undefined) return undefined
  const match = /^bytes=(\d{1,15})-(\d{1,15})$/.exec(header)
  const first = Number(match?.[1])
  const last = Number(match?.[2])
  if (!match || last < first)
    throw vaultError('VAULT_RANGE_INVALID', `${JSON.stringify(header.slice(0, 80))} is not a range that is understood`)
  return { offset: first, length: last - first + 1 }
}
