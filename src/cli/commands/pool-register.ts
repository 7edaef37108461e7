import { join, resolve } from 'node:path'
import { type Command, Option } from 'commander'
import { hasCode } from '../../base/errors.ts'
import { makePassphrase, parsePassphrase, repositoryError, type Secret } from '../../repository/index.ts'
import { plainText } from '../arguments.ts'
import { type CommandHost, describe, withJson } from '../command.ts'
import { cliError } from '../errors.ts'
import { EXIT_CODES } from '../exit-codes.ts'
import { isThere, makeFolders, makePrivateFile, readSmallFile } from '../files.ts'
import { findPool, lockRegistration, type OpenPool, openPoolWith } from '../pool.ts'
import { presentWarning } from '../present.ts'
import type { StartedRegistration } from '../registration.ts'
import type { Run } from '../run.ts'
import { findSecret, getSecret, readPassphraseFile } from '../secrets.ts'
import type { VaultCopy } from '../vault-copy.ts'

interface Options {
  readonly vaultCredentials: string
  readonly passphraseFile?: string
  readonly generatePassphrase?: boolean
  readonly savePassphraseTo?: string
  readonly serverName?: string
  readonly again?: boolean
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
    .option(
      '--server-name <name>',
      'name under which to register (default: the name of this machine; with --again, the old name with a number)',
    )
    .option('--again', 'register anew a pool that has a copy in a vault: a new server, a new copy, a new passphrase')
    .addOption(new Option('--key-file <file>', 'key file of the pool').conflicts('poolPassphraseFile'))
    .option('--pool-passphrase-file <file>', 'file with the passphrase of the pool')
  withJson(command).action((dir: string, options: Options) => host.run(options, (run) => poolRegister(run, dir, options)))
  describe(command, {
    notes: [
      'The passphrase has at least 16 characters, all ASCII. It is never sent: whoever loses it, and the pool, loses the copy in the vault.',
      'The pool is opened with --key-file or --pool-passphrase-file, else with TERP_PASSPHRASE_FILE, TERP_PASSPHRASE_COMMAND or',
      'TERP_KEY_FILE, else with the same passphrase as the copy in the vault.',
      'A registration that was cut off goes on when the same command is given again.',
      'With --again the old copy stays in its vault as it is, and is read with its own passphrase; uploads go to the new one.',
    ].join('\n'),
    examples: [
      'terp pool register /backup/pool --vault-credentials Berlin_2026-11-22.VaultCredentials --passphrase-file ~/vault.passphrase',
    ],
    exits: [3, 10, 11, 12, 13, 14, 15],
  })
}

async function poolRegister(run: Run, dir: string, options: Options) {
  const { disk, output } = run
  const serverName = options.serverName === undefined ? undefined : plainText(options.serverName, 'the name of the server')
  const credentials = (await readSmallFile(disk, options.vaultCredentials, 'the credentials file')).toString('utf8')
  const given = options.passphraseFile === undefined ? undefined : await readPassphraseFile(disk, options.passphraseFile)
  checkPassphraseOptions(run, options)
  const pool = await openForRegister(run, dir, options, given)
  const lock = await lockRegistration(run, pool)
  try {
    const request = { credentials, isAgain: options.again ?? false, ...(serverName === undefined ? {} : { serverName }) }
    const { finishRegistration, startRegistration } = await import('../registration.ts')
    const started = await startRegistration(run, pool, request)
    const { secret, savedTo } = given ? { secret: given, savedTo: undefined } : await newPassphrase(run, options, started)
    const copy = await finishRegistration(run, pool, started, secret)
    if (output.isJson) output.printJson(presentRegistration(run, copy, started, savedTo))
    else output.print(describeRegistration(pool, copy, started))
    return run.warnings.length > 0 ? EXIT_CODES.warnings : EXIT_CODES.ok
  } finally {
    await lock.release()
  }
}

function presentRegistration(run: Run, copy: VaultCopy, { replaces }: StartedRegistration, savedTo: string | undefined) {
  return {
    vault: copy.vault,
    url: copy.url,
    server_id: copy.serverId,
    server_name: copy.serverName,
    passphrase_file: savedTo ?? null,
    replaced: replaces
      ? { vault: replaces.vault, url: replaces.url, server_id: replaces.serverId, server_name: replaces.serverName }
      : null,
    warnings: run.warnings.map(presentWarning),
  }
}

function describeRegistration(pool: OpenPool, copy: VaultCopy, { replaces }: StartedRegistration): string {
  const lines = [`registered ${pool.folder} with vault ${copy.vault} (${copy.url}) as ${copy.serverName}`]
  if (replaces) {
    lines.push(
      `the old copy stays in vault ${replaces.vault} (${replaces.url}) as ${replaces.serverName}, and is read with its own passphrase;`,
      'the new one is empty until the next `terp pool upload`',
    )
  }
  return lines.join('\n')
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

/** Saved or shown before anything is made that only it opens. The file of an attempt that was cut off is taken. */
async function newPassphrase(
  run: Run,
  options: Options,
  { pending, isResumed }: StartedRegistration,
): Promise<{ secret: Secret; savedTo: string | undefined }> {
  const { disk, output, op } = run
  const text = makePassphrase(op.random)
  if (options.savePassphraseTo === undefined) {
    output.print(`\nThe passphrase of the copy in the vault, shown this once:\n\n  ${text}\n`)
    return { secret: parsePassphrase(text), savedTo: undefined }
  }
  const folder = resolve(plainText(options.savePassphraseTo, 'the folder for the passphrase'))
  const path = join(folder, `${pending.serverName}_passphrase.txt`)
  if (!isResumed || !isThere(path)) {
    await makeFolders(disk, folder)
    await makePrivateFile(disk, path, `${text}\n`, 'the passphrase file')
  }
  output.note(`saved the passphrase to ${path}: move it to a place apart`)
  return { secret: await readPassphraseFile(disk, path), savedTo: path }
}
