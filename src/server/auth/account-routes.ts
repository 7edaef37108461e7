/** Accounts, as security administrators see them. */
import { z } from 'zod'
import type { Account, Records, Role } from '../../catalog/index.ts'
import {
  accountShape,
  changeAccountShape,
  createAccountShape,
  createdAccountShape,
  idShape,
  pageQueryShape,
  pageShape,
  resetAccountShape,
  resetDoneShape,
} from '../../wire/index.ts'
import type { ServerContext } from '../context.ts'
import { auditors, guardians, type Route, route } from '../http/route.ts'
import { checkHasOwnPassword, NO_PASSWORD } from './directory/sign-in.ts'
import { authError } from './errors.ts'
import type { Passwords } from './passwords.ts'
import { presentAccount } from './present.ts'
import { makePassword } from './second-factor.ts'

const tag = 'Accounts'
const look = { who: 'roles', roles: auditors, scope: 'server' } as const
const change = { who: 'roles', roles: guardians, scope: 'server', stepUp: true } as const
const params = z.object({ id: idShape })

export function accountRoutes(context: ServerContext, passwords: Passwords): Route[] {
  const { catalog, op } = context
  return [
    route({
      method: 'GET',
      path: '/accounts',
      name: 'account.list',
      summary: 'All accounts, by name.',
      tag,
      access: look,
      query: pageQueryShape,
      answer: pageShape(accountShape),
      async handle({ query }) {
        const page = await catalog.accounts.list(query)
        return { body: { ...page, items: page.items.map(presentAccount) } }
      },
    }),

    route({
      method: 'GET',
      path: '/accounts/:id',
      name: 'account.read',
      summary: 'One account.',
      tag,
      access: look,
      params,
      answer: accountShape,
      async handle({ params: { id } }) {
        const account = await catalog.accounts.get(id)
        return { body: presentAccount(account), version: account.version }
      },
    }),

    route({
      method: 'POST',
      path: '/accounts',
      name: 'account.create',
      summary: 'Make an account. The answer has its first password, this once; the person changes it at the first sign-in.',
      tag,
      access: change,
      body: createAccountShape,
      answer: createdAccountShape,
      status: 201,
      takesKey: false,
      needsSecond: ({ body }) => isAdministrator(body.roles),
      async handle({ body, record }) {
        const { name, roles, isOfDirectory } = body
        const password = isOfDirectory ? undefined : makePassword(op.random)
        const passwordHash = password === undefined ? NO_PASSWORD : await passwords.hash(password)
        const origin = isOfDirectory ? { mustChangePassword: false, directoryId: '' } : { mustChangePassword: true }
        const account = await catalog.transaction(async (records) => {
          const made = await records.accounts.create({ name, roles, passwordHash, ...origin })
          await record({ action: 'account.create', subject: subjectOf(made), details: { name, roles, isOfDirectory } }, records)
          return made
        })
        return {
          body: { account: presentAccount(account), ...(password !== undefined && { password }) },
          location: `/api/v1/accounts/${account.id}`,
        }
      },
    }),

    route({
      method: 'PATCH',
      path: '/accounts/:id',
      name: 'account.change',
      summary: 'Change the roles of an account, disable it, or enable it again. Its sessions end.',
      tag,
      access: change,
      params,
      body: changeAccountShape,
      answer: accountShape,
      needsVersion: true,
      // More administrators, or other ones: who decides alone on that would be as many as he likes.
      needsSecond: async ({ params: { id }, body }) =>
        isAdministrator(body.roles ?? []) || isAdministrator((await catalog.accounts.find(id))?.roles ?? []),
      async handle({ params: { id }, body, expectedVersion, record }) {
        const account = await catalog.transaction(async (records) => {
          const before = await records.accounts.get(id)
          const after = await records.accounts.change(id, body, expectedVersion)
          await keepAGuardian(records)
          await records.sessions.closeAllOf(id)
          // A token is as strong as its account is at the time it is used; of one that is disabled none shall come back with it.
          if (after.isDisabled && !before.isDisabled) await records.apiTokens.revokeAllOf(id)
          const details = { before: stateOf(before), after: stateOf(after) }
          await record({ action: 'account.change', subject: subjectOf(after), details }, records)
          return after
        })
        return { body: presentAccount(account), version: account.version }
      },
    }),

    route({
      method: 'POST',
      path: '/accounts/:id/reset',
      name: 'account.reset',
      summary: 'Give an account a new first password, take away its second factor, or both. Its sessions and tokens end.',
      tag,
      access: change,
      params,
      body: resetAccountShape,
      answer: resetDoneShape,
      takesKey: false,
      // Who has the new password is that administrator.
      needsSecond: async ({ params: { id } }) => isAdministrator((await catalog.accounts.find(id))?.roles ?? []),
      async handle({ params: { id }, body, record }) {
        if (body.password) checkHasOwnPassword(await catalog.accounts.get(id))
        const password = body.password ? makePassword(op.random) : undefined
        const passwordHash = password === undefined ? undefined : await passwords.hash(password)
        const account = await catalog.transaction(async (records) => {
          const { name } = await records.accounts.get(id)
          if (passwordHash !== undefined) await records.accounts.setPassword(id, passwordHash, { mustChange: true })
          if (body.totp) await records.accounts.removeTotp(id)
          await records.sessions.closeAllOf(id)
          await records.apiTokens.revokeAllOf(id)
          const details = { name, password: body.password, totp: body.totp }
          await record({ action: 'account.reset', subject: { kind: 'account', id }, details }, records)
          return await records.accounts.get(id)
        })
        return { body: { account: presentAccount(account), ...(password !== undefined && { password }) } }
      },
    }),
  ]
}

/** Somebody must be left who can give roles. In the transaction of the change. */
async function keepAGuardian(records: Records): Promise<void> {
  if ((await records.accounts.countWithRole('security-admin')) === 0) {
    throw authError('AUTH_LAST_ADMINISTRATOR', 'no security administrator would be left')
  }
}

const ADMINISTRATORS: readonly Role[] = ['backup-admin', 'security-admin']
const isAdministrator = (roles: readonly Role[]) => roles.some((role) => ADMINISTRATORS.includes(role))
const subjectOf = (account: Account) => ({ kind: 'account', id: account.id }) as const
const stateOf = ({ name, roles, isDisabled }: Account) => ({ name, roles, isDisabled })
