/** A snapshot of the volume on which a path lies, by whichever way that volume has. */
import { constants, copyFile, lstat, mkdir, readFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { Operation } from '../../../base/operation.ts'
import { close, O_DIRECTORY, O_RDONLY, openPath, syncFileSystem } from '../../../platform/index.ts'
import { hold } from '../../hold/holder.ts'
import { NoSnapshot, run } from './command.ts'
import { type MountedVolume, restOf } from './mount-table.ts'
import type { Undo } from './undo.ts'

export interface VolumeSnapshot {
  /** Where the path's counterpart lies. */
  readonly at: Buffer
  readonly how: string
  /** A name in the path that is none of its own: what snapshots need. */
  readonly leaveOut?: string
  /** When what was dirty had been asked to be written out, before the snapshot. */
  readonly settledMs: number
  /** Why it can't be relied on any more, if so. */
  lostWhy(op: Operation): Promise<string | undefined>
}

/** Snapshots made for this task already, by what they are of: paths of one volume share one. */
export type Made = Map<string, { readonly root: string; readonly settledMs: number; lostWhy(op: Operation): Promise<string | undefined> }>

export interface SnapshotWish {
  /** Absolute, without links on the way. */
  readonly path: Buffer
  readonly mount: MountedVolume
  readonly undo: Undo
  readonly made: Made
  /** The snapshot must hold what is mounted or nested below, too. */
  readonly isWhole: boolean
}

/** Of a volume on an image: longer than a clone of it ever takes. */
const FREEZE_MS = 20_000
const SUBVOLUME_INODE = 256
/** In which the snapshots of a btrfs lie, below its top. */
const BTRFS_FOLDER = '.terp-snapshots'
/** What is written while a classic snapshot is read has to find room in it. */
const CLASSIC_ROOM = '20%ORIGIN'

const never = async () => undefined

/** NoSnapshot. */
export async function snapshotOf(op: Operation, wish: SnapshotWish): Promise<VolumeSnapshot> {
  const { mount } = wish
  if (mount.type === 'btrfs') return btrfsSnapshot(op, wish)
  if (!mount.device.startsWith('/dev/')) throw new NoSnapshot(`${mount.type} has no snapshots`)
  if (/^\/dev\/loop\d+$/.test(mount.device)) return imageSnapshot(op, wish)
  return logicalVolumeSnapshot(op, wish)
}

/** Of the subvolume that holds the path, read-only, seen through a mount of the whole file system, so that nothing appears in the source. */
async function btrfsSnapshot(op: Operation, { path, mount, undo, made, isWhole }: SnapshotWish): Promise<VolumeSnapshot> {
  const topKey = `btrfs ${mount.device}`
  const top = made.get(topKey)?.root ?? (await mountTop(op, mount, undo))
  const settledMs = made.get(topKey)?.settledMs ?? writeOut(op, mount)
  made.set(topKey, { root: top, settledMs, lostWhy: never })
  const inside = Buffer.concat([Buffer.from(top), mount.root.length === 1 ? Buffer.alloc(0) : mount.root, restOf(path, mount.path)])
  let subvolume = inside
  while (!(await isSubvolume(subvolume))) {
    if (subvolume.length <= top.length) throw new NoSnapshot('the path lies in no subvolume')
    subvolume = subvolume.subarray(0, subvolume.lastIndexOf(0x2f))
  }
  if (isWhole && (await hasNested(op, top, inside))) throw new NoSnapshot('other subvolumes lie below it')
  const key = `${topKey} ${subvolume.toString('latin1')}`
  let known = made.get(key)
  if (!known) {
    const name = `${BTRFS_FOLDER}/${undo.id}-${made.size}`
    await mkdir(join(top, BTRFS_FOLDER), { mode: 0o700 }).catch(ifNotThere)
    await undo.note({ kind: 'subvolume', device: mount.device, top, name })
    await run(op, 'btrfs', ['subvolume', 'snapshot', '-r', subvolume, join(top, name)])
    known = { root: join(top, name), settledMs, lostWhy: never }
    made.set(key, known)
  }
  const rest = inside.subarray(subvolume.length)
  const at = Buffer.concat([Buffer.from(known.root), rest.length === 0 ? Buffer.from('/') : rest])
  const isTop = inside.length === top.length
  return { at, how: 'a read-only snapshot of the btrfs subvolume', settledMs, lostWhy: never, ...(isTop && { leaveOut: BTRFS_FOLDER }) }
}

async function mountTop(op: Operation, mount: MountedVolume, undo: Undo): Promise<string> {
  if (mount.isReadOnly) throw new NoSnapshot('it is mounted read-only')
  const top = join(undo.folder, `${undo.id}-top-${basename(mount.device)}`)
  await undo.note({ kind: 'folder', path: top })
  await mkdir(top, { mode: 0o700 })
  await undo.note({ kind: 'mount', path: top })
  await run(op, 'mount', ['-t', 'btrfs', '-o', 'subvolid=5,noatime', mount.device, top])
  return top
}

async function isSubvolume(path: Buffer): Promise<boolean> {
  const found = await lstat(path).catch(() => undefined)
  return found?.isDirectory() === true && found.ino === SUBVOLUME_INODE
}

async function hasNested(op: Operation, top: string, inside: Buffer): Promise<boolean> {
  const below = inside.subarray(top.length + 1).toString('latin1')
  const list = await run(op, 'btrfs', ['subvolume', 'list', top])
  return list.split('\n').some((line) => {
    const path = line.slice(line.indexOf(' path ') + 6)
    return line !== '' && !path.startsWith(`${BTRFS_FOLDER}/`) && path !== below && (below === '' || path.startsWith(`${below}/`))
  })
}

async function logicalVolumeSnapshot(op: Operation, { path, mount, undo, made }: SnapshotWish): Promise<VolumeSnapshot> {
  let known = made.get(mount.device)
  const fields = 'vg_name,lv_name,segtype,pool_lv'
  const text = await run(op, 'lvs', ['--noheadings', '--separator', '|', '-o', fields, mount.device]).catch((error: unknown) => {
    throw error instanceof NoSnapshot
      ? new NoSnapshot(`${mount.type} on ${mount.device} is no logical volume, and has no snapshots of its own`)
      : error
  })
  const [group = '', volume = '', , pool = ''] = text.trim().split('|')
  const isThin = pool !== ''
  if (!known) {
    const name = `terp-${undo.id}-${made.size}`
    const origin = `${group}/${volume}`
    await undo.note({ kind: 'logical-volume', name: `${group}/${name}` })
    const settledMs = writeOut(op, mount)
    const make = (...size: string[]) => run(op, 'lvcreate', ['-y', '-s', '-kn', ...size, '-n', name, origin])
    if (isThin) await make()
    else await make('-l', CLASSIC_ROOM).catch(() => make('-l', '100%FREE'))
    const device = (await run(op, 'lvs', ['--noheadings', '-o', 'lv_dm_path', `${group}/${name}`])).trim()
    const lostWhy = (again: Operation) => (isThin ? never() : whyInvalid(again, `${group}/${name}`))
    known = { root: await mountReadOnly(op, mount.type, device, undo, made.size), settledMs, lostWhy }
    made.set(mount.device, known)
  }
  const how = isThin ? 'a thin snapshot of the logical volume' : 'a snapshot of the logical volume'
  return { at: below(known.root, mount, path), how, settledMs: known.settledMs, lostWhy: known.lostWhy }
}

async function whyInvalid(op: Operation, name: string): Promise<string | undefined> {
  const [invalid = '', percent = ''] = (
    await run(op, 'lvs', ['--noheadings', '--separator', '|', '-o', 'lv_snapshot_invalid,snap_percent', name])
  )
    .trim()
    .split('|')
  return invalid.includes('invalid') || Number(percent) >= 100 ? 'more was written to the volume than the snapshot had room for' : undefined
}

/** The image is cloned while the file system in it stands still, which takes no longer than writing down what it shares. */
async function imageSnapshot(op: Operation, { path, mount, undo, made }: SnapshotWish): Promise<VolumeSnapshot> {
  let known = made.get(mount.device)
  if (!known) {
    const loop = `/sys/block/${basename(mount.device)}/loop`
    const image = (await readFile(join(loop, 'backing_file'), 'utf8').catch(() => '')).trim()
    if (image === '' || image.endsWith('(deleted)')) throw new NoSnapshot(`${mount.device} has no image that could be cloned`)
    const offset = (await readFile(join(loop, 'offset'), 'utf8')).trim()
    const limit = (await readFile(join(loop, 'sizelimit'), 'utf8')).trim()
    const clone = join(dirname(image), `.terp-${undo.id}-${made.size}.img`)
    await undo.note({ kind: 'file', path: clone })
    await undo.note({ kind: 'freeze', path: mount.path.toString('utf8') })
    const settledMs = writeOut(op, mount)
    const frozen = await hold(op, { freeze: [mount.path], watch: [], limitMs: FREEZE_MS })
    let failure: unknown
    await copyFile(image, clone, constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL).catch((error: unknown) => {
      failure = error
    })
    const { why } = await frozen.release()
    if (failure)
      throw new NoSnapshot(`the image of ${mount.device} lies where files can not be cloned (${(failure as NodeJS.ErrnoException).code})`)
    if (why !== 'done') throw new NoSnapshot('the image was not cloned in time')
    await undo.note({ kind: 'loop', file: clone })
    const device = (
      await run(op, 'losetup', ['-f', '--show', '-r', '-o', offset, ...(limit === '0' ? [] : ['--sizelimit', limit]), clone])
    ).trim()
    known = { root: await mountReadOnly(op, mount.type, device, undo, made.size), settledMs, lostWhy: never }
    made.set(mount.device, known)
  }
  return { at: below(known.root, mount, path), how: 'a clone of the volume’s image', settledMs: known.settledMs, lostWhy: never }
}

/** The counterpart of a path of the mount. */
function below(root: string, mount: MountedVolume, path: Buffer): Buffer {
  const rest = Buffer.concat([mount.root.length === 1 ? Buffer.alloc(0) : mount.root, restOf(path, mount.path)])
  return Buffer.concat([Buffer.from(root), rest.length === 0 ? Buffer.from('/') : rest])
}

async function mountReadOnly(op: Operation, type: string, device: string, undo: Undo, number: number): Promise<string> {
  const path = join(undo.folder, `${undo.id}-${number}`)
  await undo.note({ kind: 'folder', path })
  await mkdir(path, { mode: 0o700 })
  await undo.note({ kind: 'mount', path })
  // It was frozen, so there is nothing in its journal that would have to be played.
  const still = type === 'xfs' ? ['norecovery', 'nouuid'] : type.startsWith('ext') ? ['noload'] : []
  await run(op, 'mount', ['-t', type, '-o', ['ro', 'noatime', 'nodev', ...still].join(','), device, path])
  return path
}

/** Makes the moment short in which it stands still, and says before which change nothing is dirty. */
function writeOut(op: Operation, mount: MountedVolume): number {
  const nowMs = op.clock.nowMs()
  const fd = openPath(mount.path, O_RDONLY | O_DIRECTORY)
  try {
    syncFileSystem(fd)
  } finally {
    close(fd)
  }
  return nowMs
}

function ifNotThere(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw new NoSnapshot(`no folder for snapshots could be made (${error.code})`)
}
