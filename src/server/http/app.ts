/** The HTTP application: TLS, the order in which a request is judged, every error as a problem, the description of the API. */
import { constants } from 'node:crypto'
import cookies from '@fastify/cookie'
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod'
import { randomHex } from '../../base/random.ts'
import { sessionCookie } from '../../wire/index.ts'
import { identify } from '../auth/identify.ts'
import type { ServerContext } from '../context.ts'
import { serverError } from '../errors.ts'
import { describeApi } from './describe-api.ts'
import { handleRoute } from './handle-route.ts'
import { judge, judgeOrigin } from './judge.ts'
import { answerProblem } from './problems.ts'
import { callerOf, routeOf, setCaller } from './request.ts'
import { isChange, type Route, urlOf } from './route.ts'
import { responseShapes } from './route-schema.ts'

export interface AppOptions {
  readonly routes: readonly Route[]
  /** PEM. */
  readonly certificate: string
  readonly privateKey: string
}

/** To receive one request; answers may take as long as they need. */
const REQUEST_TIMEOUT_MS = 60_000
/** Until it is known what is asked, and who asks. Whoever needs longer holds a connection and says nothing. */
const HEADERS_TIMEOUT_MS = 20_000
const HANDSHAKE_TIMEOUT_MS = 10_000
const LOOK_EVERY_MS = 5000

const SECURITY_HEADERS = {
  'content-security-policy': "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  // No Strict-Transport-Security: it holds for a whole host, and a vault without TLS may run on the same one. This port speaks nothing but TLS.
}

export async function makeApp(context: ServerContext, { routes, certificate, privateKey }: AppOptions): Promise<FastifyInstance> {
  const { op } = context
  const app = fastify({
    // No log of requests: headers hold tokens. What matters is in the audit log and in the metrics.
    logger: false,
    exposeHeadRoutes: false,
    genReqId: () => randomHex(op.random, 8),
    forceCloseConnections: true,
    requestTimeout: REQUEST_TIMEOUT_MS,
    frameworkErrors: (error, request, reply) => answerProblem(op, error, request, reply),
    https: {
      cert: certificate,
      key: privateKey,
      minVersion: 'TLSv1.3',
      // Resumption would keep a connection alive past the change of a certificate, for nothing: connections are kept open.
      secureOptions: constants.SSL_OP_NO_TICKET,
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
      headersTimeout: HEADERS_TIMEOUT_MS,
      connectionsCheckingInterval: LOOK_EVERY_MS,
    },
  }) as unknown as FastifyInstance

  app.setValidatorCompiler(validatorCompiler)
  app.setSerializerCompiler(serializerCompiler)
  app.setErrorHandler((error, request, reply) => answerProblem(op, error, request, reply))
  app.setNotFoundHandler(() => {
    throw serverError('API_ROUTE_NOT_FOUND', 'there is nothing at this path for this method')
  })
  app.removeContentTypeParser('text/plain')
  app.addHook('onRequest', async (_request, reply) => {
    reply.headers(SECURITY_HEADERS)
  })
  app.addHook('onResponse', async (request, reply) => {
    const labels = { route: request.routeOptions.url ?? 'none', method: request.method, status: String(reply.statusCode) }
    context.metrics.requestDuration.observe(labels, reply.elapsedTime / 1000)
  })
  await app.register(cookies)
  await describeApi(app, context.version)
  await app.register(async (scope) => {
    for (const route of routes) addRoute(scope, context, route)
  })
  return app
}

function addRoute(app: FastifyInstance, context: ServerContext, route: Route): void {
  app.route({
    method: route.method,
    url: urlOf(route),
    config: { terp: route },
    bodyLimit: route.bodyLimitBytes,
    schema: {
      operationId: route.name,
      summary: route.summary,
      tags: [route.tag],
      ...(route.access.who === 'anybody' ? { security: [] } : {}),
      ...(route.params && { params: route.params }),
      ...(route.query && { querystring: route.query }),
      ...(route.body && { body: route.body }),
      response: responseShapes(route),
    },
    // Before the body is read: who may not ask does not make us parse.
    onRequest: (request) => admit(context, request),
    handler: (request, reply) => answer(context, request, reply),
  })
}

async function admit(context: ServerContext, request: FastifyRequest): Promise<void> {
  const route = routeOf(request)
  const caller = await identify(context, { authorization: request.headers.authorization, cookie: request.cookies[sessionCookie] })
  setCaller(request, caller)
  if (isChange(route)) judgeOrigin(request.headers)
  await judge(context, route, caller, request)
}

async function answer(context: ServerContext, request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
  return await handleRoute(context, { route: routeOf(request), caller: callerOf(request), request, reply })
}
