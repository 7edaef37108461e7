/** API tokens: what programs sign in with. */
import type { Command } from 'commander'
import { createdTokenShape, type TokenDescription, tokenDescriptionShape } from '../../wire/index.ts'
import { SERVER_EXITS, type ServerOptions, withApi, withServer } from '../api/connect.ts'
import { findItem } from '../api/find-item.ts'
import { shortTime, showDone, showList } from '../api/show.ts'
import { plainText } from '../arguments.ts'
import { type CommandHost, collect, describe, parseCount, withJson } from '../command.ts'
import { EXIT_CODES } from '../exit-codes.ts'
import { makePrivateFile } from '../files.ts'
import { shortId } from '../present.ts'
import type { Run } from '../run.ts'
import { rolesOption } from './users.ts'

interface Options extends ServerOptions {
  readonly all?: boolean
  readonly json?: boolean
}

export function addTokenList(parent: Command, host: CommandHost): void {
  const command = parent
    .command('list')
    .summary('list API tokens')
    .description('Lists the tokens of who is signed in, the newest first.')
    .option('--all', 'those of all accounts; for security administrators and auditors')
  withJson(withServer(command)).action((options: Options) => host.run(options, (run) => tokenList(run, options)))
  describe(command, { examples: ['terp token list'], exits: SERVER_EXITS })
}

const COLUMNS = [
  { title: 'ID', of: ({ id }: TokenDescription) => shortId(id) },
  { title: 'NAME', of: ({ name }: TokenDescription) => name },
  { title: 'ROLES', of: ({ roles }: TokenDescription) => roles.join(', ') },
  { title: 'EXPIRES', of: ({ expires }: TokenDescription) => shortTime(expires) },
  { title: 'LAST USED', of: ({ lastUsed }: TokenDescription) => shortTime(lastUsed) },
  { title: 'REVOKED', of: ({ revoked }: TokenDescription) => shortTime(revoked) },
]

async function tokenList(run: Run, options: Options) {
  const query = options.all === true ? { all: true } : {}
  const tokens = await withApi(run, options, (api) => api.list('/tokens', tokenDescriptionShape, query))
  showList(run.output, tokens, COLUMNS, 'no tokens')
  return EXIT_CODES.ok
}

interface CreateOptions extends Options {
  readonly role?: string[]
  readonly group?: string[]
  readonly days: number
  readonly out?: string
}

export function addTokenCreate(parent: Command, host: CommandHost): void {
  const command = parent
    .command('create')
    .summary('make an API token')
    .description('Makes a token for a program, with at most the roles of who makes it. It is shown this once.')
    .argument('<NAME>', 'what it is for')
    .addOption(rolesOption())
    .option('--group <id>', 'only for this protection group; may be given several times', collect)
    .option('--days <n>', 'good for so long; at most a year', parseCount, 90)
    .option('--out <file>', 'new file for it, in place of showing it')
  withJson(withServer(command)).action((name: string, options: CreateOptions) =>
    host.run(options, (run) => tokenCreate(run, name, options)),
  )
  describe(command, {
    notes: 'A token with the role of an administrator needs a sign-in of the last five minutes.',
    examples: ['terp token create monitoring --role reader --days 365 --out /etc/terp/token'],
    exits: SERVER_EXITS,
  })
}

async function tokenCreate(run: Run, name: string, options: CreateOptions) {
  const { out, days, group, role = ['reader'] } = options
  const body = { name: plainText(name, 'the name'), roles: role, days, ...(group && { groups: group }) }
  const made = await withApi(run, options, (api) => api.send('POST', '/tokens', createdTokenShape, { body }))
  const { token, secret } = made
  if (out === undefined) {
    showDone(run, made, secret)
    return EXIT_CODES.ok
  }
  await makePrivateFile(run.disk, out, `${secret}\n`, 'the file with the token')
  showDone(run, { token, file: out }, `the token ${token.name} is in ${out}, good until ${shortTime(token.expires)} UTC`)
  return EXIT_CODES.ok
}

export function addTokenRevoke(parent: Command, host: CommandHost): void {
  const command = parent
    .command('revoke')
    .summary('revoke an API token')
    .description('Revokes a token: one of the own, or as a security administrator any.')
    .argument('<TOKEN>', 'id, the beginning of it, or name')
    .option('--all', 'look among those of all accounts')
  withJson(withServer(command)).action((token: string, options: Options) => host.run(options, (run) => tokenRevoke(run, token, options)))
  describe(command, { examples: ['terp token revoke monitoring'], exits: SERVER_EXITS })
}

async function tokenRevoke(run: Run, argument: string, options: Options) {
  const query = options.all === true ? { all: true } : {}
  const { id, name } = await withApi(run, options, async (api) => {
    const found = await findItem(api, '/tokens', tokenDescriptionShape, argument, 'token', { query })
    await api.act('DELETE', `/tokens/${found.id}`)
    return found
  })
  showDone(run, { id, name }, `revoked the token ${name}`)
  return EXIT_CODES.ok
}
