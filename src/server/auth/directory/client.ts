/** One conversation with a directory. Bind with an encrypted connection or not at all; search; ask whose password it is. */
import { X509Certificate } from 'node:crypto'
import { connect, isIP } from 'node:net'
import type { ConnectionOptions } from 'node:tls'
import { Client, InvalidCredentialsError, NoSuchObjectError, ResultCodeError } from 'ldapts'
import { authError } from '../errors.ts'
import { escapeBytes, hasMemberFilter, inGroupFilter, userFilterOf } from './filters.ts'
import type { DirectorySetting } from './setting.ts'

export interface DirectoryEntry {
  readonly dn: string
  /** Stays when the person is renamed. Hex of its bytes. */
  readonly id: string
  readonly name: string
  readonly isDisabled: boolean
}

const TIMEOUT_MS = 8000
/** `userAccountControl` of Active Directory. */
const ACCOUNT_DISABLED = 2
/** Of OpenLDAP's password policy, and of 389 and its kin. */
const LOCKED_ATTRIBUTES = ['pwdAccountLockedTime', 'nsAccountLock'] as const
const CONTROL = 'userAccountControl'

/** AUTH_DIRECTORY_UNAVAILABLE for whatever does not work in it. */
export async function withDirectory<T>(
  setting: DirectorySetting,
  bindPassword: string,
  work: (directory: Directory) => Promise<T>,
): Promise<T> {
  const client = await open(setting)
  try {
    await inWords(() => client.bind(setting.bindDn, notEmpty(bindPassword)))
    return await inWords(() => work(new Directory(client, setting)))
  } finally {
    await close(client)
  }
}

export class Directory {
  readonly #client: Client
  readonly #setting: DirectorySetting

  constructor(client: Client, setting: DirectorySetting) {
    this.#client = client
    this.#setting = setting
  }

  /** Undefined when there is none, or more than one: who of them it would be must not be guessed. */
  async findByName(name: string): Promise<DirectoryEntry | undefined> {
    return await this.#find(userFilterOf(this.#setting.userFilter, name))
  }

  async findById(id: string): Promise<DirectoryEntry | undefined> {
    const bytes = Buffer.from(id, 'hex')
    // Text (entryUUID) and bytes (objectGUID) are written the same way in a filter.
    return await this.#find(`(${this.#setting.idAttribute}=${escapeBytes(bytes)})`)
  }

  /** Of the groups that the setting names. */
  async rolesOf(entry: DirectoryEntry): Promise<DirectorySetting['groups'][number]['roles']> {
    const { groups, groupLookup } = this.#setting
    const roles = new Set<DirectorySetting['groups'][number]['roles'][number]>()
    for (const { group, roles: given } of groups) {
      const [base, filter] = groupLookup === 'nested' ? [entry.dn, inGroupFilter(group)] : [group, hasMemberFilter(entry.dn)]
      if (await this.#matches(base, filter)) for (const role of given) roles.add(role)
    }
    return [...roles]
  }

  /** Asked on a connection of its own: the one that searches stays who it is. */
  async isPasswordOf(entry: DirectoryEntry, password: string): Promise<boolean> {
    // A directory takes an empty password for nobody's, and says yes (RFC 4513, 5.1.2).
    if (password === '') return false
    const client = await open(this.#setting)
    try {
      await client.bind(entry.dn, password)
      return true
    } catch (error) {
      // Wrong, expired, locked, disabled: the directory says no.
      if (error instanceof ResultCodeError && isRefusal(error)) return false
      throw error
    } finally {
      await close(client)
    }
  }

  async #find(filter: string): Promise<DirectoryEntry | undefined> {
    const { baseDn, nameAttribute, idAttribute } = this.#setting
    const { searchEntries } = await this.#client.search(baseDn, {
      scope: 'sub',
      filter,
      sizeLimit: 2,
      derefAliases: 'never',
      attributes: [nameAttribute, idAttribute, CONTROL, ...LOCKED_ATTRIBUTES],
      explicitBufferAttributes: [idAttribute],
    })
    const [found, ...others] = searchEntries
    if (!found || others.length > 0) return undefined
    const [id] = valuesOf(found[idAttribute])
    const [name] = valuesOf(found[nameAttribute])
    if (id === undefined || name === undefined || id.length === 0) return undefined
    const control = Number(valuesOf(found[CONTROL])[0]?.toString() ?? 0)
    const isLocked = LOCKED_ATTRIBUTES.some((attribute) => {
      const value = valuesOf(found[attribute])[0]?.toString().toLowerCase()
      return value !== undefined && value !== 'false'
    })
    return { dn: found.dn, id: id.toString('hex'), name: name.toString(), isDisabled: (control & ACCOUNT_DISABLED) !== 0 || isLocked }
  }

  async #matches(base: string, filter: string): Promise<boolean> {
    try {
      const { searchEntries } = await this.#client.search(base, { scope: 'base', filter, attributes: ['1.1'] })
      return searchEntries.length > 0
    } catch (error) {
      // A group that was removed has no members.
      if (error instanceof NoSuchObjectError) return false
      throw error
    }
  }
}

async function open(setting: DirectorySetting): Promise<Client> {
  const { hostname, protocol } = new URL(setting.url)
  const host = hostname.replace(/^\[|\]$/g, '')
  const options = tlsOptionsOf(setting, host)
  let isConnected = false
  const client = new Client({
    url: setting.url,
    timeout: TIMEOUT_MS,
    connectTimeout: TIMEOUT_MS,
    ...(protocol === 'ldaps:' && { tlsOptions: options }),
    // The library connects again by itself. After StartTLS that would be in the clear, with a password as the next thing said.
    createConnection: ((port: number, at: string) => {
      if (isConnected) throw new Error('the connection was lost')
      isConnected = true
      const socket = connect(port, at)
      socket.setTimeout(TIMEOUT_MS, () => socket.destroy(new Error('the directory does not answer')))
      return socket
    }) as typeof connect,
  })
  if (protocol === 'ldap:') {
    try {
      await inWords(() => client.startTLS({ ...options, host }))
    } catch (error) {
      await close(client)
      throw error
    }
  }
  return client
}

function tlsOptionsOf({ certificate, isPinned }: DirectorySetting, host: string): ConnectionOptions {
  const base: ConnectionOptions = { minVersion: 'TLSv1.2', ...(isIP(host) === 0 && { servername: host }) }
  if (certificate === '') return base
  if (!isPinned) return { ...base, ca: certificate }
  const pinned = new X509Certificate(certificate)
  return {
    ...base,
    ca: certificate,
    // Also one that an authority made is trusted by itself then.
    allowPartialTrustChain: true,
    // That certificate and no other; then its name does not matter.
    checkServerIdentity: (_name, shown) =>
      pinned.raw.equals(shown.raw) ? undefined : new Error('another certificate than the pinned one'),
  }
}

async function inWords<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    if (cause instanceof Error && 'kind' in cause) throw cause
    const why =
      cause instanceof InvalidCredentialsError
        ? 'it refuses the account that searches'
        : cause instanceof Error
          ? cause.message
          : String(cause)
    throw authError('AUTH_DIRECTORY_UNAVAILABLE', `the directory can not be asked: ${why.slice(0, 300)}`, { cause })
  }
}

async function close(client: Client): Promise<void> {
  try {
    await client.unbind()
  } catch {
    // It hung up first.
  }
}

/** Result codes: inappropriate authentication, invalid credentials, insufficient rights, unwilling to perform (an account that is locked). */
function isRefusal({ code }: ResultCodeError): boolean {
  return [48, 49, 50, 53].includes(code)
}

function notEmpty(password: string): string {
  if (password === '') throw authError('AUTH_DIRECTORY_UNAVAILABLE', 'the account that searches the directory has no password yet')
  return password
}

function valuesOf(value: unknown): Buffer[] {
  const list = Array.isArray(value) ? value : value === undefined ? [] : [value]
  return list.map((each) => (Buffer.isBuffer(each) ? each : Buffer.from(String(each))))
}
