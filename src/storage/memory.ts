/** Objects in memory, for tests. Nothing here can fail by itself: faults come from FaultyStore. */
import type { Operation } from '../base/operation.ts'
import { storageError } from './errors.ts'
import { MemorySessions } from './memory-sessions.ts'
import type { ByteRange, ImmediateReads, ObjectInfo, ObjectMove, OpenObject, PruningStore } from './object-store.ts'
import { checkObjectName, checkObjectPrefix } from './object-store.ts'

export class MemoryStore implements PruningStore {
  readonly description: string
  readonly #objects = new Map<string, Buffer>()
  readonly #quarantined = new Map<string, Buffer>()
  readonly sessions = new MemorySessions()
  /** By handle: what was opened stays as it was. */
  readonly #opened: Buffer[] = []

  constructor(description = 'memory') {
    this.description = description
  }

  async put(op: Operation, name: string, bytes: Uint8Array): Promise<'stored' | 'already-there'> {
    op.check()
    checkObjectName(name)
    const there = this.#objects.get(name)
    if (there === undefined) {
      this.#objects.set(name, Buffer.from(bytes))
      return 'stored'
    }
    if (!there.equals(bytes)) throw storageError('STORAGE_OBJECT_EXISTS', `${name} exists with other content`)
    return 'already-there'
  }

  async get(op: Operation, name: string, range?: ByteRange): Promise<Buffer> {
    op.check()
    checkObjectName(name)
    const bytes = this.#objects.get(name)
    if (bytes === undefined) throw storageError('STORAGE_OBJECT_NOT_FOUND', `there is no ${name}`)
    if (!range) return Buffer.from(bytes)
    const end = range.offset + range.length
    if (end > bytes.length) throw storageError('STORAGE_OBJECT_SHORT', `${name} has ${bytes.length} bytes, ${end} are wanted`)
    return Buffer.from(bytes.subarray(range.offset, end))
  }

  async head(op: Operation, name: string): Promise<ObjectInfo | undefined> {
    op.check()
    checkObjectName(name)
    const bytes = this.#objects.get(name)
    return bytes && { name, sizeBytes: bytes.length }
  }

  async *list(op: Operation, prefix: string): AsyncGenerator<ObjectInfo> {
    op.check()
    checkObjectPrefix(prefix)
    const names = [...this.#objects.keys()].filter((name) => name.startsWith(prefix)).sort()
    for (const name of names) {
      const bytes = this.#objects.get(name)
      if (bytes) yield { name, sizeBytes: bytes.length }
    }
  }

  readonly immediate: ImmediateReads = {
    head: (name) => {
      checkObjectName(name)
      const bytes = this.#objects.get(name)
      return bytes && { name, sizeBytes: bytes.length }
    },
    open: (name) => {
      checkObjectName(name)
      const bytes = this.#objects.get(name)
      if (bytes === undefined) throw storageError('STORAGE_OBJECT_NOT_FOUND', `there is no ${name}`)
      return openBytes(name, bytes, this.#opened.push(bytes) - 1)
    },
    adopt: (handle) => openBytes(`object ${handle}`, this.#opened[handle] ?? Buffer.alloc(0), handle),
    names: (prefix) => {
      checkObjectPrefix(prefix)
      return [...this.#objects.keys()].filter((name) => name.startsWith(prefix)).sort()
    },
  }

  async putParts(op: Operation, parts: AsyncIterable<Uint8Array>, nameOf: () => string): Promise<string> {
    op.check()
    const all: Buffer[] = []
    for await (const part of parts) all.push(Buffer.from(part))
    const name = nameOf()
    await this.put(op, name, Buffer.concat(all))
    return name
  }

  async quarantine(op: Operation, name: string): Promise<void> {
    op.check()
    checkObjectName(name)
    const bytes = this.#objects.get(name)
    if (bytes) this.#quarantined.set(`${name}#${this.#quarantined.size}`, bytes)
    this.#objects.delete(name)
  }

  async beginEpoch(): Promise<void> {}

  async remove(op: Operation, name: string): Promise<void> {
    op.check()
    checkObjectName(name)
    this.#objects.delete(name)
  }

  async removeAll(op: Operation, names: readonly string[]): Promise<void> {
    for (const name of names) await this.remove(op, name)
  }

  async moveAll(op: Operation, moves: readonly ObjectMove[]): Promise<void> {
    for (const { from, to } of moves) {
      op.check()
      checkObjectName(to)
      const bytes = this.#objects.get(from)
      if (bytes) this.#objects.set(to, bytes)
      this.#objects.delete(from)
    }
  }

  async beginPrune(): Promise<void> {}

  /** For tests of damage: changes an object behind everybody's back; `undefined` makes it vanish. */
  tamper(name: string, change: (bytes: Buffer) => Buffer | undefined): void {
    const bytes = this.#objects.get(name)
    if (!bytes) throw storageError('STORAGE_OBJECT_NOT_FOUND', `there is no ${name}`)
    const changed = change(Buffer.from(bytes))
    if (changed) this.#objects.set(name, changed)
    else this.#objects.delete(name)
  }

  /** All objects as they are now, sharing no bytes with this store: a copy to try a crash or a repair on. */
  clone(): MemoryStore {
    const copy = new MemoryStore(this.description)
    for (const [name, bytes] of this.#objects) copy.#objects.set(name, Buffer.from(bytes))
    return copy
  }
}

/** Also what makes an object that was read whole look like one that was opened. */
export function openBytes(name: string, bytes: Buffer, handle = -1): OpenObject {
  return {
    sizeBytes: bytes.length,
    handle,
    read: (offset, length, into) => {
      if (offset + length > bytes.length)
        throw storageError('STORAGE_OBJECT_SHORT', `${name} has ${bytes.length} bytes, ${offset + length} are wanted`)
      const there = bytes.subarray(offset, offset + length)
      if (!into || into.length < length) return Buffer.from(there)
      there.copy(into)
      return into.subarray(0, length)
    },
    close: () => {},
  }
}
