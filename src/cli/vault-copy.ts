/** A pool's copy in a vault: what the pool remembers of it (sealed, topic `vault`: docs/format.md §12), and how it is opened again. */

import { toTimestamp } from '../base/clock.ts'
import type { TerpError } from '../base/errors.ts'
import {
  decodeKeyBundle,
  encodeKeyBundle,
  type KeyBundle,
  Repository,
  readConfiguration,
  repositoryError,
  writeConfiguration,
} from '../repository/index.ts'
import { type ObjectStore, openVaultStore } from '../storage/index.ts'
import { cliError } from './errors.ts'
import type { Run } from './run.ts'

const TOPIC = 'vault'

export interface VaultCopy {
  readonly url: string
  readonly vault: string
  readonly serverId: string
  readonly serverName: string
  readonly privateKey: string
  readonly bundle: KeyBundle
}

/** A registration that has begun (registration.ts). */
export interface PendingCopy {
  readonly url: string
  readonly vaultId: string
  readonly serverName: string
  readonly privateKey: string
  /** What the vault answered; undefined until then. */
  readonly server: { readonly id: string; readonly vault: string } | undefined
}

export interface VaultState {
  /** Where uploads go. A registration that has begun replaces it only when it is done. */
  readonly copy: VaultCopy | undefined
  readonly pending: PendingCopy | undefined
}

/** CONFIGURATION_DAMAGED. */
export async function readVaultState(run: Run, pool: Repository): Promise<VaultState> {
  const stored = await readConfiguration(run.op, pool, TOPIC)
  if (stored === undefined) return { copy: undefined, pending: undefined }
  const fields = fieldsOf(stored)
  return {
    copy: 'bundle' in fields ? decodeCopy(fields) : undefined,
    pending: 'pending' in fields ? decodePending(fieldsOf(fields.pending)) : undefined,
  }
}

type Fields = Readonly<Record<string, unknown>>

function fieldsOf(value: unknown): Fields {
  if (typeof value === 'object' && value !== null) return value as Fields
  throw repositoryError('CONFIGURATION_DAMAGED', 'the configuration of the vault has another shape')
}

function text(fields: Fields, name: string): string {
  const value = fields[name]
  if (typeof value !== 'string') throw repositoryError('CONFIGURATION_DAMAGED', `the configuration of the vault lacks ${name}`)
  return value
}

function decodeCopy(fields: Fields): VaultCopy {
  const bundle = decodeKeyBundle(Buffer.from(text(fields, 'bundle'), 'base64'))
  if (!bundle) throw repositoryError('CONFIGURATION_DAMAGED', 'the keys of the copy in the vault have a wrong length')
  return {
    url: text(fields, 'url'),
    vault: text(fields, 'vault'),
    serverId: text(fields, 'server_id'),
    serverName: text(fields, 'server_name'),
    privateKey: text(fields, 'private_key'),
    bundle,
  }
}

function decodePending(fields: Fields): PendingCopy {
  return {
    url: text(fields, 'url'),
    vaultId: text(fields, 'vault_id'),
    serverName: text(fields, 'server_name'),
    privateKey: text(fields, 'private_key'),
    server: 'server_id' in fields ? { id: text(fields, 'server_id'), vault: text(fields, 'vault') } : undefined,
  }
}

/** The caller holds the locks of a registration. Answers with the name of the object that holds it. */
export async function saveVaultState(run: Run, pool: Repository, { copy, pending }: VaultState): Promise<string> {
  return await writeConfiguration(run.op, pool, TOPIC, {
    ...(copy && encodeCopy(copy)),
    ...(pending && { pending: encodePending(pending) }),
    registered: toTimestamp(run.op.clock.nowMs()),
  })
}

function encodeCopy({ url, vault, serverId, serverName, privateKey, bundle }: VaultCopy) {
  const keys = encodeKeyBundle(bundle).toString('base64')
  return { url, vault, server_id: serverId, server_name: serverName, private_key: privateKey, bundle: keys }
}

function encodePending({ url, vaultId, serverName, privateKey, server }: PendingCopy) {
  const answered = server && { server_id: server.id, vault: server.vault }
  return { url, vault_id: vaultId, server_name: serverName, private_key: privateKey, ...answered }
}

export function vaultStore(at: Pick<VaultCopy, 'url' | 'serverId' | 'privateKey'>): Promise<ObjectStore> {
  return openVaultStore({ url: at.url, serverId: at.serverId, privateKey: at.privateKey })
}

export interface OpenVaultCopy {
  readonly copy: VaultCopy
  readonly repository: Repository
}

/** `url`: where the vault is now, when that is known better. POOL_NOT_REGISTERED. */
export async function openVaultCopy(run: Run, pool: Repository, url?: string): Promise<OpenVaultCopy> {
  const { copy: found, pending } = await readVaultState(run, pool)
  if (!found) throw notRegistered(pending)
  const copy = url === undefined ? found : { ...found, url }
  return { copy, repository: await Repository.openWithBundle(run.op, await vaultStore(copy), copy.bundle, 'write') }
}

function notRegistered(pending: PendingCopy | undefined): TerpError {
  if (!pending) return cliError('POOL_NOT_REGISTERED', 'this pool is not registered with a vault')
  const hint = 'Run `terp pool register` again with the same passphrase; it goes on where it stopped.'
  return cliError('POOL_NOT_REGISTERED', `the registration with the vault at ${pending.url} was not finished`, { hint })
}
