/** The vault's HTTP interface: paths, headers, limits, and the shape of every request and response. */
import { z } from 'zod'
import { credentialsShape } from './credentials.ts'
import { base64Shape, idShape, redundancyShape, serverNameShape, timestampShape, tokenShape, vaultNameShape } from './shapes.ts'

export const vaultPaths = {
  vaults: '/api/v1/vaults',
  credentials: (vaultName: string) => `/api/v1/vaults/${vaultName}/credentials`,
  retirement: (vaultName: string, serverName: string) => `/api/v1/vaults/${vaultName}/servers/${serverName}/retirement`,
  registrations: '/api/v1/registrations',
  recoveries: '/api/v1/recoveries',
  servers: '/api/v1/servers',
  objects: (serverId: string) => `/api/v1/servers/${serverId}/objects`,
  /** Names of objects need no escaping (docs/format.md §2), and an escaped one is refused. */
  object: (serverId: string, name: string) => `/api/v1/servers/${serverId}/objects/${name}`,
} as const

export const vaultHeaders = {
  server: 'terp-server',
  time: 'terp-time',
  contentSha256: 'terp-content-sha256',
  signature: 'terp-signature',
  /** The code of a problem, also where an answer has no body (HEAD). */
  code: 'terp-code',
} as const

export const vaultLimits = {
  bodyBytes: 72 * 1024 * 1024,
  clockSkewMs: 5 * 60_000,
  serversPerVault: 50,
  objectsPerPage: 5000,
  credentialsLifeMs: 48 * 3_600_000,
  recoveryLifeMs: 12 * 3_600_000,
} as const

export const createVaultShape = z.object({ name: vaultNameShape, redundancy: redundancyShape.default('grs') })
export const vaultShape = z.object({ id: idShape, name: vaultNameShape, redundancy: redundancyShape, created: timestampShape })

/** Sent with a signature by the new key, so that nobody registers a key that he does not hold. `publicKey`: SPKI, base64. */
export const registrationShape = z.object({ credentials: credentialsShape, serverName: serverNameShape, publicKey: base64Shape })
export const registeredShape = z.object({ vaultId: idShape, vaultName: vaultNameShape, serverId: idShape, serverName: serverNameShape })

export const serverShape = z.object({ id: idShape, name: serverNameShape })
export const serversShape = z.object({ servers: z.array(serverShape) })

export const recoveryShape = z.object({ credentials: credentialsShape })
export const recoveryOpenedShape = z.object({ token: tokenShape, expires: timestampShape, servers: z.array(serverShape) })

export const objectNameShape = z.string().max(300)
export const listQueryShape = z.object({
  prefix: objectNameShape.default(''),
  /** Only names after this one: the cursor of the page before. */
  after: objectNameShape.optional(),
  limit: z.coerce.number().int().min(1).max(vaultLimits.objectsPerPage).default(vaultLimits.objectsPerPage),
})
/** `next` is null on the last page only; an answer that lacks it is not complete and is refused. */
export const listShape = z.object({
  objects: z.array(z.object({ name: objectNameShape, sizeBytes: z.int().min(0) })),
  next: objectNameShape.nullable(),
})

export const putShape = z.object({ result: z.enum(['stored', 'already-there']) })

export type CreateVault = z.infer<typeof createVaultShape>
export type VaultDescription = z.infer<typeof vaultShape>
export type RegisteredServer = z.infer<typeof registeredShape>
export type ServerDescription = z.infer<typeof serverShape>
