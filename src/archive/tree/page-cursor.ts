/**
 * Goes through the entries of a stored page without making them: only what is compared with the file system is decoded, into fields of this object that
 * the next step overwrites. Reads the same bytes as `decodePage` (docs/format.md §9.1, §9.2) and refuses the same damage.
 */
import { archiveError } from '../errors.ts'

const VERSION = 1
const ID_BYTES = 32
export const KIND_NUMBER = { file: 1, folder: 2, symlink: 3, fifo: 4, 'character-device': 5, 'block-device': 6, socket: 7 } as const
const SLASH = 0x2f

export class PageCursor {
  #bytes: Buffer = Buffer.alloc(0)
  #at = 0
  #left = 0
  /** The chunks that the page's files name, 32 bytes each. */
  chunkIds: Buffer = Buffer.alloc(0)
  /** Of the entry at which the cursor stands: `path` holds `pathBytes` bytes and then a zero. */
  path: Buffer = Buffer.alloc(4096)
  pathBytes = 0
  /** Bytes that the path shares with that of the entry before. */
  shared = 0
  /** Where the path has slashes: `depth` of them. */
  readonly slashes: number[] = []
  depth = 0
  kind = 0
  unsettled = false
  ancestor = false
  mtimeSec = 0
  mtimeNs = 0
  ctimeSec = 0
  ctimeNs = 0
  dev = 0
  ino = 0
  sizeBytes = 0
  /** Its content stands in lists. */
  hasLists = false

  /** Stands before the first entry of a page of level 0. */
  open(page: Buffer): void {
    this.#bytes = page
    this.#at = 2
    this.pathBytes = 0
    this.depth = 0
    if (page[0] !== VERSION) throw this.#damage(`its version is ${page[0]}`)
    if (page[1] !== 0) throw this.#damage(`it has level ${page[1]}`)
    this.#left = this.#varint()
    for (let n = this.#varint(); n > 0; n--) this.#skip(this.#varint())
    const idBytes = this.#varint() * ID_BYTES
    this.chunkIds = page.subarray(this.#at, this.#at + idBytes)
    this.#skip(idBytes)
  }

  /** False behind the last entry. */
  next(): boolean {
    if (this.#left === 0) {
      if (this.#at !== this.#bytes.length) throw this.#damage(`${this.#bytes.length - this.#at} bytes are left over`)
      return false
    }
    this.#left--
    this.#readPath()
    this.kind = this.#bytes[this.#at++] as number
    const marks = this.#varint()
    this.unsettled = (marks & 1) !== 0
    this.ancestor = (marks & 4) !== 0
    for (let n = 0; n < 5; n++) this.#varint() // mode, owner, group and their names: the change time stands for them
    this.mtimeSec = this.#svarint()
    this.mtimeNs = this.#varint()
    this.ctimeSec = this.#svarint()
    this.ctimeNs = this.#varint()
    if ((marks & 32) !== 0) {
      this.#varint()
      this.#varint()
    }
    this.dev = this.#varint()
    this.ino = this.#varint()
    this.#varint()
    this.sizeBytes = this.#varint()
    if ((marks & 16) !== 0) this.#varint()
    if ((marks & 8) !== 0) for (let n = this.#varint() * 2; n > 0; n--) this.#skip(this.#varint())
    this.hasLists = false
    if (this.kind === KIND_NUMBER.file) this.#passExtents()
    else if (this.kind === KIND_NUMBER.symlink) this.#skip(this.#varint())
    else if (this.kind === KIND_NUMBER['character-device'] || this.kind === KIND_NUMBER['block-device']) {
      this.#varint()
      this.#varint()
    } else if (this.kind < 1 || this.kind > KIND_NUMBER.socket) throw this.#damage('an entry has an unknown type')
    return true
  }

  #readPath(): void {
    const shared = this.#varint()
    const rest = this.#varint()
    if (shared > this.pathBytes) throw this.#damage('a path shares more than there is')
    const start = this.#at
    this.#skip(rest)
    const end = shared + rest
    if (end >= this.path.length) this.path = Buffer.concat([this.path], end * 2)
    const { path, slashes } = this
    const bytes = this.#bytes
    while (this.depth > 0 && (slashes[this.depth - 1] as number) >= shared) this.depth--
    for (let from = start, to = shared; to < end; from++, to++) {
      const byte = bytes[from] as number
      path[to] = byte
      if (byte === SLASH) slashes[this.depth++] = to
    }
    path[end] = 0
    this.shared = shared
    this.pathBytes = end
  }

  #passExtents(): void {
    const chunks = this.chunkIds.length / ID_BYTES
    for (let n = this.#varint(); n > 0; n--) {
      const kind = this.#bytes[this.#at++]
      if (kind === 2) this.hasLists = true
      else if (kind !== 0 && kind !== 1) throw this.#damage(`an extent has kind ${kind}`)
      if (kind !== 0 && this.#varint() >= chunks) throw this.#damage('an extent names a chunk that is not in the table')
      if (kind === 1) this.#varint()
      this.#varint()
    }
  }

  #skip(bytes: number): void {
    this.#at += bytes
    if (this.#at > this.#bytes.length) throw this.#damage('it ends too early')
  }

  #varint(): number {
    const bytes = this.#bytes
    const first = bytes[this.#at] as number
    if (first < 0x80) {
      this.#at++
      return first
    }
    let value = 0
    let scale = 1
    for (let n = 0; n < 8 && this.#at < bytes.length; n++) {
      const byte = bytes[this.#at++] as number
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
      scale *= 0x80
    }
    throw this.#damage('a number is too large, or it ends too early')
  }

  #svarint(): number {
    const value = this.#varint()
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2
  }

  #damage(why: string) {
    return archiveError('TREE_DAMAGED', `a page of the tree can not be read: ${why}`)
  }
}
