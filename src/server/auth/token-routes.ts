/** API tokens: each for the account of who makes it, with at most its roles, and with an end. */
import { z } from 'zod'
import { createdTokenShape, createTokenShape, idShape, pageQueryShape, pageShape, tokenDescriptionShape } from '../../wire/index.ts'
import type { ServerContext } from '../context.ts'
import { everyRole, type Route, route } from '../http/route.ts'
import { type KnownCaller, needsTotp } from './caller.ts'
import { authError } from './errors.ts'
import { DAY_MS } from './policy.ts'
import { presentToken } from './present.ts'
import { API_TOKEN_PREFIX, makeSecret, sha256Of } from './tokens.ts'

const tag = 'API tokens'
const own = { who: 'roles', roles: everyRole, scope: 'server', sessionOnly: true } as const

export function tokenRoutes({ catalog, op }: ServerContext): Route[] {
  return [
    route({
      method: 'GET',
      path: '/tokens',
      name: 'token.list',
      summary: 'My tokens, the newest first; of all accounts for security administrators and auditors with `all`.',
      tag,
      access: { who: 'roles', roles: everyRole, scope: 'server' },
      query: pageQueryShape.extend({ all: z.stringbool().default(false) }),
      answer: pageShape(tokenDescriptionShape),
      async handle({ caller, query }) {
        if (query.all && !seesAll(caller))
          throw authError('AUTH_FORBIDDEN', 'tokens of others are for security administrators and auditors')
        const page = await catalog.apiTokens.list(query, query.all ? {} : { accountId: caller.account.id })
        return { body: { ...page, items: page.items.map(presentToken) } }
      },
    }),

    route({
      method: 'POST',
      path: '/tokens',
      name: 'token.create',
      summary: 'Make a token. The answer has it, this once.',
      tag,
      access: own,
      body: createTokenShape,
      answer: createdTokenShape,
      status: 201,
      takesKey: false,
      async handle({ caller, body, record }) {
        const tooMany = body.roles.filter((role) => !caller.roles.includes(role))
        if (tooMany.length > 0) throw authError('AUTH_ROLES_EXCEEDED', `this account does not have the roles ${tooMany.join(', ')}`)
        if (needsTotp(body.roles) && !(caller.kind === 'session' && caller.isSteppedUp)) {
          throw authError('AUTH_STEP_UP_REQUIRED', 'a token with the roles of an administrator needs a proof of the last five minutes')
        }
        const secret = `${API_TOKEN_PREFIX}${makeSecret(op.random)}`
        const { name, roles, groups, days } = body
        const expiresMs = op.clock.nowMs() + days * DAY_MS
        const token = await catalog.transaction(async (records) => {
          const made = await records.apiTokens.create({
            accountId: caller.account.id,
            name,
            tokenSha256: sha256Of(secret),
            roles,
            groups,
            expiresMs,
          })
          await record({ action: 'token.create', subject: { kind: 'token', id: made.id }, details: { name, roles, groups, days } }, records)
          return made
        })
        return { body: { token: presentToken(token), secret } }
      },
    }),

    route({
      method: 'DELETE',
      path: '/tokens/:id',
      name: 'token.revoke',
      summary: 'Revoke a token: one of mine, or as a security administrator any.',
      tag,
      access: own,
      params: z.object({ id: idShape }),
      async handle({ caller, params: { id }, record }) {
        const token = await catalog.apiTokens.find(id)
        const isMine = token?.accountId === caller.account.id
        // The same answer for another's and for none: nobody learns which ids there are.
        if (!token || !(isMine || caller.roles.includes('security-admin'))) throw authError('AUTH_FORBIDDEN', 'this token is not yours')
        await catalog.transaction(async (records) => {
          await records.apiTokens.revoke(id)
          await record({ action: 'token.revoke', subject: { kind: 'token', id }, details: { name: token.name } }, records)
        })
        return {}
      },
    }),
  ]
}

function seesAll(caller: KnownCaller): boolean {
  return caller.roles.includes('security-admin') || caller.roles.includes('auditor')
}
