/** What is not about objects: the administrator's acts, registration, and the opening of recovery sessions. */
import type { FastifyInstance } from 'fastify'
import {
  createVaultShape,
  recoveryShape,
  registrationShape,
  serverNameShape,
  vaultHeaders,
  vaultNameShape,
  vaultPaths,
} from '../wire/index.ts'
import { checkAdministrator, checkNewcomer } from './authentication.ts'
import type { VaultContext } from './context.ts'
import { checkTime, issueCredentials } from './credentials.ts'
import { openRecovery } from './recovery.ts'
import { registerServer } from './registration.ts'
import { readBody, readShape } from './requests.ts'
import { addVault, retireServer } from './vaults.ts'

export async function adminRoutes(app: FastifyInstance, context: VaultContext): Promise<void> {
  app.addHook('onRequest', (request) => checkAdministrator(context, request))

  app.post(vaultPaths.vaults, async (request, reply) => {
    const vault = await addVault(context, readBody(request, createVaultShape))
    return reply.code(201).send(vault)
  })

  app.post(vaultPaths.credentials(':name'), async (request, reply) => {
    const { name } = request.params as Record<string, unknown>
    const credentials = await issueCredentials(context, readShape(name, vaultNameShape))
    return reply.code(201).header('cache-control', 'no-store').send(credentials)
  })

  app.post(vaultPaths.retirement(':name', ':server'), async (request) => {
    const { name, server } = request.params as Record<string, unknown>
    return await retireServer(context, readShape(name, vaultNameShape), readShape(server, serverNameShape))
  })
}

/** For whoever holds a credentials file. */
export async function credentialsRoutes(app: FastifyInstance, context: VaultContext): Promise<void> {
  app.post(vaultPaths.registrations, async (request, reply) => {
    const registration = readBody(request, registrationShape)
    checkNewcomer(context, request, registration.publicKey)
    const registered = await registerServer(context, registration)
    return reply.code(201).header('cache-control', 'no-store').send(registered)
  })

  app.post(vaultPaths.recoveries, async (request, reply) => {
    const time = request.headers[vaultHeaders.time]
    checkTime(context, typeof time === 'string' ? time : undefined)
    const { credentials } = readBody(request, recoveryShape)
    const opened = await openRecovery(context, credentials)
    return reply.code(201).header('cache-control', 'no-store').send(opened)
  })
}
