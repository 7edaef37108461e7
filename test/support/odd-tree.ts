/** The tree of odd-tree.sh, and how to take it away again. */
import { execFileSync, spawnSync } from 'node:child_process'
import { join } from 'node:path'

/** Returns what this file system or user could not hold. */
export function makeOddTree(folder: string): string[] {
  const { status, stderr } = spawnSync('bash', [join(import.meta.dirname, 'odd-tree.sh'), folder], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`odd-tree.sh failed:\n${stderr}`)
  return stderr.split('\n').filter((line) => line.startsWith('odd-tree: left out'))
}

/** Also what is immutable, read-only, deeper than PATH_MAX, or a file system of its own. */
export function removeTree(folder: string): void {
  spawnSync('sh', ['-c', 'cut -d" " -f2 /proc/mounts | grep -F "$1/" | xargs -r umount', 'sh', folder])
  spawnSync('sh', ['-c', 'chattr -R -f -ia "$1"; find "$1" -type d ! -perm -700 -exec chmod u+rwx {} +; true', 'sh', folder])
  execFileSync('rm', ['-rf', '--', folder])
}
