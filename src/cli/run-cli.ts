/** From arguments to an exit code. Nothing below this ends the process, except a second signal. */
import { Command, CommanderError } from 'commander'
import { asTerpError } from '../base/errors.ts'
import { rawArguments } from './arguments.ts'
import type { CommandHost } from './command.ts'
import { addBench } from './commands/bench.ts'
import { addCompletion } from './commands/completion.ts'
import { addPoolBackup } from './commands/pool-backup.ts'
import { addPoolBrowse } from './commands/pool-browse.ts'
import { addPoolDiff } from './commands/pool-diff.ts'
import { addPoolExpire } from './commands/pool-expire.ts'
import { addPoolInit } from './commands/pool-init.ts'
import { addPoolList } from './commands/pool-list.ts'
import { addPoolPrune } from './commands/pool-prune.ts'
import { addPoolRegister } from './commands/pool-register.ts'
import { addPoolRestore } from './commands/pool-restore.ts'
import { addPoolUpload } from './commands/pool-upload.ts'
import { addPoolVerify } from './commands/pool-verify.ts'
import { addQuickstart } from './commands/quickstart.ts'
import { addRecover } from './commands/recover.ts'
import { addVaultCreate } from './commands/vault-create.ts'
import { addVaultCredentials } from './commands/vault-credentials.ts'
import { addVaultStart } from './commands/vault-start.ts'
import { readConfig } from './config.ts'
import { cliError } from './errors.ts'
import { EXIT_CODES, type ExitCode, exitCodeOf } from './exit-codes.ts'
import { Output, type Streams, systemStreams } from './output.ts'
import type { Programs } from './programs.ts'
import { execute } from './run.ts'

/** `given`: without the program's own name. */
export async function runCli(given: readonly string[], programs: Programs, streams: Streams = systemStreams()): Promise<ExitCode> {
  const config = readConfig()
  let exitCode: ExitCode = EXIT_CODES.ok
  const host: CommandHost = {
    async run({ json = false, isLong = false }, work) {
      exitCode = await execute({ streams, config, programs }, { isJson: json, isLong }, work)
    },
  }
  const program = buildProgram(host, programs.version, streams)
  try {
    await program.parseAsync(rawArguments(given), { from: 'user' })
    return exitCode
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return EXIT_CODES.ok
    // Help that was not asked for: `terp pool` without a command. It was printed already.
    if (error instanceof CommanderError && error.code === 'commander.help') return EXIT_CODES.usage
    const known = error instanceof CommanderError ? usageError(error) : asTerpError(error)
    const isJson = given.includes('--json')
    new Output(streams, { isJson, color: !config.noColor, debug: config.debug }).error(known)
    return exitCodeOf(known)
  }
}

function usageError(error: CommanderError) {
  const message = error.message
    .replace(/^error: /, '')
    .replaceAll('\n', ' ')
    .replace(/\.$/, '')
  return cliError('USAGE_INVALID', message.charAt(0).toLowerCase() + message.slice(1))
}

export function buildProgram(host: CommandHost, version: string, streams: Streams): Command {
  const program = new Command('terp')
    .description('Protects folders twice: a pool on local disks, and an encrypted second copy in a vault.')
    .version(version, '--version', 'print the version')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => streams.out(text),
      writeErr: (text) => streams.err(text),
      // Usage errors are told like all others.
      outputError: () => {},
    })
    .showSuggestionAfterError(true)
    .helpCommand(false)
  addQuickstart(program, host)
  const pool = group(program, 'pool', 'make, fill, read and check a pool')
  for (const add of [addPoolInit, addPoolBackup, addPoolList, addPoolBrowse, addPoolDiff, addPoolRestore, addPoolVerify]) add(pool, host)
  for (const add of [addPoolExpire, addPoolPrune, addPoolRegister, addPoolUpload]) add(pool, host)
  const vault = group(program, 'vault', 'run a vault service and its vaults')
  for (const add of [addVaultStart, addVaultCreate, addVaultCredentials]) add(vault, host)
  addRecover(program, host)
  addBench(program, host)
  addCompletion(program, host)
  return program
}

function group(program: Command, name: string, description: string): Command {
  return program.command(name).description(description).helpCommand(false)
}
