/** Borg as the machine has it: repokey (AES-256-CTR and HMAC-SHA-256), zstd,1. */
import { join } from 'node:path'
import { type Command, runOk } from '../command.ts'
import { type BackupProgram, bytesBelow } from './program.ts'

export async function borg(folder: string): Promise<BackupProgram> {
  const repository = join(folder, 'borg')
  const base = join(folder, 'borg-base')
  const env = {
    BORG_PASSPHRASE: 'a passphrase for measuring only',
    BORG_BASE_DIR: base,
    BORG_RELOCATED_REPO_ACCESS_IS_OK: 'yes',
  }
  const command = (...words: readonly string[]): Command => ({ argv: ['borg', ...words], env })
  let archives = 0
  return {
    name: 'borg',
    version: (await runOk(command('--version'))).trim(),
    places: [repository, base],
    own: [],
    async init() {
      archives = 0
      await runOk(command('init', '--encryption', 'repokey', repository))
    },
    backup: (paths) => command('create', '--compression', 'zstd,1', `${repository}::point${++archives}`, ...paths),
    restore: (target) => ({ ...command('extract', `${repository}::point${archives}`), cwd: target }),
    storedBytes: () => bytesBelow(repository),
  }
}
