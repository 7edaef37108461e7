import { Argument, type Command } from 'commander'
import { type CommandHost, describe } from '../command.ts'
import { commandNodes, completionScript, SHELLS, type Shell } from '../completion.ts'
import { EXIT_CODES } from '../exit-codes.ts'

export function addCompletion(parent: Command, host: CommandHost): void {
  const command = parent
    .command('completion')
    .summary('print a completion script for a shell')
    .description('Prints a script that completes commands and options in a shell.')
    .addArgument(new Argument('<SHELL>', 'which shell').choices(SHELLS))
    .action((shell: Shell) =>
      host.run({}, async ({ output }) => {
        output.print(completionScript(shell, commandNodes(parent)).trimEnd())
        return EXIT_CODES.ok
      }),
    )
  describe(command, { examples: ['terp completion bash > /etc/bash_completion.d/terp', 'source <(terp completion bash)'], exits: [] })
}
