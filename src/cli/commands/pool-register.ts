import { hostname } from 'node:os'
import { join, resolve } from 'node:path'
import { type Command, Option } from 'commander'
import { hasCode } from '../../base/errors.ts'
import { makePassphrase, parsePassphrase, repositoryError, type Secret } from '../../repository/index.ts'
import { plainText } from '../arguments.ts'
import { type CommandHost, describe, withJson } from '../command.ts'
import { cliError } from '../errors.ts'
import { EXIT_CODES } from '../exit-codes.ts'
import { makeFolders, makePrivateFile, readSmallFile } from '../files.ts'
import { findPool, lockUpload, type OpenPool, openPoolWith } from '../pool.ts'
import type { Run } from '../run.ts'
import { findSecret, getSecret, readPassphraseFile } from '../secrets.ts'
import { findVaultCopy, registerPool } from '../vault-copy.ts'

interface Options {
  readonly vaultCredentials: string
  readonly passphraseFile?: string
  readonly generatePassphrase?: boolean
  readonly savePassphraseTo?: string
  readonly serverName?: string
  readonly keyFile?: string
  readonly poolPassphraseFile?: string
  readonly json?: boolean
}

export function addPoolRegister(parent: Command, host: CommandHost): void {
  const command = parent
    .command('register')
    .summary('register a pool with a vault')
    .description('Registers this pool with a vault as a server, and makes its encrypted second copy there.')
    .argument('<DIR>', 'the pool')
    .requiredOption('--vault-credentials <file>', 'credentials file of the vault (*.VaultCredentials)')
    .addOption(new Option('--passphrase-file <file>', 'file with the passphrase of the copy in the vault').conflicts('generatePassphrase'))
    .option('--generate-passphrase', 'make a passphrase for the copy in the vault')
    .option('--save-passphrase-to <folder>', 'folder in which to save that passphrase')
    .option('--server-name <name>', 'name under which to register (default: the name of this machine)')
    .addOption(new Option('--key-file <file>', 'key file of the pool').conflicts('poolPassphraseFile'))
    .option('--pool-passphrase-file <file>', 'file with the passphrase of the pool')
  withJson(command).action((dir: string, options: Options) => host.run(options, (run) => poolRegister(run, dir, options)))
  describe(command, {
    notes: [
      'The passphrase has at least 16 characters, all ASCII. It is never sent: whoever loses it, and the pool, loses the copy in the vault.',
      'The pool is opened with --key-file or --pool-passphrase-file, else with TERP_PASSPHRASE_FILE, TERP_PASSPHRASE_COMMAND or',
      'TERP_KEY_FILE, else with the same passphrase as the copy in the vault.',
    ].join('\n'),
    examples: [
      'terp pool register /backup/pool --vault-credentials Berlin_2026-11-22.VaultCredentials --passphrase-file ~/vault.passphrase',
    ],
    exits: [10, 11, 12, 13, 14, 15],
  })
}

async function poolRegister(run: Run, dir: string, options: Options) {
  const { disk, output, op } = run
  const serverName = plainText(options.serverName ?? defaultServerName(), 'the name of the server')
  const credentials = (await readSmallFile(disk, options.vaultCredentials, 'the credentials file')).toString('utf8')
  const given = options.passphraseFile === undefined ? undefined : await readPassphraseFile(disk, options.passphraseFile)
  checkPassphraseOptions(run, options)
  const pool = await openForRegister(run, dir, options, given)
  const lock = await lockUpload(run, pool.folder)
  try {
    const isWhole = (await findVaultCopy(run, pool.repository))?.bundle !== undefined
    const passphrase = given ?? parsePassphrase(makePassphrase(op.random))
    // Before anything is made that only it opens.
    const saved = isWhole ? undefined : await savePassphrase(run, options, serverName, passphrase)
    const copy = await registerPool(run, pool, { credentials, passphrase, serverName })
    if (output.isJson) {
      output.printJson({
        vault: copy.vault,
        url: copy.url,
        server_id: copy.serverId,
        server_name: copy.serverName,
        passphrase_file: saved ?? null,
      })
      return EXIT_CODES.ok
    }
    output.print(`registered ${pool.folder} with vault ${copy.vault} (${copy.url}) as ${copy.serverName}`)
    if (saved !== undefined) output.note(`saved the passphrase to ${saved}: move it to a place apart`)
    else if (!given && passphrase.kind === 'passphrase') output.print(`\nIts passphrase, shown this once:\n\n  ${passphrase.text}\n`)
    return EXIT_CODES.ok
  } finally {
    await lock.release()
  }
}

function checkPassphraseOptions({ output }: Run, options: Options): void {
  if (options.passphraseFile === undefined && !options.generatePassphrase) {
    throw cliError('USAGE_INVALID', 'the copy in the vault needs --passphrase-file or --generate-passphrase')
  }
  const canShow = output.streams.isOutTerminal && !output.isJson
  if (options.generatePassphrase && options.savePassphraseTo === undefined && !canShow) {
    throw cliError('USAGE_INVALID', 'nobody would see the passphrase that --generate-passphrase makes', {
      hint: 'Add --save-passphrase-to, or run the command on a terminal.',
    })
  }
}

/** The name of the machine, without what names of servers can't have. */
export function defaultServerName(): string {
  const name = hostname()
    .replace(/[^A-Za-z0-9._-]+/g, '-')
    .replace(/^[^A-Za-z0-9]+/, '')
    .slice(0, 63)
  return name === '' ? 'server' : name
}

async function openForRegister(run: Run, dir: string, options: Options, vaultPassphrase: Secret | undefined): Promise<OpenPool> {
  const found = await findPool(run.op, run, dir)
  const { keyFile, poolPassphraseFile: passphraseFile } = options
  const secretOptions = { ...(keyFile === undefined ? {} : { keyFile }), ...(passphraseFile === undefined ? {} : { passphraseFile }) }
  const named = await findSecret(run.op, run, secretOptions)
  if (named) return openPoolWith(run, found, named, 'write')
  if (vaultPassphrase) {
    try {
      return await openPoolWith(run, found, vaultPassphrase, 'write')
    } catch (error) {
      if (!hasCode(error, 'SECRET_WRONG')) throw error
      if (!run.output.streams.askSecret) {
        throw repositoryError(
          'SECRET_MISSING',
          `no secret of the pool was given, and the passphrase of the copy in the vault does not open it`,
          {
            hint: 'Give --key-file or --pool-passphrase-file, or set TERP_PASSPHRASE_FILE, TERP_PASSPHRASE_COMMAND or TERP_KEY_FILE.',
          },
        )
      }
    }
  }
  return openPoolWith(run, found, await getSecret(run.op, run, {}, found.folder), 'write')
}

async function savePassphrase(run: Run, options: Options, serverName: string, passphrase: Secret): Promise<string | undefined> {
  if (options.savePassphraseTo === undefined || passphrase.kind !== 'passphrase') return undefined
  const folder = resolve(plainText(options.savePassphraseTo, 'the folder for the passphrase'))
  await makeFolders(run.disk, folder)
  const path = join(folder, `${serverName}_passphrase.txt`)
  await makePrivateFile(run.disk, path, `${passphrase.text}\n`, 'the passphrase file')
  return path
}
