/**
 * A pool's copy in a vault: what is remembered of it, how it is made, how it is opened again. Making it is repeatable: each step is remembered
 * in the pool (sealed, topic `vault`) before the next one, so a registration that was cut off goes on with the same server and the same passphrase.
 */

import { toTimestamp } from '../base/clock.ts'
import { hasCode, type TerpError } from '../base/errors.ts'
import {
  decodeKeyBundle,
  encodeKeyBundle,
  Repository,
  readConfiguration,
  repositoryError,
  type Secret,
  writeConfiguration,
} from '../repository/index.ts'
import { registerServer, VaultStore } from '../storage/index.ts'
import { cliError } from './errors.ts'
import type { OpenPool } from './pool.ts'
import type { Run } from './run.ts'

const TOPIC = 'vault'

export interface VaultCopy {
  readonly url: string
  readonly vault: string
  readonly serverId: string
  readonly serverName: string
  readonly privateKey: string
  /** Base64 of the copy's key bundle; undefined until the copy is made. */
  readonly bundle: string | undefined
}

export async function findVaultCopy(run: Run, pool: Repository): Promise<VaultCopy | undefined> {
  const stored = await readConfiguration(run.op, pool, TOPIC)
  if (stored === undefined) return undefined
  const fields = stored as Readonly<Record<string, unknown>>
  const text = (name: string) => {
    const value = fields[name]
    if (typeof value !== 'string') throw repositoryError('CONFIGURATION_DAMAGED', `the configuration of the vault lacks ${name}`)
    return value
  }
  return {
    url: text('url'),
    vault: text('vault'),
    serverId: text('server_id'),
    serverName: text('server_name'),
    privateKey: text('private_key'),
    bundle: typeof fields.bundle === 'string' ? fields.bundle : undefined,
  }
}

async function saveVaultCopy(run: Run, pool: Repository, copy: VaultCopy): Promise<void> {
  await writeConfiguration(run.op, pool, TOPIC, {
    url: copy.url,
    vault: copy.vault,
    server_id: copy.serverId,
    server_name: copy.serverName,
    private_key: copy.privateKey,
    ...(copy.bundle === undefined ? {} : { bundle: copy.bundle }),
    registered: toTimestamp(run.op.clock.nowMs()),
  })
}

export interface RegisterOptions {
  /** The text of the credentials file. */
  readonly credentials: string
  readonly passphrase: Secret
  readonly serverName: string
}

/** POOL_ALREADY_REGISTERED. The caller holds the lock of uploads. */
export async function registerPool(run: Run, pool: OpenPool, options: RegisterOptions): Promise<VaultCopy> {
  const { repository } = pool
  const before = await findVaultCopy(run, repository)
  if (before?.bundle !== undefined) {
    const { vault, serverName, url } = before
    const context = { vault, server: serverName, url }
    throw cliError('POOL_ALREADY_REGISTERED', `this pool is registered with vault ${vault} as ${serverName} already`, { context })
  }
  const registered = before ?? (await registerAnew(run, repository, options))
  const copy = await makeVaultRepository(run, repository, registered, options.passphrase)
  const whole = { ...registered, bundle: encodeKeyBundle(copy.bundle).toString('base64') }
  await saveVaultCopy(run, repository, whole)
  return whole
}

async function registerAnew(run: Run, pool: Repository, { credentials, serverName }: RegisterOptions): Promise<VaultCopy> {
  const { url, vaultName, serverId, privateKeyPkcs8Base64 } = await registerServer(run.op, { credentials, serverName, fetch })
  const copy = { url, vault: vaultName, serverId, serverName, privateKey: privateKeyPkcs8Base64, bundle: undefined }
  // At once: the vault gives each name, and each credentials file, away only once.
  await saveVaultCopy(run, pool, copy)
  return copy
}

/** The one that an earlier attempt made is taken, if the passphrase opens it. */
async function makeVaultRepository(run: Run, pool: Repository, copy: VaultCopy, passphrase: Secret): Promise<Repository> {
  const store = vaultStore(copy)
  try {
    const secrets = [{ secret: passphrase, label: 'vault passphrase' }]
    return await Repository.create(run.op, store, { kind: 'vault', secrets, shared: pool.bundle, chunking: pool.format.chunking })
  } catch (error) {
    if (!hasCode(error, 'REPOSITORY_EXISTS')) throw error
    return await Repository.open(run.op, store, passphrase, 'write')
  }
}

function vaultStore(copy: VaultCopy): VaultStore {
  return new VaultStore({ url: copy.url, serverId: copy.serverId, privateKey: copy.privateKey }, fetch)
}

export interface OpenVaultCopy {
  readonly copy: VaultCopy
  readonly repository: Repository
}

/** `url`: where the vault is now, when that is known better. POOL_NOT_REGISTERED. */
export async function openVaultCopy(run: Run, pool: Repository, url?: string): Promise<OpenVaultCopy> {
  const found = await findVaultCopy(run, pool)
  if (found?.bundle === undefined) throw notRegistered(found)
  const copy = url === undefined ? found : { ...found, url }
  const bundle = decodeKeyBundle(Buffer.from(found.bundle, 'base64'))
  if (!bundle) throw repositoryError('CONFIGURATION_DAMAGED', 'the keys of the copy in the vault have a wrong length')
  return { copy, repository: await Repository.openWithBundle(run.op, vaultStore(copy), bundle, 'write') }
}

function notRegistered(found: VaultCopy | undefined): TerpError {
  if (!found) return cliError('POOL_NOT_REGISTERED', 'this pool is not registered with a vault')
  const hint = 'Run `terp pool register` again with the same passphrase; it goes on where it stopped.'
  return cliError('POOL_NOT_REGISTERED', `the registration with vault ${found.vault} was not finished`, { hint })
}
