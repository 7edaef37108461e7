/**
 * The folders of a restore, each known by its descriptor and reached from the target name by name, never through a symbolic link.
 *
 * A folder is *held* by the walk that is inside it, by what is still to be written into it, and by folders below it. When nothing holds it any more it
 * is finished: it gets its own metadata, so children come before parents. Descriptors are closed when many are open and opened again on the
 * same inode when they are needed; those that lanes work with are *pinned*.
 */
import { invariant, type TerpError } from '../../base/errors.ts'
import { close, O_DIRECTORY, O_NOFOLLOW, O_RDONLY, openat, PosixError, statFd, syncFileSystem } from '../../platform/index.ts'
import type { Entry } from '../entry.ts'
import type { FolderHandle } from './plan.ts'

const FOLDER = O_RDONLY | O_DIRECTORY | O_NOFOLLOW
/** Without those that are pinned. The usual limit of a process is 1024. */
const MOST_OPEN = 200

export interface Refusal {
  readonly kind: 'skipped' | 'failed'
  readonly error: TerpError
}

export class Folder {
  readonly parent: Folder | undefined
  /** Undefined for the target itself. */
  entry: Entry | undefined
  /** On the target; not the entry's where the policy is `copy`. */
  name: Buffer
  /** `waiting`: not looked at yet. `absent`: only in a dry run, where nothing is made. */
  state: 'waiting' | 'there' | 'absent' | 'refused' | 'finished' = 'waiting'
  refusal: Refusal | undefined
  isNew = false
  inherits = false
  /** What was taken off an existing folder to work in it, to be set again. */
  modeBefore: number | undefined
  flagsBefore: number | undefined
  fd: number | undefined
  dev = 0
  ino = 0
  pins = 0
  holds = 1

  constructor(parent: Folder | undefined, entry: Entry | undefined, name: Buffer) {
    this.parent = parent
    this.entry = entry
    this.name = name
  }
}

export class Folders {
  readonly root: Folder
  readonly #finish: (folder: Folder) => void
  /** Least recently used first. */
  readonly #open = new Set<Folder>()
  /** Those that were there before and have something taken off, until they are finished. */
  readonly altered = new Set<Folder>()
  /** A descriptor on each other file system that is mounted below the target: it has to be synced too. */
  readonly #mounts = new Map<number, number>()

  /** `finish` is called once for each folder that is there, open, with everything below it done. */
  constructor(targetFd: number | undefined, finish: (folder: Folder) => void) {
    this.#finish = finish
    this.root = new Folder(undefined, undefined, Buffer.alloc(0))
    this.root.state = 'absent'
    if (targetFd !== undefined) this.adopt(this.root, targetFd)
  }

  /** The walk goes into it: held until it leaves. */
  begin(parent: Folder, entry: Entry, name: Buffer): Folder {
    this.hold(parent)
    return new Folder(parent, entry, name)
  }

  adopt(folder: Folder, fd: number): void {
    const { dev, ino } = statFd(fd)
    Object.assign(folder, { fd, dev, ino, state: 'there' })
    this.#open.add(folder)
    if (dev !== this.root.dev && !this.#mounts.has(dev)) this.#mounts.set(dev, openat(fd, '.', FOLDER))
    this.#closeSome()
  }

  /** Its descriptor. Valid until some hundred others were asked for, or while it is pinned. */
  fd(folder: Folder): number {
    if (folder.fd === undefined) this.#openAgain(folder)
    else {
      this.#open.delete(folder)
      this.#open.add(folder)
    }
    return folder.fd as number
  }

  #openAgain(folder: Folder): void {
    invariant(folder.state === 'there' && folder.parent, 'only a folder that was open is opened again')
    const fd = openat(this.fd(folder.parent), folder.name, FOLDER)
    const { dev, ino } = statFd(fd)
    if (dev !== folder.dev || ino !== folder.ino) {
      close(fd)
      throw new PosixError('openat', 20) // ENOTDIR: another folder has this name now, and it is not the one that was made
    }
    folder.fd = fd
    this.#open.add(folder)
    this.#closeSome()
  }

  #closeSome(): void {
    if (this.#open.size <= MOST_OPEN) return
    let surplus = this.#open.size - MOST_OPEN
    let last = 0
    for (const folder of this.#open) {
      // The two used last are in somebody's hands.
      if (surplus === 0 || ++last > this.#open.size - 2) return
      if (folder.pins > 0 || folder === this.root) continue
      this.#close(folder)
      surplus--
    }
  }

  #close(folder: Folder): void {
    if (folder.fd !== undefined) close(folder.fd)
    folder.fd = undefined
    this.#open.delete(folder)
  }

  pin(folder: Folder): FolderHandle {
    const fd = this.fd(folder)
    folder.pins++
    return { fd, isNew: folder.isNew, inherits: folder.inherits }
  }

  unpin(folder: Folder): void {
    folder.pins--
  }

  hold(folder: Folder): void {
    folder.holds++
  }

  release(folder: Folder): void {
    let at: Folder | undefined = folder
    while (at && --at.holds === 0) {
      if (at.state === 'there') this.#finish(at)
      this.altered.delete(at)
      if (at !== this.root) this.#close(at)
      at.state = 'finished'
      at = at.parent
    }
  }

  /** Everything that was written below the target is durable when this returns. */
  sync(): void {
    if (this.root.fd !== undefined) syncFileSystem(this.root.fd)
    for (const fd of this.#mounts.values()) syncFileSystem(fd)
  }

  /** At the end, or when the job has failed: nothing is finished, but what was taken off of existing folders is set again. */
  close(setBack: (folder: Folder, fd: number) => void): void {
    for (const folder of this.altered) {
      try {
        setBack(folder, this.fd(folder))
      } catch {
        // The job has failed already, and its reason is what counts.
      }
    }
    for (const folder of [...this.#open]) this.#close(folder)
    for (const fd of this.#mounts.values()) close(fd)
    this.#mounts.clear()
  }
}
