/** What all commands have in common: how they are described, and how they run. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import { fromTimestamp, toTimestamp } from '../base/clock.ts'
import { EXIT_MEANINGS, type ExitCode } from './exit-codes.ts'
import type { Run } from './run.ts'

/** Who runs commands. Their actions hand it their work and nothing else. */
export interface CommandHost {
  run(options: { readonly json?: boolean; readonly isLong?: boolean }, work: (run: Run) => Promise<ExitCode>): Promise<void>
}

export interface Description {
  readonly examples: readonly string[]
  /** Besides those that every command can have. */
  readonly exits: readonly ExitCode[]
  readonly notes?: string
}

const ALWAYS: readonly ExitCode[] = [0, 1, 2, 130]

export function describe(command: Command, { examples, exits, notes }: Description): Command {
  const codes = [...new Set([...ALWAYS, ...exits])].sort((a, b) => a - b)
  const lines = [
    ...(notes === undefined ? [] : ['', notes]),
    '',
    examples.length === 1 ? 'Example:' : 'Examples:',
    ...examples.map((example) => `  ${example}`),
    '',
    'Exit codes:',
    ...codes.map((code) => `  ${String(code).padEnd(5)}${EXIT_MEANINGS[code]}`),
  ]
  return command.addHelpText('after', lines.join('\n'))
}

/** For every command that opens a pool. */
export function withSecret(command: Command): Command {
  return command
    .addOption(new Option('--passphrase-file <file>', 'file that holds the passphrase').conflicts('keyFile'))
    .option('--key-file <file>', 'key file, or file with the 24 words of the recovery key')
}

export const SECRET_NOTE =
  'Without --passphrase-file and --key-file, the secret comes from TERP_PASSPHRASE_FILE, TERP_PASSPHRASE_COMMAND\nor TERP_KEY_FILE, or is asked for on a terminal.'

export function withJson(command: Command): Command {
  return command.option('--json', 'print JSON for programs')
}

/** For options that may be given several times. */
export function collect(value: string, before: string[] | undefined): string[] {
  return [...(before ?? []), value]
}

export function parsePort(text: string): number {
  const port = Number(text)
  if (!/^\d{1,5}$/.test(text) || port > 65_535) throw new InvalidArgumentError('A port is a number from 0 to 65535.')
  return port
}

export function parseCount(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('It is a number from 1 on.')
  return Number(text)
}

/** RFC 3339, or a day of UTC; the answer is RFC 3339. */
export function parseTime(text: string): string {
  const whole = /^\d{4}-\d\d-\d\d$/.test(text) ? `${text}T00:00:00.000Z` : text
  const ms = /^\d{4}-\d\d-\d\dT/.test(whole) ? fromTimestamp(whole) : Number.NaN
  if (Number.isNaN(ms)) throw new InvalidArgumentError('It is a time such as 2026-11-22T13:03:04Z, or a day.')
  return toTimestamp(ms)
}

/** `HOST:PORT`, `[::1]:PORT`, `:PORT` or `PORT`. */
export function parseListen(text: string): { host: string; port: number } {
  const match = /^(?:(?:\[([0-9a-fA-F:.%]+)\]|([^:[\]]*)):)?(\d{1,5})$/.exec(text)
  if (!match) throw new InvalidArgumentError('It is HOST:PORT.')
  return { host: match[1] || match[2] || '127.0.0.1', port: parsePort(match[3] ?? '') }
}
