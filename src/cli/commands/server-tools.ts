/** The server itself: whether it can work, what it measures, the way back in for its owner, and its API as it is. */
import { resolve } from 'node:path'
import { type Command, Option } from 'commander'
import { z } from 'zod'
import { addServerCommand, type ServerCommandOptions } from '../api/server-command.ts'
import { showFacts } from '../api/show.ts'
import { plainText } from '../arguments.ts'
import { type CommandHost, describe, withJson } from '../command.ts'
import { cliError } from '../errors.ts'
import { EXIT_CODES } from '../exit-codes.ts'
import { makePrivateFile } from '../files.ts'
import { readYaml } from '../policy/documents.ts'
import type { Run } from '../run.ts'

const versionShape = z.object({ version: z.string(), apiVersion: z.int() })
const readinessShape = z.object({ status: z.string(), reasons: z.array(z.string()) })
const healthShape = z.object({ status: z.literal('ok') })

export function addServerStatus(parent: Command, host: CommandHost): void {
  const about = {
    name: 'status',
    summary: 'show whether a server can work',
    description: 'Shows where the server is, which version it has, and whether it can do its work; why not is told to who is signed in.',
    examples: ['terp server status'],
    exits: [3] as const,
    notes: 'Exit code 0 where it can, 3 where it answers and can not.',
  }
  addServerCommand(parent, host, about, async ({ api, output }) => {
    await api.get('//healthz', healthShape)
    const { status, reasons } = await api.getEvenUnready('//readyz', readinessShape)
    // Only who is signed in is told which one it is.
    const version = api.credentials.kind === 'nobody' ? undefined : (await api.get('/version', versionShape)).version
    showFacts(output, { server: api.url, ...(version !== undefined && { version }), status, reasons }, [
      ['server', api.url],
      ['version', version],
      ['status', status],
      ...reasons.map((reason) => ['because', reason] as const),
    ])
    return status === 'ready' ? undefined : EXIT_CODES.warnings
  })
}

export function addServerMetrics(parent: Command, host: CommandHost): void {
  const about = {
    name: 'metrics',
    summary: 'print what a server measures',
    description:
      'Prints the metrics of the server in the text format of Prometheus. Prometheus itself reads them at /metrics with an API token.',
    examples: ['terp server metrics | grep terp_backup_last_success'],
  }
  addServerCommand(parent, host, about, async ({ api, output }) => {
    const text = (await api.raw('GET', '//metrics')).toString('utf8')
    if (output.isJson) output.printJson({ contentType: 'text/plain; version=0.0.4', text })
    else output.print(text.trimEnd())
    return undefined
  })
}

interface ResetOptions {
  readonly data: string
  readonly name?: string
  readonly out?: string
  readonly json?: boolean
}

export function addServerResetAdmin(parent: Command, host: CommandHost): void {
  const command = parent
    .command('reset-admin')
    .summary('the way back in, when nobody can sign in')
    .description(
      'Gives an administrator of a server on this machine a new first password and takes the second factor away. For the owner of the data folder, while the server is stopped.',
    )
    .requiredOption('--data <folder>', 'the data folder of the server')
    .option('--name <name>', 'the account (default: the security administrator that was made first); made if there is none of this name')
    .option('--out <file>', 'new file for the password, in place of showing it')
  withJson(command).action((options: ResetOptions) => host.run(options, (run) => resetAdmin(run, options)))
  describe(command, {
    notes: 'All sessions and tokens of the account end, and the audit log keeps that this was done.',
    examples: ['terp server reset-admin --data /var/lib/terp-server'],
    exits: [10, 11, 14],
  })
}

async function resetAdmin(run: Run, { data, name, out }: ResetOptions) {
  const { op, disk, programs, output } = run
  const dataFolder = resolve(plainText(data, 'the data folder'))
  const given = name === undefined ? undefined : plainText(name, 'the name')
  if ((await programs.server.look(disk, dataFolder)).address === undefined) {
    throw cliError('FILE_NOT_FOUND', `no server has run on ${dataFolder}`, { hint: 'Name the data folder that `terp server start` got.' })
  }
  const reset = await programs.server.resetAdministrator(op, { disk, dataFolder, name: given })
  if (out !== undefined) await makePrivateFile(disk, out, `${reset.secret}\n`, 'the file with the password')
  const where = out === undefined ? { password: reset.secret } : { file: out }
  if (output.isJson) output.printJson({ name: reset.name, is_new: reset.isNew, ...where })
  else {
    output.print(
      `${reset.isNew ? 'made' : 'reset'} the account ${reset.name}; its first password ${out === undefined ? `is ${reset.secret}` : `is in ${out}`}`,
    )
    output.note('start the server, sign in with it, and choose a new password and a second factor')
  }
  return EXIT_CODES.ok
}

interface ApiOptions extends ServerCommandOptions {
  readonly file?: string
  readonly method?: string
  readonly ifMatch?: string
}

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']

export function addApi(parent: Command, host: CommandHost): void {
  const about = {
    name: 'api',
    summary: 'ask the API of a server',
    description:
      'Sends one request to the API of a server and prints the answer as it is. The server describes its API at /api/docs, and as OpenAPI at /api/v1/openapi.json.',
    arguments: [['<PATH>', 'below /api/v1, as /groups?limit=10']] as const,
    options: (command: Command) =>
      command
        .addOption(new Option('--method <method>', 'what is done (default: GET, or POST with a body)').choices(METHODS))
        .option('-f, --file <file>', 'the body, as JSON or YAML; - for standard input')
        .option('--if-match <version>', 'the version that is changed, as an answer had it in `version`'),
    examples: ['terp api /status', 'echo \'{"kind": "online"}\' | terp api /sources/3f9a.../recovery-points -f -'],
  }
  addServerCommand(parent, host, about, async ({ run, api, output }, { file, method, ifMatch }: ApiOptions, path = '') => {
    if (!/^\/[\x21-\x7e]*$/.test(path)) throw cliError('USAGE_INVALID', 'the path begins with /, and has no spaces')
    if (ifMatch !== undefined && !/^\d{1,10}$/.test(ifMatch)) throw cliError('USAGE_INVALID', 'a version is a number')
    const body = file === undefined ? undefined : (await readYaml(run, plainText(file, 'the file'))).value
    const how = method ?? (body === undefined ? 'GET' : 'POST')
    const bytes = await api.raw(how, path, { body, version: ifMatch === undefined ? undefined : Number(ifMatch) })
    if (bytes.length > 0) output.print(bytes.toString('utf8').trimEnd())
    else output.note('done')
    return undefined
  })
}
