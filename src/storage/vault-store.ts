/** A server's objects in a vault. Requests of the server are signed; those of a recovery session carry a token, and cannot put. */
import type { KeyObject } from 'node:crypto'
import type { Operation } from '../base/operation.ts'
import { type Fetch, readSigningKey, signedHeaders, vaultPaths } from '../wire/index.ts'
import { HttpStore, type ObjectRequest } from './http-store.ts'

export type VaultAccess =
  /** A registered server. PEM, PKCS 8 in base64, or a key. */
  | { readonly url: string; readonly serverId: string; readonly privateKey: string | KeyObject }
  /** A recovery session: reads only. */
  | { readonly url: string; readonly serverId: string; readonly bearerToken: string }

const NO_BODY = new Uint8Array(0)

export class VaultStore extends HttpStore {
  constructor(access: VaultAccess, fetch: Fetch) {
    const { serverId } = access
    const objects = {
      description: `${access.url.replace(/\/+$/, '')} (server ${serverId})`,
      url: access.url,
      peer: 'vault',
      object: (name: string) => vaultPaths.object(serverId, name),
      list: vaultPaths.objects(serverId),
      prove: proofOf(access),
    } as const
    super(objects, fetch)
  }
}

function proofOf(access: VaultAccess): (op: Operation, request: ObjectRequest) => Record<string, string> {
  if ('bearerToken' in access) return () => ({ authorization: `Bearer ${access.bearerToken}` })
  const { serverId } = access
  const privateKey = typeof access.privateKey === 'string' ? readSigningKey(access.privateKey) : access.privateKey
  return (op, { method, target, body }) => signedHeaders(op, { method, target, body: body ?? NO_BODY, serverId, privateKey })
}
