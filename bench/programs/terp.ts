/** Terp as people run it: one process per act, compiled code from its cache as always. */
import { writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type Command, runOk } from '../command.ts'
import { type BackupProgram, bytesBelow } from './program.ts'

export interface Terp extends BackupProgram {
  readonly pool: string
  readonly keyFile: string
  command(...words: readonly string[]): Command
}

/** `launcher`: of this checkout, or of another one that is to be measured. */
export async function terp(folder: string, launcher: string): Promise<Terp> {
  const pool = join(folder, 'terp-pool')
  const key = join(folder, 'terp.key')
  const checkout = dirname(launcher)
  writeFileSync(key, '0123456789abcdef'.repeat(4))
  const command = (...words: readonly string[]): Command => ({ argv: [launcher, ...words], env: { TERP_KEY_FILE: key } })
  return {
    name: 'terp',
    version: `terp ${(await runOk(command('--version'))).trim()}`,
    pool,
    keyFile: key,
    command,
    places: [pool],
    own: [join(checkout, 'src'), join(checkout, 'node_modules/.bin/node'), join(checkout, 'node_modules/.cache/terp')],
    async init() {
      await runOk(command('pool', 'init', pool, '--key-file', key))
    },
    backup: (paths) => command('pool', 'backup', pool, ...paths, '--json'),
    forceRead: (paths) => command('pool', 'backup', pool, ...paths, '--force-read', '--json'),
    restore: (target) => command('pool', 'restore', pool, 'latest', '--target', target, '--json'),
    storedBytes: () => bytesBelow(pool),
  }
}

/** The objects that `--json` printed, one a line. */
export function jsonLines(stdout: string): Record<string, unknown>[] {
  return stdout
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Record<string, unknown>)
}

export function summaryOf(stdout: string): Record<string, unknown> {
  const summary = jsonLines(stdout).findLast((line) => line.message_type === 'summary')
  if (summary === undefined) throw new Error('terp printed no summary')
  return summary
}
