/** Writes the reference in docs/cli.md from what `./terp … --help` prints. What is around it is kept. */
import { execFile } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { replaceBlock } from './generated-block.ts'

const ROOT = join(import.meta.dirname, '..')
export const CLI_PAGE = join(ROOT, 'docs/cli.md')

/** Why there is nothing to write yet, or undefined. */
export function whyNoCli(): string | undefined {
  const missing = ['src/cli/index.ts', 'src/main.ts'].filter((file) => !existsSync(join(ROOT, file)))
  return missing.length === 0 ? undefined : `the command line is not built yet: ${missing.join(' and ')} missing`
}

export interface CommandHelp {
  /** `terp pool backup`. */
  readonly command: string
  readonly help: string
  /** It does something, rather than only hold other commands. */
  readonly isLeaf: boolean
}

/** The whole tree of commands, each before those below it, in the order in which help lists them. */
export async function readCommands(words: readonly string[] = []): Promise<CommandHelp[]> {
  const help = await helpOf(words)
  const below = subcommands(help)
  const children = await Promise.all(below.map((name) => readCommands([...words, name])))
  return [{ command: ['terp', ...words].join(' '), help, isLeaf: below.length === 0 }, ...children.flat()]
}

async function helpOf(words: readonly string[]): Promise<string> {
  const env = { ...process.env, NO_COLOR: '1' }
  const { stdout } = await promisify(execFile)(join(ROOT, 'terp'), [...words, '--help'], { env })
  return stdout.replace(/[ \t]+$/gm, '').trim()
}

/** The first words of the lines below `Commands:`, up to the next empty line; longer descriptions wrap with a deeper indent. */
export function subcommands(help: string): string[] {
  const section = /^Commands:\n((?: .*\n?)*)/m.exec(help)?.[1] ?? ''
  const names = [...section.matchAll(/^ {2}([a-z][a-z-]*)/gm)].map((m) => m[1] ?? '')
  return names.filter((name) => name !== 'help')
}

export function cliReference(commands: readonly CommandHelp[]): string {
  return commands.map(({ command, help }) => `### ${command}\n\n\`\`\`\n${help}\n\`\`\``).join('\n\n')
}

if (import.meta.main) {
  const reason = whyNoCli()
  if (reason === undefined) {
    const commands = await readCommands()
    writeFileSync(CLI_PAGE, replaceBlock(readFileSync(CLI_PAGE, 'utf8'), 'cli', cliReference(commands)))
    console.log(`docs/cli.md: ${commands.length} commands`)
  } else {
    console.log(`docs/cli.md: left as it is; ${reason}`)
  }
}
