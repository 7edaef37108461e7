/** What the application keeps with a request, and what it reads from it. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Operation } from '../../base/operation.ts'
import { type Caller, nobody } from '../auth/caller.ts'
import type { Route } from './route.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    terp?: Route
  }
}

/** One admitted request. */
export interface Exchange {
  readonly route: Route
  readonly caller: Caller
  readonly request: FastifyRequest
  readonly reply: FastifyReply
}

const callers = new WeakMap<FastifyRequest, Caller>()

export function setCaller(request: FastifyRequest, caller: Caller): void {
  callers.set(request, caller)
}

export function callerOf(request: FastifyRequest): Caller {
  return callers.get(request) ?? nobody
}

export function routeOf(request: FastifyRequest): Route {
  const route = request.routeOptions.config.terp
  if (!route) throw new Error('a request without a route')
  return route
}

export function addressOf(request: FastifyRequest): string {
  return request.ip.replace(/^::ffff:/, '')
}

const CLIENT_MOST = 200

export function clientOf(request: FastifyRequest): string {
  return (request.headers['user-agent'] ?? '').slice(0, CLIENT_MOST)
}

/** Aborted when the caller hangs up before the answer is out, or the program stops. */
export function signalOf(op: Operation, reply: FastifyReply): AbortSignal {
  const gone = new AbortController()
  reply.raw.once('close', () => gone.abort())
  return AbortSignal.any([op.signal, gone.signal])
}
