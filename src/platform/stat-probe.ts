/**
 * statx(2) a million times: what it answers stays in one buffer and is read from there field by field, so that looking at a file makes no object.
 * Symbolic links are never followed. The fields are those of the last look that succeeded.
 */

import type { FileKind } from './metadata.ts'
import { inodeNumberOf, kindOfMode } from './metadata.ts'
import { AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW, lastErrno, libc } from './posix.ts'

const STATX_BASIC_STATS = 0x7ff
const EMPTY = Buffer.from([0])
const TWO_32 = 0x100000000

export class StatProbe {
  readonly #bytes = Buffer.allocUnsafeSlow(256)
  readonly #unsigned = new Uint32Array(this.#bytes.buffer, this.#bytes.byteOffset, 64)
  readonly #signed = new Int32Array(this.#bytes.buffer, this.#bytes.byteOffset, 64)

  /** 0, or the errno. `name` ends with a zero byte. */
  look(dirfd: number, name: Uint8Array): number {
    return libc.statx(dirfd, name, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, this.#bytes) === 0 ? 0 : lastErrno()
  }

  lookFd(fd: number): number {
    return libc.statx(fd, EMPTY, AT_EMPTY_PATH, STATX_BASIC_STATS, this.#bytes) === 0 ? 0 : lastErrno()
  }

  get kind(): FileKind {
    return kindOfMode(this.#at(7) & 0xffff)
  }

  get sizeBytes(): number {
    return this.#at(11) * TWO_32 + this.#at(10)
  }

  get mtimeSec(): number {
    return this.#signedAt(29) * TWO_32 + this.#at(28)
  }

  get mtimeNs(): number {
    return this.#at(30)
  }

  get ctimeSec(): number {
    return this.#signedAt(25) * TWO_32 + this.#at(24)
  }

  get ctimeNs(): number {
    return this.#at(26)
  }

  /** As in FileStat. */
  get dev(): number {
    return this.#at(34) * 0x100000 + this.#at(35)
  }

  get ino(): number {
    return inodeNumberOf(this.#at(9), this.#at(8))
  }

  #at(word: number): number {
    return this.#unsigned[word] as number
  }

  #signedAt(word: number): number {
    return this.#signed[word] as number
  }
}
