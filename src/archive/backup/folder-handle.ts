/**
 * An open folder of the source, shared by the walk and by the lanes that still read files in it. Descriptors are plain numbers that all
 * threads of the process can use; the last holder closes. A walk deep in a tree lets go of distant ancestors and opens them again
 * when it comes back, and then only if the same folder is still there.
 */
import { invariant } from '../../base/errors.ts'
import { close, O_DIRECTORY, O_NOFOLLOW, O_RDONLY, openat, openPath, PosixError, statFd } from '../../platform/index.ts'

const FOLDER = O_RDONLY | O_DIRECTORY

export class FolderHandle {
  /** Absolute, with its first slash. */
  readonly path: Buffer
  readonly #dev: number
  readonly #ino: number
  #fd: number | undefined
  #holders = 1

  private constructor(path: Buffer, fd: number) {
    this.path = path
    this.#fd = fd
    const stat = statFd(fd)
    this.#dev = stat.dev
    this.#ino = stat.ino
  }

  static open(path: Buffer): FolderHandle {
    return new FolderHandle(path, openPath(path.length === 0 ? Buffer.from('/') : path, FOLDER))
  }

  /** Throws PosixError, ELOOP or ENOTDIR when the name is no folder (any more). `follow` only for what the user named with a slash at its end. */
  static openBelow(parent: FolderHandle, name: Buffer, follow = false): FolderHandle {
    const fd = openat(parent.fd, name, follow ? FOLDER : FOLDER | O_NOFOLLOW)
    return new FolderHandle(Buffer.concat([parent.path, Buffer.from('/'), name]), fd)
  }

  get fd(): number {
    this.#fd ??= this.#openAgain()
    return this.#fd
  }

  #openAgain(): number {
    const fd = openPath(this.path, FOLDER)
    const stat = statFd(fd)
    if (stat.dev === this.#dev && stat.ino === this.#ino) return fd
    close(fd)
    throw new PosixError('openat', 2) // ENOENT: another folder has this path now; ours is gone
  }

  retain(): this {
    invariant(this.#holders > 0, 'a released folder is not retained again')
    this.#holders++
    return this
  }

  release(): void {
    this.#holders--
    if (this.#holders === 0) this.#closeNow()
  }

  /** Closes for the time being if nobody but the walk holds it. */
  rest(): void {
    if (this.#holders === 1) this.#closeNow()
  }

  #closeNow(): void {
    if (this.#fd !== undefined) close(this.#fd)
    this.#fd = undefined
  }
}
