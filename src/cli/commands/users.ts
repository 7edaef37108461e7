/** Accounts of a server, and the own one. */
import { type Command, Option } from 'commander'
import type { z } from 'zod'
import { type AccountDescription, accountShape, callerShape, createdAccountShape, resetDoneShape, roleShape } from '../../wire/index.ts'
import { SERVER_EXITS, type ServerOptions, withApi, withServer } from '../api/connect.ts'
import { findItem } from '../api/find-item.ts'
import { shortTime, showDone, showList, yesNo } from '../api/show.ts'
import { confirmTotp, getNewPassword, getPassword, offerTotp, tellOffer, tellRecoveryCodes } from '../api/sign-in.ts'
import { plainText } from '../arguments.ts'
import { type CommandHost, collect, describe, withJson } from '../command.ts'
import { cliError } from '../errors.ts'
import { EXIT_CODES } from '../exit-codes.ts'
import { printable } from '../format.ts'
import type { Run } from '../run.ts'

interface Options extends ServerOptions {
  readonly json?: boolean
}

export const ROLES = roleShape.options

export function rolesOption(): Option {
  return new Option('--role <role>', 'a role; may be given several times')
    .choices(ROLES)
    .argParser((value: string, before: string[] | undefined) => {
      if (!ROLES.some((role) => role === value)) throw cliError('USAGE_INVALID', `${value} is no role; there are ${ROLES.join(', ')}`)
      return collect(value, before)
    })
}

export function addUserList(parent: Command, host: CommandHost): void {
  const command = parent.command('list').summary('list accounts').description('Lists the accounts of the server.')
  withJson(withServer(command)).action((options: Options) =>
    host.run(options, (run) =>
      withApi(run, options, async (api) => {
        const accounts = await api.list('/accounts', accountShape)
        showList(run.output, accounts, COLUMNS, 'no accounts')
        return EXIT_CODES.ok
      }),
    ),
  )
  describe(command, { examples: ['terp user list'], exits: SERVER_EXITS })
}

const COLUMNS = [
  { title: 'NAME', of: ({ name }: AccountDescription) => name },
  { title: 'ROLES', of: ({ roles }: AccountDescription) => roles.join(', ') },
  { title: 'SECOND FACTOR', of: ({ hasTotp }: AccountDescription) => yesNo(hasTotp) },
  { title: 'LAST SIGN-IN', of: ({ lastSignIn }: AccountDescription) => shortTime(lastSignIn) },
  { title: 'STATE', of: stateOf },
]

function stateOf({ isDisabled, mustChangePassword }: AccountDescription): string {
  if (isDisabled) return 'disabled'
  return mustChangePassword ? 'new password due' : 'active'
}

interface AddOptions extends Options {
  readonly role?: string[]
}

export function addUserAdd(parent: Command, host: CommandHost): void {
  const command = parent
    .command('add')
    .summary('make an account')
    .description('Makes an account and prints its first password, this once; the person changes it at the first sign-in.')
    .argument('<NAME>', 'what the person signs in as')
    .addOption(rolesOption())
  withJson(withServer(command)).action((name: string, options: AddOptions) => host.run(options, (run) => userAdd(run, name, options)))
  describe(command, { examples: ['terp user add anna --role operator'], exits: SERVER_EXITS, notes: FRESH })
}

const FRESH = 'Needs a sign-in of the last five minutes; on a terminal, password and code are asked for again.'

async function userAdd(run: Run, name: string, options: AddOptions) {
  const body = { name: plainText(name, 'the name'), roles: options.role ?? ['reader'] }
  const made = await withApi(run, options, (api) => api.send('POST', '/accounts', createdAccountShape, { body }))
  showDone(run, made, `made the account ${made.account.name} (${made.account.roles.join(', ')}); its first password: ${made.password}`)
  return EXIT_CODES.ok
}

interface ChangeOptions extends Options {
  readonly role?: string[]
  readonly disable?: boolean
  readonly enable?: boolean
}

export function addUserChange(parent: Command, host: CommandHost): void {
  const command = parent
    .command('change')
    .summary('change roles, disable, enable')
    .description('Changes the roles of an account, disables it, or enables it again. Its sessions end.')
    .argument('<USER>', 'name or id')
    .addOption(rolesOption())
    .addOption(new Option('--disable', 'nobody signs in with it any more; its tokens end').conflicts('enable'))
    .option('--enable', 'it may be used again')
  withJson(withServer(command)).action((user: string, options: ChangeOptions) => host.run(options, (run) => userChange(run, user, options)))
  describe(command, {
    examples: ['terp user change anna --role reader --role operator', 'terp user change anna --disable'],
    exits: SERVER_EXITS,
    notes: FRESH,
  })
}

async function userChange(run: Run, user: string, options: ChangeOptions) {
  const isDisabled = options.disable === true ? true : options.enable === true ? false : undefined
  if (options.role === undefined && isDisabled === undefined)
    throw cliError('USAGE_INVALID', 'say what to change: --role, --disable or --enable')
  const body = { ...(options.role && { roles: options.role }), ...(isDisabled !== undefined && { isDisabled }) }
  const after = await withApi(run, options, async (api) => {
    const { id, version } = await findItem(api, '/accounts', accountShape, user, 'account')
    return await api.send('PATCH', `/accounts/${id}`, accountShape, { body, version })
  })
  showDone(run, after, `${after.name}: ${after.roles.join(', ')}; ${stateOf(after)}`)
  return EXIT_CODES.ok
}

interface ResetOptions extends Options {
  readonly password?: boolean
  readonly totp?: boolean
}

export function addUserReset(parent: Command, host: CommandHost): void {
  const command = parent
    .command('reset')
    .summary('give a new first password')
    .description('Gives an account a new first password, takes away its second factor, or both. Its sessions and tokens end.')
    .argument('<USER>', 'name or id')
    .option('--password', 'a new first password, printed this once')
    .option('--totp', 'without a second factor, until the person enrols one')
  withJson(withServer(command)).action((user: string, options: ResetOptions) => host.run(options, (run) => userReset(run, user, options)))
  describe(command, { examples: ['terp user reset anna --password --totp'], exits: SERVER_EXITS, notes: FRESH })
}

async function userReset(run: Run, user: string, options: ResetOptions) {
  const body = { password: options.password === true, totp: options.totp === true }
  if (!body.password && !body.totp) throw cliError('USAGE_INVALID', 'say what to reset: --password or --totp')
  const done = await withApi(run, options, async (api) => {
    const { id } = await findItem(api, '/accounts', accountShape, user, 'account')
    return await api.send('POST', `/accounts/${id}/reset`, resetDoneShape, { body })
  })
  const told = done.password === undefined ? 'its second factor is gone' : `its first password: ${done.password}`
  showDone(run, done, `${done.account.name}: ${told}`)
  return EXIT_CODES.ok
}

interface PasswordOptions extends Options {
  readonly passwordFile?: string
  readonly newPasswordFile?: string
}

export function addUserPassword(parent: Command, host: CommandHost): void {
  const command = parent
    .command('password')
    .summary('change the own password')
    .description('Changes the password of who is signed in. All other sessions of the account end.')
    .option('--password-file <file>', 'file with the present password')
    .option('--new-password-file <file>', 'file with the new one')
  withJson(withServer(command)).action((options: PasswordOptions) => host.run(options, (run) => userPassword(run, options)))
  describe(command, { examples: ['terp user password'], exits: SERVER_EXITS })
}

async function userPassword(run: Run, options: PasswordOptions) {
  const password = await getPassword(run, options.passwordFile, 'Present password')
  const newPassword = await getNewPassword(run, options.newPasswordFile)
  const me = await withApi(run, options, (api) => api.send('PUT', '/session/password', callerShape, { body: { password, newPassword } }))
  const due = me.mustDo.includes('enrol-totp') ? '; now enrol a second factor: terp user totp' : ''
  showDone(run, { must_do: me.mustDo }, `the password is changed${due}`)
  return EXIT_CODES.ok
}

interface TotpOptions extends Options {
  readonly confirm?: string
}

export function addUserTotp(parent: Command, host: CommandHost): void {
  const command = parent
    .command('totp')
    .summary('enrol a second factor')
    .description(
      'Enrols a second factor for who is signed in: prints the secret for an authenticator app, and takes its first code. The recovery codes are shown once.',
    )
    .option('--confirm <code>', 'the first code, where the secret was printed by an earlier run')
  withJson(withServer(command)).action((options: TotpOptions) => host.run(options, (run) => userTotp(run, options)))
  describe(command, { examples: ['terp user totp', 'terp user totp --confirm 123456'], exits: SERVER_EXITS })
}

async function userTotp(run: Run, options: TotpOptions) {
  const { output } = run
  await withApi(run, options, async (api) => {
    if (options.confirm !== undefined) return tellCodes(run, await confirmTotp(api, options.confirm))
    const offer = await offerTotp(api)
    if (output.isJson) return output.printJson(offer)
    tellOffer(run, offer)
    const { ask } = output.streams
    if (!ask) return output.print('confirm it with the code that the app shows: terp user totp --confirm CODE')
    tellCodes(run, await confirmTotp(api, await ask('Code that the app shows: ')))
  })
  return EXIT_CODES.ok
}

function tellCodes(run: Run, codes: readonly string[]): void {
  if (run.output.isJson) run.output.printJson({ recoveryCodes: codes })
  else tellRecoveryCodes(run, codes)
}

export function addUserShow(parent: Command, host: CommandHost): void {
  const command = parent
    .command('show')
    .summary('show who is signed in')
    .description('Shows who is signed in, with which roles, until when, and what must be done first.')
  withJson(withServer(command)).action((options: Options) => host.run(options, (run) => userShow(run, options)))
  describe(command, { examples: ['terp user show'], exits: SERVER_EXITS })
}

async function userShow(run: Run, options: Options) {
  const me: z.output<typeof callerShape> = await withApi(run, options, (api) => api.get('/session', callerShape))
  const { csrfToken: _, ...told } = me
  const due = me.mustDo.length > 0 ? `; must first: ${me.mustDo.join(', ')}` : ''
  showDone(run, told, `${printable(me.account.name)}, by a ${me.kind}, until ${shortTime(me.expires)} UTC: ${me.roles.join(', ')}${due}`)
  return EXIT_CODES.ok
}
