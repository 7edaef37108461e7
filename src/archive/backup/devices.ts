/**
 * The devices that a backup meets. Once for each, before anything on it is looked at, what is dirty is written out (docs/adr/0008): a program that has mapped
 * a file may store into a page that is dirty already without moving the change time; once the page is written out, its next store moves it. So what
 * has an older change time than this is settled.
 */
import { statfsSync } from 'node:fs'
import type { Operation } from '../../base/operation.ts'
import { close, O_DIRECTORY, O_NOFOLLOW, O_RDONLY, openPath, PosixError, statFd, syncFileSystem } from '../../platform/index.ts'
import { type Places, READ_IN_PLACE } from './places.ts'
import type { Root } from './roots.ts'

/**
 * ext2 to ext4, XFS, Btrfs, F2FS, ZFS, bcachefs, JFS, NILFS, tmpfs, overlayfs: there a name that comes or goes always moves the times of its folder.
 * It does not on FAT, when another system wrote, nor on everything that FUSE or a network can bring; there every folder is read.
 */
const TELLING = new Set([0xef53, 0x58465342, 0x9123683e, 0xf2f52010, 0x2fc12fc1, 0xca451a4e, 0x3153464a, 0x3434, 0x01021994, 0x794c7630])

function isTelling(fd: number): boolean {
  try {
    return TELLING.has(statfsSync(`/proc/self/fd/${fd}`).type)
  } catch {
    return false // then its folders are all read
  }
}

export class Devices {
  readonly #writtenOutMs = new Map<number, number>()
  readonly #telling: number[] = []
  readonly #places: Places

  constructor(places: Places = READ_IN_PLACE) {
    this.#places = places
  }

  /** When what was dirty there was written out; 0 if it was not. */
  writtenOutMs(dev: number): number {
    return this.#writtenOutMs.get(dev) ?? 0
  }

  /** Those already written out on which folders tell by their times that names came or went. */
  get telling(): readonly number[] {
    return this.#telling
  }

  has(dev: number): boolean {
    return this.#writtenOutMs.has(dev)
  }

  /** `fd` lies on it. A snapshot was written out before it was made. */
  writeOut(op: Operation, dev: number, fd: number): void {
    if (this.has(dev)) return
    const settledMs = this.#places.settledMs.get(dev)
    this.#writtenOutMs.set(dev, settledMs ?? op.clock.nowMs())
    try {
      if (settledMs === undefined) syncFileSystem(fd)
    } catch (error) {
      if (!(error instanceof PosixError)) throw error // a source that can't be synced can be read all the same
    }
    if (isTelling(fd)) this.#telling.push(dev)
  }

  /** Those of the roots that are folders. */
  writeOutRoots(op: Operation, roots: readonly Root[]): void {
    for (const { at, follow } of roots) {
      try {
        const fd = openPath(at.length === 0 ? '/' : at, O_RDONLY | O_DIRECTORY | (follow ? 0 : O_NOFOLLOW))
        try {
          this.writeOut(op, this.#places.recorded(statFd(fd)).dev, fd)
        } finally {
          close(fd)
        }
      } catch (error) {
        if (!(error instanceof PosixError)) throw error // no folder, or closed to us: the walk will tell
      }
    }
  }
}
