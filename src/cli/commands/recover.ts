import { type Command, Option } from 'commander'
import type { Overwrite } from '../../archive/index.ts'
import { plainText } from '../arguments.ts'
import { type CommandHost, collect, describe, withJson } from '../command.ts'
import { cliError } from '../errors.ts'
import { EXIT_CODES } from '../exit-codes.ts'
import { formatCount } from '../format.ts'
import { describePoints, tellDamaged } from '../points.ts'
import { presentPoint } from '../present.ts'
import { findRecoveryPoint, openVaultServers } from '../recovery.ts'
import { runRestore } from '../restore.ts'
import type { Run } from '../run.ts'
import { OVERWRITE_NOTE, overwriteOption } from './pool-restore.ts'

interface Options {
  readonly vaultCredentials: string
  readonly passphraseFile?: string
  readonly server?: string
  readonly list?: boolean
  readonly point?: string
  readonly target?: string
  readonly path?: string[]
  readonly overwrite: Overwrite
  readonly dryRun?: boolean
  readonly json?: boolean
}

export function addRecover(parent: Command, host: CommandHost): void {
  const command = parent
    .command('recover')
    .summary('restore from a vault, on any machine')
    .description('Lists or restores the recovery points in a vault. It needs nothing but a credentials file and the passphrase.')
    .requiredOption('--vault-credentials <file>', 'credentials file of the vault (*.VaultCredentials)')
    .option('--passphrase-file <file>', 'file with the passphrase of the copy in the vault')
    .option('--server <name>', 'only the recovery points of this server')
    .addOption(new Option('--list', 'list recovery points').conflicts(['point', 'target']))
    .option('--point <point>', 'id of a recovery point, a beginning of it, or latest')
    .option('--target <folder>', 'where to restore; it is made if it does not exist')
    .option('--path <path>', 'only this file or folder; may be given several times', collect)
    .addOption(overwriteOption())
    .option('--dry-run', 'change nothing; tell what would be done')
  withJson(command).action((options: Options) => host.run({ ...options, isLong: options.list !== true }, (run) => recover(run, options)))
  describe(command, {
    notes: [
      'Servers whose copy the passphrase does not open are passed over; one that is damaged is a warning while another one opens.',
      'Without --passphrase-file, the passphrase comes from TERP_PASSPHRASE_FILE or TERP_PASSPHRASE_COMMAND, or is asked for on a terminal.',
      OVERWRITE_NOTE,
    ].join('\n'),
    examples: [
      'terp recover --vault-credentials Berlin_2026-11-22.VaultCredentials --passphrase-file vault.passphrase --list',
      'terp recover --vault-credentials Berlin_2026-11-22.VaultCredentials --passphrase-file vault.passphrase --point latest --target /restored',
    ],
    exits: [3, 10, 12, 13, 14, 15],
  })
}

async function recover(run: Run, options: Options) {
  if (options.list) return recoverList(run, options)
  const { point: query, target } = options
  if (query === undefined || target === undefined) throw cliError('USAGE_INVALID', 'give --list, or --point and --target')
  const servers = await openVaultServers(run, vaultQuery(options))
  const { point, server } = await findRecoveryPoint(run, servers, query)
  const { path: paths = [], overwrite, dryRun: isDryRun = false } = options
  return runRestore(run, { repository: server.repository, descriptor: server.descriptor, point, target, paths, overwrite, isDryRun })
}

function vaultQuery({ vaultCredentials, passphraseFile, server }: Options) {
  return {
    credentialsFile: vaultCredentials,
    ...(passphraseFile === undefined ? {} : { passphraseFile }),
    ...(server === undefined ? {} : { server: plainText(server, 'the name of the server') }),
  }
}

async function recoverList(run: Run, options: Options) {
  const { op, output } = run
  const servers = await openVaultServers(run, vaultQuery(options))
  const listings = await Promise.all(servers.map(async (server) => ({ server, ...(await server.repository.listPoints(op)) })))
  const points = listings.flatMap(({ server, points }) => points.map((point) => ({ ...point, server: server.name, serverId: server.id })))
  points.sort((a, b) => (a.finished < b.finished ? -1 : a.finished > b.finished ? 1 : a.sequence - b.sequence))
  const damaged = listings.flatMap((listing) => listing.damaged)
  if (output.isJson) output.printJson(points.map((point) => ({ ...presentPoint(point), server: point.server, server_id: point.serverId })))
  else if (points.length === 0) output.note(damaged.length > 0 ? 'no recovery point that can be read' : 'no recovery points')
  else output.print(`${describePoints(points)}\n${output.dim(formatCount(points.length, 'recovery point'))}`)
  tellDamaged(run, damaged)
  if (damaged.length > 0) return EXIT_CODES.damage
  return run.warnings.length > 0 ? EXIT_CODES.warnings : EXIT_CODES.ok
}
