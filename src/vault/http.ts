/** The HTTP application: bodies as bytes, every error as a problem, the routes. */
import fastify, { type FastifyInstance } from 'fastify'
import { randomHex } from '../base/random.ts'
import type { VaultContext } from './context.ts'
import { adminRoutes, credentialsRoutes } from './desk-routes.ts'
import { vaultError } from './errors.ts'
import { objectRoutes } from './object-routes.ts'
import { answerProblem } from './problems.ts'

const JSON_BODY_BYTES = 65_536
/** For a whole object over a slow line; without a limit, connections that send nothing would pile up. */
const REQUEST_TIMEOUT_MS = 30 * 60_000

export function makeHttp(context: VaultContext): FastifyInstance {
  const { op } = context
  const app = fastify({
    // No log of requests: there is nothing in it that would help, and headers hold tokens.
    logger: false,
    bodyLimit: JSON_BODY_BYTES,
    exposeHeadRoutes: false,
    genReqId: () => randomHex(op.random, 8),
    forceCloseConnections: 'idle',
    requestTimeout: REQUEST_TIMEOUT_MS,
    frameworkErrors: (error, request, reply) => answerProblem(op, error, request, reply),
  })
  app.setErrorHandler((error, request, reply) => answerProblem(op, error, request, reply))
  app.setNotFoundHandler(() => {
    throw vaultError('VAULT_ROUTE_NOT_FOUND', 'there is nothing at this path for this method')
  })

  // As bytes, because a signature covers bytes.
  app.removeAllContentTypeParsers()
  for (const type of ['application/octet-stream', 'application/json']) {
    app.addContentTypeParser(type, { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
  }

  app.register(async (scope) => adminRoutes(scope, context))
  app.register(async (scope) => credentialsRoutes(scope, context))
  app.register(async (scope) => objectRoutes(scope, context))
  return app
}
