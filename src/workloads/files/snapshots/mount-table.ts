/** On which mount a path lies, from the text of /proc/self/mountinfo. Pure. */
import { unescaped } from '../mounts.ts'

export interface MountedVolume {
  /** Where it is mounted. */
  readonly path: Buffer
  /** What of the file system is mounted there: `/`, or a folder or subvolume of it. */
  readonly root: Buffer
  readonly type: string
  /** `/dev/sda1`, `/dev/mapper/vg-data` */
  readonly device: string
  readonly isReadOnly: boolean
}

export function mountTable(text: string): MountedVolume[] {
  const mounts: MountedVolume[] = []
  for (const line of text.split('\n')) {
    // 36 35 98:0 /root /path rw,noatime master:1 - ext3 /dev/root rw,errors=continue
    const [before = '', after = ''] = line.split(' - ')
    const [, , , root, path, options = ''] = before.split(' ')
    const [type = '', device = '', superOptions = ''] = after.split(' ')
    if (root === undefined || path === undefined) continue
    const isReadOnly = [options, superOptions].some((list) => list.split(',').includes('ro'))
    mounts.push({ path: unescaped(path), root: unescaped(root), type, device: unescaped(device).toString('utf8'), isReadOnly })
  }
  return mounts
}

/** The one that is seen at the path: the deepest, and of several in one place the last. */
export function mountOf(mounts: readonly MountedVolume[], path: Buffer): MountedVolume | undefined {
  let found: MountedVolume | undefined
  for (const mount of mounts) if (isBelow(path, mount.path) && (!found || mount.path.length >= found.path.length)) found = mount
  return found
}

/** The folder itself too. */
export function isBelow(path: Buffer, folder: Buffer): boolean {
  if (folder.length === 1) return true
  return path.subarray(0, folder.length).equals(folder) && (path.length === folder.length || path[folder.length] === 0x2f)
}

/** From a folder to what lies in it, with its first slash; empty for the folder itself. */
export function restOf(path: Buffer, folder: Buffer): Buffer {
  const rest = folder.length === 1 ? path : path.subarray(folder.length)
  return rest.length === 1 ? rest.subarray(1) : rest
}
