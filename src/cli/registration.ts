/**
 * A pool becomes a server of a vault, and gets its copy there. Repeatable: the same command goes on wherever an attempt was cut off.
 *
 * 1. The server's key is made and remembered in the pool, before anything is sent: the vault tells the same key and name the same server again.
 * 2. The caller sees to the passphrase: from the next step on there is something that only it opens.
 * 3. The vault registers the key; its answer is remembered.
 * 4. The vault's repository is made, or taken as the attempt before left it, and opened with the passphrase as a recovery would.
 * 5. The copy is remembered. It replaces the one before, if there was one; until then uploads go there.
 */

import { hostname } from 'node:os'
import { equalBytes } from '../base/bytes.ts'
import { hasCode, invariant, TerpError } from '../base/errors.ts'
import { Repository, repositoryError, type Secret } from '../repository/index.ts'
import { registerServer } from '../storage/index.ts'
import { makeSigningKey, parseCredentials, privateKeyText } from '../wire/index.ts'
import { cliError } from './errors.ts'
import type { OpenPool } from './pool.ts'
import type { Run } from './run.ts'
import { type PendingCopy, readVaultState, saveVaultState, type VaultCopy, type VaultState, vaultStore } from './vault-copy.ts'

/** For a registration a damaged configuration is none, as its hint says. */
export async function readStateToRegister(run: Run, pool: Repository): Promise<VaultState> {
  try {
    return await readVaultState(run, pool)
  } catch (error) {
    if (!hasCode(error, 'CONFIGURATION_DAMAGED')) throw error
    run.warn({ code: error.code, message: `${error.message}; the pool is registered anew` })
    return { copy: undefined, pending: undefined }
  }
}

export interface RegistrationRequest {
  /** The text of the credentials file. */
  readonly credentials: string
  /** Without it, that of the attempt before, else one after this machine. */
  readonly serverName?: string
  /** Also where there is a copy already. */
  readonly isAgain?: boolean
}

export interface StartedRegistration {
  readonly credentials: string
  readonly pending: PendingCopy
  /** The copy that the new one will replace. */
  readonly replaces: VaultCopy | undefined
  /** It goes on where an attempt before was cut off. */
  readonly isResumed: boolean
  /** The object that this run saved `pending` in. */
  readonly saved: string | undefined
}

/** Step 1. The caller holds the locks of a registration. POOL_ALREADY_REGISTERED, CREDENTIALS_UNREADABLE. */
export async function startRegistration(run: Run, pool: OpenPool, request: RegistrationRequest): Promise<StartedRegistration> {
  const { credentials } = request
  const { url, vaultId } = parseCredentials(credentials)
  const { copy, pending: before } = await readStateToRegister(run, pool.repository)
  if (copy && !request.isAgain) throw alreadyRegistered(copy)
  const serverName = request.serverName ?? before?.serverName ?? (copy ? nextName(copy.serverName) : defaultServerName())
  if (before?.serverName === serverName && before.vaultId === vaultId) {
    return { credentials, pending: { ...before, url }, replaces: copy, isResumed: true, saved: undefined }
  }
  const pending = { url, vaultId, serverName, privateKey: privateKeyText(makeSigningKey(run.op.random)), server: undefined }
  const saved = await saveVaultState(run, pool.repository, { copy, pending })
  return { credentials, pending, replaces: copy, isResumed: false, saved }
}

function alreadyRegistered({ vault, serverName, url }: VaultCopy) {
  const context = { vault, server: serverName, url }
  return cliError('POOL_ALREADY_REGISTERED', `this pool is registered with vault ${vault} as ${serverName} already`, { context })
}

const MOST_NAME = 63

/** The name of the machine, without what names of servers can't have. */
function defaultServerName(): string {
  const name = hostname()
    .replace(/[^A-Za-z0-9._-]+/g, '-')
    .replace(/^[^A-Za-z0-9]+/, '')
    .slice(0, MOST_NAME)
  return name === '' ? 'server' : name
}

/** A vault gives each name away once: after `nas` comes `nas-2`. */
function nextName(name: string): string {
  const [, stem = name, number = '1'] = /^(.+)-([1-9][0-9]{0,5})$/.exec(name) ?? []
  return withSuffix(stem, String(Number(number) + 1))
}

export function withSuffix(name: string, suffix: string): string {
  return `${name.slice(0, MOST_NAME - 1 - suffix.length)}-${suffix}`
}

/** Steps 3 to 5. The codes of `registerServer`; SECRET_WRONG for another passphrase than that of the attempt before. */
export async function finishRegistration(run: Run, pool: OpenPool, started: StartedRegistration, passphrase: Secret): Promise<VaultCopy> {
  const { repository } = pool
  const { credentials, pending, replaces } = started
  const { url, serverName, privateKey } = pending
  let { server } = pending
  if (!server) {
    const answer = registerServer(run.op, { credentials, serverName, privateKey, fetch })
    const { serverId, vaultName } = await answer.catch((error: unknown) => forgetRefused(run, pool, started, error))
    server = { id: serverId, vault: vaultName }
    await saveVaultState(run, repository, { copy: replaces, pending: { ...pending, server } })
  }
  const place = { url, vault: server.vault, serverId: server.id, serverName, privateKey }
  const copy = { ...place, bundle: (await makeVaultRepository(run, repository, place, passphrase)).bundle }
  await saveVaultState(run, repository, { copy, pending: undefined })
  return copy
}

/** A refusal ends the attempt: what was prepared for it goes. Without an answer it may have been accepted, and the same command goes on. */
async function forgetRefused(run: Run, pool: OpenPool, { saved }: StartedRegistration, error: unknown): Promise<never> {
  // What a proxy answers in the vault's place says nothing about the vault.
  const isUndecided =
    !(error instanceof TerpError) ||
    ['unavailable', 'cancelled', 'internal'].includes(error.kind) ||
    ['VAULT_REFUSED', 'VAULT_ANSWER_INVALID'].includes(error.code)
  if (saved !== undefined && !isUndecided) await pool.store.remove(run.op, saved)
  throw error
}

async function makeVaultRepository(run: Run, pool: Repository, place: Omit<VaultCopy, 'bundle'>, passphrase: Secret): Promise<Repository> {
  const { op } = run
  const store = await vaultStore(place)
  let made: Repository | undefined
  try {
    const secrets = [{ secret: passphrase, label: 'vault passphrase' }]
    made = await Repository.create(op, store, { kind: 'vault', secrets, shared: pool, chunking: pool.format.chunking })
  } catch (error) {
    if (!hasCode(error, 'REPOSITORY_EXISTS')) throw error
  }
  const opened = await openMade(run, store, passphrase)
  if (made) invariant(equalBytes(opened.bundle.masterKey, made.bundle.masterKey), 'the new repository opens with its passphrase')
  for (const key of ['idKey', 'chunkingKey'] as const) {
    invariant(equalBytes(opened.bundle[key], pool.bundle[key]), "the copy has its pool's ids")
  }
  return opened
}

/** What counts is that the repository, as it lies in the vault, opens with what people will have: the passphrase. */
async function openMade(run: Run, store: Awaited<ReturnType<typeof vaultStore>>, passphrase: Secret): Promise<Repository> {
  try {
    return await Repository.open(run.op, store, passphrase, 'write')
  } catch (error) {
    if (!hasCode(error, 'SECRET_WRONG')) throw error
    throw repositoryError('SECRET_WRONG', 'the copy in the vault was made with another passphrase by the attempt that was cut off', {
      cause: error,
      hint: 'Give the passphrase of that attempt with --passphrase-file, or register under another --server-name with a new credentials file.',
    })
  }
}
