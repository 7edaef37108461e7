/** From arguments to an exit code. Nothing below this ends the process, except a second signal. */
import { Command, CommanderError } from 'commander'
import { asTerpError } from '../base/errors.ts'
import { rawArguments } from './arguments.ts'
import type { CommandHost } from './command.ts'
import { COMMANDS, type CommandEntry, commandsFor, GROUPS } from './command-table.ts'
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
  const program = await buildProgram(host, programs.version, streams, commandsFor(given))
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

/** With all commands, or with those of a run. */
export async function buildProgram(
  host: CommandHost,
  version: string,
  streams: Streams,
  commands: readonly CommandEntry[] = COMMANDS,
): Promise<Command> {
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
  const groups = new Map<string, Command>()
  for (const { path, load } of commands) {
    const add = await load()
    const [word = ''] = path.split(' ')
    const description = GROUPS[word]
    if (description !== undefined && !groups.has(word)) groups.set(word, group(program, word, description))
    add(groups.get(word) ?? program, host)
  }
  return program
}

function group(program: Command, name: string, description: string): Command {
  return program.command(name).description(description).helpCommand(false)
}
