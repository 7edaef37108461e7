/** The description of the API (OpenAPI 3.1), made from the shapes by which requests are judged, and a page to read it by. */
import swagger from '@fastify/swagger'
import viewer from '@fastify/swagger-ui'
import type { FastifyInstance } from 'fastify'
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod'
import { apiBase, sessionCookie } from '../../wire/index.ts'

export async function describeApi(app: FastifyInstance, version: string): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Terp backup server',
        version,
        description: 'All that the command line and the console do, they do by this. Errors are problems (RFC 9457) with a stable code.',
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      servers: [{ url: '/' }],
      components: {
        securitySchemes: {
          token: { type: 'http', scheme: 'bearer', description: 'An API token.' },
          session: { type: 'apiKey', in: 'cookie', name: sessionCookie, description: 'A person who is signed in.' },
        },
      },
      security: [{ token: [] }, { session: [] }],
    },
    transform: jsonSchemaTransform,
    transformObject: jsonSchemaTransformObject,
  })
  app.get(`${apiBase}/openapi.json`, { schema: { hide: true } }, async () => app.swagger())
  // It brings scripts and styles of its own, all from here; `staticCSP` names the few inline ones by their hashes.
  await app.register(viewer, { routePrefix: '/api/docs', staticCSP: true, uiConfig: { url: `${apiBase}/openapi.json`, deepLinking: true } })
}
