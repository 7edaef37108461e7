/** No backup program but the yardstick: what reading, compressing and writing cost when nothing is deduplicated, encrypted, checked or made durable. */
import { join } from 'node:path'
import { type Command, runOk } from '../command.ts'
import { type BackupProgram, bytesBelow } from './program.ts'

export async function tarAndZstd(folder: string): Promise<BackupProgram> {
  const archive = join(folder, 'tar.zst')
  const [tarVersion = '', zstdVersion = ''] = [
    await runOk({ argv: ['tar', '--version'] }),
    await runOk({ argv: ['zstd', '--version'] }),
  ].map((text) => text.split('\n')[0]?.replaceAll('*', '').trim())
  // A failing tar must fail the pipe, not give a short archive in record time.
  const shell = (script: string, ...words: readonly string[]): Command => ({
    argv: ['bash', '-o', 'pipefail', '-c', script, 'bash', ...words],
  })
  return {
    name: 'tar+zstd',
    version: `${tarVersion}; ${zstdVersion}`,
    places: [archive],
    own: [],
    async init() {},
    backup: (paths) =>
      shell('archive=$1; shift; tar -C / -cf - "$@" | zstd -1 -T2 -q -f -o "$archive"', archive, ...paths.map((path) => path.slice(1))),
    restore: (target) => shell('zstd -dcq "$1" | tar -C "$2" -xf -', archive, target),
    storedBytes: () => bytesBelow(archive),
  }
}
