/** Accounts and their second factors. Passwords and codes come as hashes, secrets sealed: nothing here could sign in as anybody. */
import { sql, type Transaction } from 'kysely'
import { isUniqueViolation, transact } from '../sqlite/index.ts'
import { type CatalogContext, newId } from './context.ts'
import { nameTaken, notFound, versionConflict } from './errors.ts'
import { fromJson } from './json.ts'
import { type Page, type PageRequest, readCursor, toPage } from './paging.ts'
import { roles as allRoles, type Role } from './states.ts'
import type { AccountRow, Tables } from './tables.ts'

export interface Account {
  readonly id: string
  readonly name: string
  readonly roles: readonly Role[]
  readonly passwordHash: string
  readonly mustChangePassword: boolean
  readonly isDisabled: boolean
  readonly totpSealed: Uint8Array | undefined
  readonly totpConfirmedMs: number | undefined
  /** A new secret that waits to be confirmed. */
  readonly totpOfferSealed: Uint8Array | undefined
  readonly createdMs: number
  readonly passwordChangedMs: number
  readonly lastSignInMs: number | undefined
  readonly version: number
  /** Undefined: its password is ours. Otherwise a directory knows it; empty until the first sign-in, which binds it to one entry there. */
  readonly directoryId: string | undefined
}

export interface NewAccount {
  readonly name: string
  readonly roles: readonly Role[]
  readonly passwordHash: string
  readonly mustChangePassword: boolean
  readonly directoryId?: string | undefined
}

export class Accounts {
  readonly #context: CatalogContext

  constructor(context: CatalogContext) {
    this.#context = context
  }

  /** CATALOG_NAME_TAKEN. */
  async create({ name, roles, passwordHash, mustChangePassword, directoryId }: NewAccount): Promise<Account> {
    const nowMs = this.#context.clock.nowMs()
    const row: AccountRow = {
      id: newId(this.#context),
      name,
      roles_json: JSON.stringify(roles),
      password_hash: passwordHash,
      must_change_password: mustChangePassword ? 1 : 0,
      is_disabled: 0,
      totp_sealed: null,
      totp_confirmed_ms: null,
      totp_offer_sealed: null,
      totp_last_step: 0,
      created_ms: nowMs,
      password_changed_ms: nowMs,
      last_sign_in_ms: null,
      version: 1,
      directory_id: directoryId ?? null,
    }
    try {
      await this.#context.db.insertInto('accounts').values(row).execute()
    } catch (error) {
      throw isUniqueViolation(error) ? nameTaken('account', name) : error
    }
    return present(row)
  }

  async find(id: string): Promise<Account | undefined> {
    const row = await this.#context.db.selectFrom('accounts').selectAll().where('id', '=', id).executeTakeFirst()
    return row && present(row)
  }

  async get(id: string): Promise<Account> {
    const account = await this.find(id)
    if (!account) throw notFound('account', id)
    return account
  }

  /** Upper and lower case do not matter. */
  async findByName(name: string): Promise<Account | undefined> {
    const row = await this.#context.db.selectFrom('accounts').selectAll().where('name', '=', name).executeTakeFirst()
    return row && present(row)
  }

  /** Of an entry of the directory, whatever it is called now. */
  async findByDirectoryId(directoryId: string): Promise<Account | undefined> {
    if (directoryId === '') return undefined
    const query = this.#context.db.selectFrom('accounts').selectAll().where('directory_id', '=', directoryId)
    const row = await query.executeTakeFirst()
    return row && present(row)
  }

  /** Those that are bound to an entry of the directory. */
  async listOfDirectory(): Promise<Account[]> {
    const rows = await this.#context.db.selectFrom('accounts').selectAll().where('directory_id', '<>', '').orderBy('name').execute()
    return rows.map(present)
  }

  async bindToDirectory(id: string, directoryId: string): Promise<void> {
    await this.#update(id, { directory_id: directoryId })
  }

  /** By name. */
  async list({ limit, cursor }: PageRequest): Promise<Page<Account>> {
    const after = readCursor<[string]>(cursor, ['string'])
    let query = this.#context.db.selectFrom('accounts').selectAll()
    if (after) query = query.where('name', '>', after[0])
    const rows = await query
      .orderBy('name')
      .limit(limit + 1)
      .execute()
    return toPage(rows, limit, (row) => [row.name], present)
  }

  async count(): Promise<number> {
    const { n } = await this.#context.db
      .selectFrom('accounts')
      .select((eb) => eb.fn.countAll<number>().as('n'))
      .executeTakeFirstOrThrow()
    return n
  }

  /** Accounts that could act in one of them now. */
  async countWithAnyRole(wanted: readonly Role[]): Promise<number> {
    if (wanted.length === 0) return 0
    const rows = await this.#context.db.selectFrom('accounts').select('roles_json').where('is_disabled', '=', 0).execute()
    return rows.filter((row) => readRoles(row.roles_json).some((role) => wanted.includes(role))).length
  }

  /** Of accounts that could act in it now. */
  async countWithRole(role: Role): Promise<number> {
    const { n } = await this.#context.db
      .selectFrom('accounts')
      .select((eb) => eb.fn.countAll<number>().as('n'))
      .where('is_disabled', '=', 0)
      .where(sql<boolean>`exists (select 1 from json_each(roles_json) where value = ${role})`)
      .executeTakeFirstOrThrow()
    return n
  }

  /** CATALOG_RECORD_NOT_FOUND, CATALOG_VERSION_CONFLICT. */
  async change(
    id: string,
    change: { readonly roles?: readonly Role[] | undefined; readonly isDisabled?: boolean | undefined },
    expectedVersion: number,
  ): Promise<Account> {
    const account = await this.get(id)
    const result = await this.#context.db
      .updateTable('accounts')
      .set({
        roles_json: JSON.stringify(change.roles ?? account.roles),
        is_disabled: (change.isDisabled ?? account.isDisabled) ? 1 : 0,
        version: expectedVersion + 1,
      })
      .where('id', '=', id)
      .where('version', '=', expectedVersion)
      .executeTakeFirst()
    if (result.numUpdatedRows !== 1n) throw versionConflict('account', id, expectedVersion)
    return await this.get(id)
  }

  async setPassword(id: string, passwordHash: string, { mustChange }: { readonly mustChange: boolean }): Promise<void> {
    await this.#update(id, {
      password_hash: passwordHash,
      must_change_password: mustChange ? 1 : 0,
      password_changed_ms: this.#context.clock.nowMs(),
    })
  }

  /** The same password under newer costs. */
  async rehash(id: string, passwordHash: string): Promise<void> {
    await this.#update(id, { password_hash: passwordHash })
  }

  async signedIn(id: string): Promise<void> {
    await this.#update(id, { last_sign_in_ms: this.#context.clock.nowMs() })
  }

  /** A new secret, which takes the place of the one before when it is confirmed, and not earlier: who stops halfway is not without one. */
  async offerTotp(id: string, sealed: Uint8Array): Promise<void> {
    await this.#update(id, { totp_offer_sealed: sealed })
  }

  /** With a code of the offered secret, made in this time step, and new recovery codes. */
  async confirmTotp(id: string, { step, codeHashes }: { readonly step: number; readonly codeHashes: readonly string[] }): Promise<void> {
    await transact(this.#context.db, async (transaction) => {
      await transaction
        .updateTable('accounts')
        .set((eb) => ({
          totp_sealed: eb.ref('totp_offer_sealed'),
          totp_offer_sealed: null,
          totp_confirmed_ms: this.#context.clock.nowMs(),
          totp_last_step: step,
        }))
        .where('id', '=', id)
        .where('totp_offer_sealed', 'is not', null)
        .execute()
      await replaceCodes(transaction, id, codeHashes)
    })
  }

  async removeTotp(id: string): Promise<void> {
    await transact(this.#context.db, async (transaction) => {
      await transaction
        .updateTable('accounts')
        .set({ totp_sealed: null, totp_confirmed_ms: null, totp_offer_sealed: null, totp_last_step: 0 })
        .where('id', '=', id)
        .execute()
      await replaceCodes(transaction, id, [])
    })
  }

  /** False when a code of this time step or of a later one was accepted before: one statement, so that of two requests with one code one wins. */
  async acceptTotpStep(id: string, step: number): Promise<boolean> {
    const result = await this.#context.db
      .updateTable('accounts')
      .set({ totp_last_step: step })
      .where('id', '=', id)
      .where('totp_last_step', '<', step)
      .executeTakeFirst()
    return result.numUpdatedRows === 1n
  }

  async replaceRecoveryCodes(id: string, codeHashes: readonly string[]): Promise<void> {
    await transact(this.#context.db, (transaction) => replaceCodes(transaction, id, codeHashes))
  }

  /** False when there is no such code, or it was used. */
  async useRecoveryCode(id: string, codeHash: string): Promise<boolean> {
    const result = await this.#context.db
      .updateTable('recovery_codes')
      .set({ used_ms: this.#context.clock.nowMs() })
      .where('account_id', '=', id)
      .where('code_hash', '=', codeHash)
      .where('used_ms', 'is', null)
      .executeTakeFirst()
    return result.numUpdatedRows === 1n
  }

  async recoveryCodesLeft(id: string): Promise<number> {
    const { n } = await this.#context.db
      .selectFrom('recovery_codes')
      .select((eb) => eb.fn.countAll<number>().as('n'))
      .where('account_id', '=', id)
      .where('used_ms', 'is', null)
      .executeTakeFirstOrThrow()
    return n
  }

  async #update(id: string, set: Partial<AccountRow>): Promise<void> {
    const result = await this.#context.db.updateTable('accounts').set(set).where('id', '=', id).executeTakeFirst()
    if (result.numUpdatedRows !== 1n) throw notFound('account', id)
  }
}

async function replaceCodes(transaction: Transaction<Tables>, id: string, codeHashes: readonly string[]): Promise<void> {
  await transaction.deleteFrom('recovery_codes').where('account_id', '=', id).execute()
  if (codeHashes.length === 0) return
  await transaction
    .insertInto('recovery_codes')
    .values(codeHashes.map((code_hash) => ({ account_id: id, code_hash, used_ms: null })))
    .execute()
}

/** A role that this version does not know gives nothing. */
export function readRoles(text: string): Role[] {
  const named = fromJson<string[]>(text)
  return allRoles.filter((role) => named.includes(role))
}

function present(row: AccountRow): Account {
  return {
    id: row.id,
    name: row.name,
    roles: readRoles(row.roles_json),
    passwordHash: row.password_hash,
    mustChangePassword: row.must_change_password === 1,
    isDisabled: row.is_disabled === 1,
    totpSealed: row.totp_sealed ?? undefined,
    totpConfirmedMs: row.totp_confirmed_ms ?? undefined,
    totpOfferSealed: row.totp_offer_sealed ?? undefined,
    createdMs: row.created_ms,
    passwordChangedMs: row.password_changed_ms,
    lastSignInMs: row.last_sign_in_ms ?? undefined,
    version: row.version,
    directoryId: row.directory_id ?? undefined,
  }
}
