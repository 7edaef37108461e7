/** Settings of a server: documents with names. Which there are, the server's own description of its API says. */
import type { Command } from 'commander'
import { z } from 'zod'
import { hasCode } from '../../base/errors.ts'
import { directoryTestedShape } from '../../wire/index.ts'
import type { Api, Versioned } from '../api/api.ts'
import { addServerCommand, FRESH_NOTE, type On, type ServerCommandOptions } from '../api/server-command.ts'
import { showDone, showList } from '../api/show.ts'
import { getPassword } from '../api/sign-in.ts'
import { plainText } from '../arguments.ts'
import { type CommandHost, collect } from '../command.ts'
import { cliError } from '../errors.ts'
import { isDocument, readYaml } from '../policy/documents.ts'
import { differencesOf } from '../policy/policy.ts'

const NAME = [['<SETTING>', 'its name, as `terp setting list` has it']] as const
const documentShape = z.record(z.string(), z.unknown())
type Document = z.output<typeof documentShape>

const descriptionShape = z.object({
  paths: z.record(z.string(), z.record(z.string(), z.object({ summary: z.string().optional() }).loose())),
})

/** Those with a document of their own: read and written as a whole. */
async function readNames(api: Api) {
  const { paths } = await api.get('/openapi.json', descriptionShape)
  return Object.entries(paths).flatMap(([path, methods]) => {
    const name = /\/settings\/([a-z-]+)$/.exec(path)?.[1]
    return name === undefined || !methods.get || !methods.put ? [] : [{ name, summary: methods.get.summary ?? '' }]
  })
}

async function readSetting(api: Api, argument: string): Promise<Versioned<Document> & { readonly name: string }> {
  const name = plainText(argument, 'the setting')
  const isName = /^[a-z][a-z-]{0,40}$/.test(name)
  try {
    if (isName) return { name, ...(await api.getVersioned(`/settings/${name}`, documentShape)) }
  } catch (error) {
    if (!hasCode(error, 'API_ROUTE_NOT_FOUND')) throw error
  }
  const names = (await readNames(api)).map((each) => each.name)
  throw cliError('ITEM_NOT_FOUND', `there is no setting ${name}; there are ${names.join(', ')}`, { context: { setting: name } })
}

export function addSettingList(parent: Command, host: CommandHost): void {
  const about = {
    name: 'list',
    summary: 'list what can be set',
    description: 'Lists the settings of the server.',
    examples: ['terp setting list'],
  }
  addServerCommand(parent, host, about, async ({ api, output }) => {
    const names = await readNames(api)
    type Name = (typeof names)[number]
    const columns = [
      { title: 'NAME', of: ({ name }: Name) => name },
      { title: 'WHAT', of: ({ summary }: Name) => summary },
    ]
    showList(output, names, columns, 'no settings')
    return undefined
  })
}

export function addSettingShow(parent: Command, host: CommandHost): void {
  const about = {
    name: 'show',
    summary: 'show a setting',
    description: 'Prints a setting as YAML, as `terp setting change` takes it.',
    arguments: NAME,
    examples: ['terp setting show offline', 'terp setting show directory > directory.yaml'],
  }
  addServerCommand(parent, host, about, async ({ api, output }, _: ServerCommandOptions, argument = '') => {
    const { value } = await readSetting(api, argument)
    if (output.isJson) {
      output.printJson(value)
      return undefined
    }
    const { stringify } = await import('yaml')
    output.print(stringify(value).trimEnd())
    return undefined
  })
}

interface ChangeOptions extends ServerCommandOptions {
  readonly set?: string[]
  readonly file?: string
}

export function addSettingChange(parent: Command, host: CommandHost): void {
  const about = {
    name: 'change',
    summary: 'change a setting',
    description: 'Changes a setting: single keys of it with --set, or those that a file has. What is not named stays.',
    arguments: NAME,
    options: (command: Command) =>
      command
        .option('--set <key=value>', 'a key and its new value, as YAML; may be given several times', collect)
        .option('-f, --file <file>', 'keys and values as YAML or JSON; - for standard input'),
    examples: [
      'terp setting change general --set serverName=Berlin --set timeZone=Europe/Berlin',
      'terp setting change deletion -f deletion.yaml',
    ],
    notes:
      'Settings on accounts and deletion need a sign-in of the last five minutes; on a terminal, password and code are asked\nfor again.',
  }
  addServerCommand(parent, host, about, async (on, { set, file }: ChangeOptions, argument = '') => {
    const wanted = await readWanted(on, set, file)
    const { name, value, version } = await readSetting(on.api, argument)
    const body = { ...value, ...wanted }
    const differences = differencesOf(value, body)
    const after = differences.length === 0 ? value : await on.api.send('PUT', `/settings/${name}`, documentShape, { body, version })
    const told = differences.map(({ path, wanted: to }) => `${path}: ${JSON.stringify(to)}`).join(', ')
    showDone(on.run, after, differences.length === 0 ? `${name} is so already` : `changed ${name}: ${told}`)
    return undefined
  })
}

async function readWanted({ run }: On, set: readonly string[] | undefined, file: string | undefined): Promise<Document> {
  if (set === undefined && file === undefined) throw cliError('USAGE_INVALID', 'say what to change: --set or --file')
  const { value: ofFile = {} } = file === undefined ? {} : await readYaml(run, plainText(file, 'the file'))
  if (!isDocument(ofFile)) throw cliError('POLICY_INVALID', `${file}: it has no keys and values`, { context: { file } })
  const { parse } = await import('yaml')
  const single = (set ?? []).map((text) => {
    const [, key, value = ''] = /^([A-Za-z][A-Za-z0-9]*)=([\s\S]*)$/.exec(plainText(text, 'what is set')) ?? []
    if (key === undefined) throw cliError('USAGE_INVALID', `${text} is not KEY=VALUE`)
    return [key, yamlValue(parse, key, value)] as const
  })
  return { ...ofFile, ...Object.fromEntries(single) }
}

function yamlValue(parse: (text: string) => unknown, key: string, text: string): unknown {
  try {
    return parse(text) ?? ''
  } catch (cause) {
    throw cliError('USAGE_INVALID', `the value of ${key} is no YAML; put quotes around text with special characters`, { cause })
  }
}

interface PasswordOptions extends ServerCommandOptions {
  readonly passwordFile?: string
}

export function addDirectoryPassword(parent: Command, host: CommandHost): void {
  const about = {
    name: 'password',
    summary: 'set the password of the account that searches',
    description:
      'Sets the password of the account with which the server searches the directory. Its address and all else: `terp setting change directory`.',
    options: (command: Command) => command.option('--password-file <file>', 'file with the password; without it the password is asked for'),
    examples: ['terp directory password --password-file /run/bind-password'],
    notes: FRESH_NOTE,
  }
  addServerCommand(parent, host, about, async ({ run, api }, { passwordFile }: PasswordOptions) => {
    const password = await getPassword(run, passwordFile, 'Password of the account that searches')
    await api.act('PUT', '/settings/directory/password', { body: { password } })
    showDone(run, { changed: true }, 'the password is set')
    return undefined
  })
}

export function addDirectoryTest(parent: Command, host: CommandHost): void {
  const about = {
    name: 'test',
    summary: 'ask the directory about a name',
    description: 'Asks the directory about a name: who that is, and which roles it would have. Also while sign-in by the directory is off.',
    arguments: [['<NAME>', 'as the person would sign in']] as const,
    examples: ['terp directory test ann'],
    notes: FRESH_NOTE,
  }
  addServerCommand(parent, host, about, async ({ run, api }, _: ServerCommandOptions, name = '') => {
    const found = await api.send('POST', '/settings/directory/test', directoryTestedShape, { body: { name: plainText(name, 'the name') } })
    const text = !found.isReached
      ? `the directory can not be asked: ${found.problem ?? ''}`
      : found.isFound
        ? `${found.name ?? ''} is ${found.dn ?? ''}${found.isDisabled === true ? ', disabled' : ''}: ${(found.roles ?? []).join(', ') || 'no role'}`
        : `the directory knows no ${name}`
    showDone(run, found, text)
    return found.isReached ? (found.isFound ? undefined : 10) : 13
  })
}
