/** Codes of an authenticator app (RFC 6238: SHA-1, 6 digits, 30 s, one step to either side), and recovery codes for who has lost it. */
import { generateURI, ScureBase32Plugin, verifySync } from 'otplib'
import type { Random } from '../../base/random.ts'
import type { Account } from '../../catalog/index.ts'
import type { ServerContext } from '../context.ts'
import { recoveryCodeCount } from './policy.ts'

const SECRET_BYTES = 20
const STEP_SECONDS = 30
/** Without those that look like another. */
const CODE_LETTERS = 'abcdefghjkmnpqrstuvwxyz23456789'
const base32 = new ScureBase32Plugin()

export interface TotpOffer {
  /** Base 32, for typing. */
  readonly secret: string
  /** For a QR code. */
  readonly uri: string
  readonly sealed: Uint8Array
}

export function offerTotp({ op, sealer }: ServerContext, account: Account, issuer: string): TotpOffer {
  const bytes = op.random.bytes(SECRET_BYTES)
  const secret = base32.encode(bytes, { padding: false })
  return { secret, uri: generateURI({ issuer, label: account.name, secret }), sealed: sealer.seal(bytes, totpContext(account)) }
}

/** The time step of the code, or undefined when it is wrong. Whether it was used before, the caller must find out. */
export function matchTotp({ op, sealer }: ServerContext, account: Account, sealed: Uint8Array, code: string): number | undefined {
  const epoch = Math.floor(op.clock.nowMs() / 1000)
  const result = verifySync({ secret: sealer.open(sealed, totpContext(account)), token: code, epoch, epochTolerance: STEP_SECONDS })
  return result.valid && 'timeStep' in result ? result.timeStep : undefined
}

/** Uses the code up: it is right once. */
export async function acceptTotp(context: ServerContext, account: Account, code: string): Promise<boolean> {
  if (account.totpSealed === undefined || account.totpConfirmedMs === undefined) return false
  const step = matchTotp(context, account, account.totpSealed, code)
  return step !== undefined && (await context.catalog.accounts.acceptTotpStep(account.id, step))
}

export async function acceptRecoveryCode({ catalog, sealer }: ServerContext, account: Account, code: string): Promise<boolean> {
  if (account.totpConfirmedMs === undefined) return false
  return await catalog.accounts.useRecoveryCode(account.id, sealer.hash(plain(code), codeContext(account)))
}

export interface RecoveryCodes {
  readonly codes: readonly string[]
  readonly hashes: readonly string[]
}

export function makeRecoveryCodes({ op, sealer }: ServerContext, account: Account): RecoveryCodes {
  const codes = Array.from({ length: recoveryCodeCount }, () => {
    const letters = pickLetters(op.random, 10)
    return `${letters.slice(0, 5)}-${letters.slice(5)}`
  })
  return { codes, hashes: codes.map((code) => sealer.hash(plain(code), codeContext(account))) }
}

/** For a first password that a person changes at once. */
export function makePassword(random: Random): string {
  return `${pickLetters(random, 5)}-${pickLetters(random, 5)}-${pickLetters(random, 5)}-${pickLetters(random, 5)}`
}

/** Each letter as likely as any other: bytes above the last multiple of their number are passed over. */
function pickLetters(random: Random, count: number): string {
  const bound = 256 - (256 % CODE_LETTERS.length)
  let text = ''
  while (text.length < count) {
    for (const byte of random.bytes(count)) {
      if (byte < bound && text.length < count) text += CODE_LETTERS[byte % CODE_LETTERS.length]
    }
  }
  return text
}

function plain(code: string): string {
  return code.toLowerCase().replace('-', '')
}

const totpContext = (account: Account) => `totp:${account.id}`
const codeContext = (account: Account) => `recovery-code:${account.id}`
