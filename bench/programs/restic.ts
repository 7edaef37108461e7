/** restic out of Debian's sid: AES-256-CTR and Poly1305, SHA-256, zstd at its default level. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type Command, runOk } from '../command.ts'
import { type BackupProgram, bytesBelow } from './program.ts'

export interface Restic extends BackupProgram {
  command(...words: readonly string[]): Command
}

/** `cache`: where the program itself is kept between runs. */
export async function restic(folder: string, cache: string): Promise<Restic> {
  const bin = join(cache, 'restic')
  mkdirSync(bin, { recursive: true })
  const program = (await runOk({ argv: [join(import.meta.dirname, '../fetch-restic.sh'), bin] })).trim()
  const repository = join(folder, 'restic')
  const ownCache = join(folder, 'restic-cache')
  const env = { RESTIC_PASSWORD: 'a password for measuring only', RESTIC_CACHE_DIR: ownCache, RESTIC_REPOSITORY: repository }
  const command = (...words: readonly string[]): Command => ({ argv: [program, ...words], env })
  return {
    name: 'restic',
    version: (await runOk(command('version'))).trim(),
    command,
    places: [repository, ownCache],
    own: [program],
    async init() {
      await runOk(command('init', '--quiet'))
    },
    backup: (paths) => command('backup', '--quiet', ...paths),
    forceRead: (paths) => command('backup', '--quiet', '--force', ...paths),
    restore: (target) => command('restore', '--quiet', 'latest', '--target', target),
    storedBytes: () => bytesBelow(repository),
  }
}
