/** Proving who somebody is: password and second factor, from files and options or from a person at a terminal. */
import type { z } from 'zod'
import { callerShape, confirmTotpShape, newPasswordShape, recoveryCodesShape, totpOfferShape } from '../../wire/index.ts'
import { cliError } from '../errors.ts'
import { readSmallFile } from '../files.ts'
import type { Run } from '../run.ts'
import type { Api } from './api.ts'

export interface ProofOptions {
  readonly passwordFile?: string
  readonly totp?: string
}

type Factor = { readonly totp?: string; readonly recoveryCode?: string }

const IS_TOTP = /^\d{6}$/

/** SECRET_NOT_GIVEN where nothing was given and nobody can be asked. */
export async function getPassword({ disk, output }: Run, path: string | undefined, question: string): Promise<string> {
  if (path !== undefined) return (await readSmallFile(disk, path, 'the password file')).toString('utf8').replace(/\r?\n$/, '')
  const { askSecret } = output.streams
  if (!askSecret) throw cliError('SECRET_NOT_GIVEN', `nobody can be asked for: ${question}`, { hint: 'Name a file with --password-file.' })
  return await askSecret(`${question}: `)
}

/** Asked for twice, since it can not be seen. */
export async function getNewPassword(run: Run, path: string | undefined): Promise<string> {
  const password = await getPassword(run, path, 'New password')
  const parsed = newPasswordShape.safeParse(password)
  if (!parsed.success) throw cliError('USAGE_INVALID', `the password needs ${parsed.error.issues[0]?.message ?? 'to be another'}`)
  if (path === undefined && (await getPassword(run, undefined, 'The same again')) !== password) {
    throw cliError('USAGE_INVALID', 'the two passwords are not the same')
  }
  return password
}

export async function getText({ output }: Run, given: string | undefined, question: string, option: string): Promise<string> {
  if (given !== undefined) return given
  const { ask } = output.streams
  if (!ask) throw cliError('SECRET_NOT_GIVEN', `nobody can be asked for: ${question}`, { hint: `Give it with ${option}.` })
  return (await ask(`${question}: `)).trim()
}

/** Of an authenticator app, or one of the codes for the day it is lost. */
export function readFactor(text: string): Factor {
  const code = text.replaceAll(' ', '')
  if (code === '') return {}
  return IS_TOTP.test(code) ? { totp: code } : { recoveryCode: code }
}

export async function askFactor(run: Run, given: string | undefined): Promise<Factor> {
  return readFactor(await getText(run, given, 'Code of your authenticator app, or a recovery code', '--totp'))
}

/** For an act that needs a proof of the last five minutes. */
export async function proveAgain(run: Run, api: Api): Promise<boolean> {
  run.output.note('this needs a fresh proof of who you are')
  const password = await getPassword(run, undefined, 'Password')
  const factor = await askFactor(run, undefined)
  await api.send('POST', '/session/step-up', callerShape, { body: { password, ...factor } })
  return true
}

export interface OfferedTotp {
  readonly secret: string
  readonly uri: string
}

export function offerTotp(api: Api): Promise<OfferedTotp> {
  return api.send('POST', '/session/totp', totpOfferShape)
}

export async function confirmTotp(api: Api, code: string): Promise<readonly string[]> {
  const body: z.input<typeof confirmTotpShape> = { totp: code.replaceAll(' ', '') }
  if (!confirmTotpShape.safeParse(body).success) throw cliError('USAGE_INVALID', 'the code has 6 digits')
  return (await api.send('POST', '/session/totp/confirm', recoveryCodesShape, { body })).recoveryCodes
}

export function tellOffer({ output }: Run, { secret, uri }: OfferedTotp): void {
  output.print('Enter this in an authenticator app:')
  output.print(`  secret  ${secret}`)
  output.print(`  or      ${uri}`)
}

export function tellRecoveryCodes({ output }: Run, codes: readonly string[]): void {
  output.print('The second factor is set. Keep these codes for the day the app is lost; each is good once, and they are not shown again:')
  for (const code of codes) output.print(`  ${code}`)
}
