/** Signing in and out, and what a person does with the own account. */
import { z } from 'zod'
import type { Account, Session } from '../../catalog/index.ts'
import {
  browserSessionShape,
  callerShape,
  changePasswordShape,
  confirmTotpShape,
  idShape,
  recoveryCodesShape,
  signInShape,
  stepUpShape,
  totpOfferShape,
} from '../../wire/index.ts'
import type { ServerContext } from '../context.ts'
import { type Cookie, everyRole, type Route, route } from '../http/route.ts'
import { dutiesOf, type KnownCaller, withIncluded } from './caller.ts'
import { checkHasOwnPassword } from './directory/sign-in.ts'
import { authError } from './errors.ts'
import { checkNewPassword, type Passwords } from './passwords.ts'
import { sessionPolicy } from './policy.ts'
import { presentCaller, presentSession } from './present.ts'
import { prove } from './prove.ts'
import { makeRecoveryCodes, matchTotp, offerTotp } from './second-factor.ts'
import { csrfTokenOf, makeSecret, sha256Of } from './tokens.ts'

/** Of a person who is signed in, whatever his roles. */
const own = { who: 'roles', roles: everyRole, scope: 'server', sessionOnly: true } as const
const ownEvenIncomplete = { ...own, whileIncomplete: true } as const
const tag = 'Session'

export function sessionRoutes(context: ServerContext, passwords: Passwords): Route[] {
  const { catalog } = context

  return [
    route({
      method: 'POST',
      path: '/session',
      name: 'session.open',
      summary: 'Sign in. The answer sets the cookie of the session.',
      tag,
      access: { who: 'anybody' },
      body: signInShape,
      answer: callerShape,
      status: 201,
      takesKey: false,
      async handle({ body, address, client, caller, record }) {
        const account = await prove(context, passwords, body, { address, act: 'session.open' })
        // A session that was here before ends: its token may have been planted.
        if (caller.kind === 'session') await catalog.sessions.close(caller.account.id, caller.session.id)
        const opened = await openSession(context, account, { address, client })
        const subject = { kind: 'account', id: account.id } as const
        await record({ actor: opened.caller.actor, action: 'session.open', subject, details: usedFactor(body) })
        return { body: presentCaller(opened.caller), cookie: opened.cookie }
      },
    }),

    route({
      method: 'GET',
      path: '/session',
      name: 'session.read',
      summary: 'Who I am, what I may do, and what I must do first.',
      tag,
      access: { who: 'roles', roles: everyRole, scope: 'groups', whileIncomplete: true },
      answer: callerShape,
      handle: async ({ caller }) => ({ body: presentCaller(caller) }),
    }),

    route({
      method: 'DELETE',
      path: '/session',
      name: 'session.close',
      summary: 'Sign out.',
      tag,
      access: ownEvenIncomplete,
      async handle({ caller, record }) {
        const session = sessionOf(caller)
        await catalog.sessions.close(caller.account.id, session.id)
        await record({ action: 'session.close', subject: { kind: 'account', id: caller.account.id } })
        return { cookie: forget }
      },
    }),

    route({
      method: 'POST',
      path: '/session/step-up',
      name: 'session.step-up',
      summary: 'Prove again who I am, for acts that need it. The session gets a new cookie.',
      tag,
      access: own,
      body: stepUpShape,
      answer: callerShape,
      takesKey: false,
      async handle({ caller, body, address, record }) {
        if (caller.account.totpConfirmedMs === undefined) throw authError('AUTH_TOTP_NOT_OFFERED', 'this account has no second factor')
        await prove(context, passwords, { ...body, name: caller.account.name }, { address, act: 'session.step-up' })
        const rotated = await rotate(context, caller.account, sessionOf(caller), { isSteppedUp: true })
        await record({ action: 'session.step-up', subject: { kind: 'account', id: caller.account.id }, details: usedFactor(body) })
        return { body: presentCaller(rotated.caller), cookie: rotated.cookie }
      },
    }),

    route({
      method: 'PUT',
      path: '/session/password',
      name: 'session.change-password',
      summary: 'Change my password. All other sessions of mine end.',
      tag,
      access: ownEvenIncomplete,
      body: changePasswordShape,
      answer: callerShape,
      async handle({ caller, body, address, record }) {
        const { account } = caller
        checkHasOwnPassword(account)
        checkNewPassword(body.newPassword, account.name)
        const proof = { name: account.name, password: body.password }
        // The session has the second factor behind it.
        await prove(context, passwords, proof, { address, act: 'session.change-password', isPasswordEnough: true })
        const hash = await passwords.hash(body.newPassword)
        const session = sessionOf(caller)
        await catalog.transaction(async (records) => {
          await records.accounts.setPassword(account.id, hash, { mustChange: false })
          await records.sessions.closeAllOf(account.id, session.id)
          await record({ action: 'session.change-password', subject: { kind: 'account', id: account.id } }, records)
        })
        const rotated = await rotate(context, await catalog.accounts.get(account.id), session, { isSteppedUp: false })
        return { body: presentCaller(rotated.caller), cookie: rotated.cookie }
      },
    }),

    route({
      method: 'POST',
      path: '/session/totp',
      name: 'totp.offer',
      summary: 'Begin with a (new) second factor. It counts once it is confirmed.',
      tag,
      access: ownEvenIncomplete,
      answer: totpOfferShape,
      takesKey: false,
      async handle({ caller, origin, record }) {
        needsProofToReplace(caller)
        const { secret, uri, sealed } = offerTotp(context, caller.account, `Terp ${hostOf(origin)}`)
        await catalog.transaction(async (records) => {
          await records.accounts.offerTotp(caller.account.id, sealed)
          await record({ action: 'totp.offer', subject: { kind: 'account', id: caller.account.id } }, records)
        })
        return { body: { secret, uri } }
      },
    }),

    route({
      method: 'POST',
      path: '/session/totp/confirm',
      name: 'totp.confirm',
      summary: 'Confirm the second factor with its first code. The answer has the recovery codes, this once.',
      tag,
      access: ownEvenIncomplete,
      body: confirmTotpShape,
      answer: recoveryCodesShape,
      takesKey: false,
      async handle({ caller, body, record }) {
        needsProofToReplace(caller)
        const { account } = caller
        if (account.totpOfferSealed === undefined) throw authError('AUTH_TOTP_NOT_OFFERED', 'no second factor was offered')
        const step = matchTotp(context, account, account.totpOfferSealed, body.totp)
        if (step === undefined) throw authError('AUTH_FAILED', 'the code is wrong')
        const { codes, hashes } = makeRecoveryCodes(context, account)
        await catalog.transaction(async (records) => {
          await records.accounts.confirmTotp(account.id, { step, codeHashes: hashes })
          await records.sessions.closeAllOf(account.id, sessionOf(caller).id)
          if (isProofOfBoth(caller)) await records.sessions.stepUp(sessionOf(caller).id)
          await record({ action: 'totp.confirm', subject: { kind: 'account', id: account.id } }, records)
        })
        return { body: { recoveryCodes: [...codes] } }
      },
    }),

    route({
      method: 'POST',
      path: '/session/recovery-codes',
      name: 'recovery-codes.renew',
      summary: 'New recovery codes; those before are void.',
      tag,
      access: { ...own, stepUp: true },
      answer: recoveryCodesShape,
      takesKey: false,
      async handle({ caller, record }) {
        const { codes, hashes } = makeRecoveryCodes(context, caller.account)
        await catalog.transaction(async (records) => {
          await records.accounts.replaceRecoveryCodes(caller.account.id, hashes)
          await record({ action: 'recovery-codes.renew', subject: { kind: 'account', id: caller.account.id } }, records)
        })
        return { body: { recoveryCodes: [...codes] } }
      },
    }),

    route({
      method: 'GET',
      path: '/sessions',
      name: 'session.list',
      summary: 'My sessions.',
      tag,
      access: own,
      answer: z.object({ items: z.array(browserSessionShape) }),
      async handle({ caller }) {
        const sessions = await catalog.sessions.listOf(caller.account.id, sessionPolicy)
        return { body: { items: sessions.map((session) => presentSession(session, sessionOf(caller).id)) } }
      },
    }),

    route({
      method: 'DELETE',
      path: '/sessions/:id',
      name: 'session.end',
      summary: 'End one of my sessions.',
      tag,
      access: own,
      params: z.object({ id: idShape }),
      async handle({ caller, params, record }) {
        await catalog.sessions.close(caller.account.id, params.id)
        await record({ action: 'session.end', subject: { kind: 'account', id: caller.account.id }, details: { session: params.id } })
        return {}
      },
    }),
  ]

  /** The first code of a first factor, and the password that opened this session: both of the last five minutes. */
  function isProofOfBoth(caller: KnownCaller): boolean {
    const isFirst = caller.account.totpConfirmedMs === undefined
    return isFirst && context.op.clock.nowMs() - sessionOf(caller).createdMs <= sessionPolicy.steppedUpMs
  }

  /** By who has a second factor already; without one it can only be added. */
  function needsProofToReplace(caller: KnownCaller): void {
    const isFirst = caller.account.totpConfirmedMs === undefined
    if (isFirst || (caller.kind === 'session' && caller.isSteppedUp)) return
    throw authError('AUTH_STEP_UP_REQUIRED', 'a second factor is replaced only after a proof of the last five minutes')
  }
}

/** As the app of the second factor will show it. The caller says how he reached this server, and may say anything. */
function hostOf(origin: string): string {
  return URL.canParse(origin) ? new URL(origin).hostname : 'server'
}

const forget: Cookie = { value: null, lifeMs: 0 }

function usedFactor({ totp, recoveryCode }: { readonly totp?: string | undefined; readonly recoveryCode?: string | undefined }) {
  return { factor: totp !== undefined ? 'totp' : recoveryCode !== undefined ? 'recovery-code' : 'none' }
}

function sessionOf(caller: KnownCaller): Session {
  if (caller.kind === 'session') return caller.session
  throw authError('AUTH_FORBIDDEN', 'this is for persons, not for tokens')
}

interface Opened {
  readonly caller: KnownCaller
  readonly cookie: Cookie
}

/** For somebody who has just proven who he is. */
export async function openSession(
  { catalog, op }: ServerContext,
  account: Account,
  from: { readonly address: string; readonly client: string },
): Promise<Opened> {
  const token = makeSecret(op.random)
  const isSteppedUp = account.totpConfirmedMs !== undefined
  const session = await catalog.sessions.open({
    accountId: account.id,
    tokenSha256: sha256Of(token),
    lifeMs: sessionPolicy.lifeMs,
    isSteppedUp,
    ...from,
  })
  await catalog.accounts.signedIn(account.id)
  return asCaller(account, session, token, isSteppedUp)
}

async function rotate(
  { catalog, op }: ServerContext,
  account: Account,
  session: Session,
  { isSteppedUp }: { readonly isSteppedUp: boolean },
): Promise<Opened> {
  const token = makeSecret(op.random)
  await catalog.sessions.rotate(session.id, sha256Of(token), { isSteppedUp })
  const steppedUpMs = isSteppedUp ? op.clock.nowMs() : session.steppedUpMs
  const isStillSteppedUp = steppedUpMs !== undefined && op.clock.nowMs() - steppedUpMs <= sessionPolicy.steppedUpMs
  return asCaller(account, { ...session, steppedUpMs }, token, isStillSteppedUp)
}

function asCaller(account: Account, session: Session, token: string, isSteppedUp: boolean): Opened {
  const actor = { kind: 'account', id: account.id, name: account.name } as const
  const common = { account, actor, roles: withIncluded(account.roles), groups: undefined, mustDo: dutiesOf(account) }
  return {
    caller: { kind: 'session', ...common, session, csrfToken: csrfTokenOf(token), isSteppedUp },
    cookie: { value: token, lifeMs: sessionPolicy.lifeMs },
  }
}
