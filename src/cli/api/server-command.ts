/** The common part of every command on a server: which one, as whom, and --json. */
import type { Command } from 'commander'
import { type CommandHost, describe, withJson } from '../command.ts'
import { EXIT_CODES, type ExitCode } from '../exit-codes.ts'
import type { Output } from '../output.ts'
import type { Run } from '../run.ts'
import type { Api } from './api.ts'
import { SERVER_EXITS, type ServerOptions, withApi, withServer } from './connect.ts'

export interface ServerCommandOptions extends ServerOptions {
  readonly json?: boolean
}

export interface On {
  readonly run: Run
  readonly api: Api
  readonly output: Output
}

export interface About {
  readonly name: string
  readonly summary: string
  readonly description: string
  /** `<AGENT>` and what it is. */
  readonly arguments?: readonly (readonly [name: string, description: string])[]
  readonly options?: (command: Command) => Command
  readonly examples: readonly string[]
  /** Besides those that every command on a server can have. */
  readonly exits?: readonly ExitCode[]
  readonly notes?: string
  /** Not in the list of commands. */
  readonly isHidden?: boolean
}

export const FRESH_NOTE = 'Needs a sign-in of the last five minutes; on a terminal, password and code are asked for again.'

/** `act` gets what was given for the arguments in their order; an optional one may be undefined. It answers an exit code where it is not 0. */
export function addServerCommand<O extends ServerCommandOptions>(
  parent: Command,
  host: CommandHost,
  about: About,
  act: (on: On, options: O, ...given: (string | undefined)[]) => Promise<ExitCode | undefined>,
): void {
  const command = parent
    .command(about.name, { hidden: about.isHidden === true })
    .summary(about.summary)
    .description(about.description)
  for (const [name, description] of about.arguments ?? []) command.argument(name, description)
  withJson(withServer(about.options?.(command) ?? command))
  const count = about.arguments?.length ?? 0
  command.action((...all: unknown[]) => {
    const given = all.slice(0, count) as (string | undefined)[]
    const options = all[count] as O
    return host.run(options, (run) =>
      withApi(run, options, async (api) => (await act({ run, api, output: run.output }, options, ...given)) ?? EXIT_CODES.ok),
    )
  })
  const { examples, exits = [], notes } = about
  describe(command, { examples, exits: [...SERVER_EXITS, ...exits], ...(notes !== undefined && { notes }) })
}
