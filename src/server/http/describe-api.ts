/** The description of the API (OpenAPI 3.1), made from the shapes by which requests are judged, and a page to read it by. */
import swagger from '@fastify/swagger'
import viewer from '@fastify/swagger-ui'
import type { FastifyInstance } from 'fastify'
import { createJsonSchemaTransform, createJsonSchemaTransformObject } from 'fastify-type-provider-zod'
import { apiBase } from '../../wire/index.ts'
import { type ApiDescription, completeDescription, securitySchemes } from './complete-description.ts'
import { namedShapes } from './named-shapes.ts'
import type { Route } from './route.ts'

export async function describeApi(app: FastifyInstance, version: string): Promise<void> {
  const routes = new Map<string, Route>()
  app.addHook('onRoute', ({ config }) => {
    if (config?.terp) routes.set(config.terp.name, config.terp)
  })
  const transformObject = createJsonSchemaTransformObject({ schemaRegistry: namedShapes })
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Terp backup server',
        version,
        description:
          'All that the command line and the console do, they do by this. Errors are problems (RFC 9457) with a stable code. Lists come in pages: `next` of one is `cursor` of the request for the next.',
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      servers: [{ url: '/' }],
      components: { securitySchemes },
      security: [{ token: [] }, { session: [] }],
    },
    transform: createJsonSchemaTransform({ schemaRegistry: namedShapes }),
    transformObject: (document) =>
      completeDescription(transformObject(document) as ApiDescription, routes) as ReturnType<typeof transformObject>,
  })
  app.get(`${apiBase}/openapi.json`, { schema: { hide: true } }, async () => app.swagger())
  // It brings scripts and styles of its own, all from here; `staticCSP` names the few inline ones by their hashes.
  await app.register(viewer, { routePrefix: '/api/docs', staticCSP: true, uiConfig: { url: `${apiBase}/openapi.json`, deepLinking: true } })
}
