/** The object verbs: put if absent, get, head, list. There is no verb that deletes or replaces. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { type ObjectInfo, type ObjectStore, storageError } from '../storage/index.ts'
import { idShape, listQueryShape, sha256Hex, vaultLimits, vaultPaths } from '../wire/index.ts'
import { type Asker, authenticate, authorize, bodyOf } from './authentication.ts'
import type { VaultContext } from './context.ts'
import { vaultError } from './errors.ts'
import { checkObject } from './object-rules.ts'
import { readObjectName, readRange, readShape } from './requests.ts'
import { serversOf } from './vaults.ts'

const ASKER = 'asker'
const OCTETS = 'application/octet-stream'

export async function objectRoutes(app: FastifyInstance, context: VaultContext): Promise<void> {
  const { op } = context
  const objects = vaultPaths.objects(':serverId')
  const object = vaultPaths.object(':serverId', '*')

  app.decorateRequest(ASKER)
  // Before the body is read: strangers cannot make us read 72 MiB.
  app.addHook('onRequest', async (request) => request.setDecorator(ASKER, await authenticate(context, request)))

  app.get(vaultPaths.servers, async (request) => {
    const asker = request.getDecorator<Asker>(ASKER)
    if (asker.kind !== 'recovery') throw vaultError('VAULT_SERVER_FORBIDDEN', 'only a recovery session lists the servers of a vault')
    return { servers: await serversOf(context.database, asker.vaultId) }
  })

  app.put(object, { bodyLimit: vaultLimits.bodyBytes }, async (request, reply) => {
    const { store, serverId } = await storeFor(context, request, 'add')
    const name = readObjectName(request, serverId)
    if (request.headers['if-none-match'] !== '*') throw vaultError('VAULT_CONDITION_REQUIRED', 'the request would replace an object')
    const bytes = bodyOf(request)
    const sha256 = sha256Hex(bytes)
    const asker = request.getDecorator<Asker>(ASKER)
    if (asker.kind !== 'server' || asker.contentSha256 !== sha256)
      throw vaultError('VAULT_BODY_MISMATCH', 'the body is not the one that was signed')
    await checkObject(op, store, { name, bytes, sha256 })
    const result = await store.put(op, name, bytes)
    return reply.code(result === 'stored' ? 201 : 200).send({ result })
  })

  app.get(object, async (request, reply) => {
    const { store, serverId } = await storeFor(context, request, 'read')
    const name = readObjectName(request, serverId)
    const range = readRange(request.headers.range)
    const bytes = await store.get(op, name, range)
    if (range) reply.code(206).header('content-range', `bytes ${range.offset}-${range.offset + range.length - 1}/*`)
    return reply.header('cache-control', 'no-store, no-transform').type(OCTETS).send(bytes)
  })

  app.head(object, async (request, reply) => {
    const { store, serverId } = await storeFor(context, request, 'read')
    const name = readObjectName(request, serverId)
    const info = await store.head(op, name)
    if (!info) throw storageError('STORAGE_OBJECT_NOT_FOUND', `there is no object ${name}`)
    return reply.header('content-length', info.sizeBytes).header('cache-control', 'no-store, no-transform').type(OCTETS).send()
  })

  app.get(objects, async (request) => {
    const { store } = await storeFor(context, request, 'read')
    const { prefix, after, limit } = readShape(request.query, listQueryShape)
    const page: ObjectInfo[] = []
    for await (const info of store.list(op, prefix)) {
      if (after !== undefined && info.name <= after) continue
      if (page.length === limit) return { objects: page, next: page.at(-1)?.name ?? null }
      page.push(info)
    }
    return { objects: page, next: null }
  })
}

async function storeFor(
  context: VaultContext,
  request: FastifyRequest,
  act: 'read' | 'add',
): Promise<{ store: ObjectStore; serverId: string }> {
  const { serverId } = request.params as { serverId: string }
  const asker = request.getDecorator<Asker>(ASKER)
  // The id becomes a folder's name; `authorize` lets only known ones pass, and this says so without the database.
  if (!idShape.safeParse(serverId).success) throw vaultError('VAULT_SERVER_FORBIDDEN', 'these are the objects of another server')
  const { vaultId } = await authorize(context, asker, serverId, act)
  return { store: await context.stores.of({ vaultId, serverId }), serverId }
}
