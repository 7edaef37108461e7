/**
 * Objects as files below one folder (docs/format.md §2, §13). What always holds: a file under an object's name is whole and durable before
 * anybody is told of it, and is never changed; a crash leaves at worst a file in `tmp/`. Several stores, in several threads and
 * processes, may work on one folder.
 */
import { join } from 'node:path'
import { equalBytes } from '../base/bytes.ts'
import type { TerpError } from '../base/errors.ts'
import { invariant } from '../base/errors.ts'
import type { Operation } from '../base/operation.ts'
import { randomHex } from '../base/random.ts'
import type { Disk, DiskFile, DiskLock, DiskReader } from '../platform/index.ts'
import { codeOf, isAbsent, isMediumFailure, toStorageError } from './disk-errors.ts'
import { DurableFolders, parentOf } from './durable-folders.ts'
import { storageError } from './errors.ts'
import { FolderSessions } from './folder-sessions.ts'
import type { ByteRange, ImmediateReads, ObjectInfo, ObjectMove, OpenObject, PruningStore } from './object-store.ts'
import { checkObjectName } from './object-store.ts'
import { namesBelow, walkObjects } from './object-walk.ts'

const TAG = /^[A-Za-z0-9]+$/
const PRUNE_TAG = 'p'
const COMPARED_BYTES = 1_048_576

/** What becomes an object: how it is written, what it is called once it is, and how it is compared with what has the name already. */
interface Content {
  readonly fill: (file: DiskFile) => Promise<void>
  readonly nameOf: () => string
  readonly compare: (name: string, temporary: string) => Promise<void>
}

export class LocalDiskStore implements PruningStore {
  readonly description: string
  readonly sessions: FolderSessions
  readonly #disk: Disk
  readonly #root: string
  readonly #folders: DurableFolders
  #tag: string
  #poison: TerpError | undefined

  /** Touches nothing yet. `tag` begins the names of this store's temporary files. */
  constructor(disk: Disk, root: string, options: { readonly tag?: string } = {}) {
    this.description = root
    this.#disk = disk
    this.#root = root
    this.#folders = new DurableFolders(disk, root, (folder) => this.#syncFolder(folder))
    this.sessions = new FolderSessions(disk, root, () => this.#attempt('make sessions', () => this.#folders.ensure('sessions')))
    this.#tag = ''
    this.setTag(options.tag ?? '0')
  }

  /** A writer sets its epoch, once it has one. */
  setTag(tag: string): void {
    invariant(TAG.test(tag), 'a tag is letters and digits')
    this.#tag = tag
  }

  async put(op: Operation, name: string, bytes: Uint8Array): Promise<'stored' | 'already-there'> {
    op.check()
    checkObjectName(name)
    this.#checkWritable()
    await this.#attempt(`make the folder of ${name}`, () => this.#folders.ensure(parentOf(name)))
    return this.#publish(op, {
      fill: (file) => this.#attempt(`write ${name}`, () => file.write(bytes)),
      nameOf: () => name,
      compare: (there) => this.#compare(there, bytes),
    })
  }

  async putParts(op: Operation, parts: AsyncIterable<Uint8Array>, nameOf: () => string): Promise<string> {
    op.check()
    this.#checkWritable()
    let name = ''
    await this.#publish(op, {
      fill: async (file) => {
        // What `parts` throws is its own; it says nothing of the disk.
        for await (const part of parts) await this.#attempt('write an object in parts', () => file.write(part))
        name = nameOf()
        checkObjectName(name)
        await this.#attempt(`make the folder of ${name}`, () => this.#folders.ensure(parentOf(name)))
      },
      nameOf: () => name,
      compare: (there, temporary) => this.#compareFiles(there, temporary),
    })
    return name
  }

  /** The only way in which an object becomes visible: docs/format.md §13. */
  async #publish(op: Operation, content: Content): Promise<'stored' | 'already-there'> {
    await this.#attempt('make tmp', () => this.#folders.ensure('tmp'))
    const temporary = `tmp/${this.#tag}-${randomHex(op.random, 16)}`
    // 1. Whole and durable under a name that means nothing. Only the file that this call made is ever unlinked by it.
    const file = await this.#attempt(`create ${temporary}`, () => this.#disk.createFile(this.#path(temporary)))
    try {
      await this.#fill(file, content)
      const name = content.nameOf()
      // Another thread may have met a failing disk meanwhile.
      this.#checkWritable()
      // 2. Visible, or found to be there already.
      const isNew = await this.#attempt(`link ${name}`, () => this.#linkUnlessThere(temporary, name))
      if (!isNew) await content.compare(name, temporary)
      // 3. Durably visible. Also when it was there: who linked it may have crashed before this step, or not have come to it yet.
      await this.#syncFolder(parentOf(name))
      return isNew ? 'stored' : 'already-there'
    } finally {
      // 4. Best effort: what is left over here is deleted by a later writer.
      await this.#disk.unlink(this.#path(temporary)).catch(() => undefined)
    }
  }

  async get(op: Operation, name: string, range?: ByteRange): Promise<Buffer> {
    op.check()
    checkObjectName(name)
    const bytes = await this.#read(name, range)
    if (range && bytes.length < range.length) {
      const end = range.offset + range.length
      throw storageError('STORAGE_OBJECT_SHORT', `${name} ends after ${range.offset + bytes.length} bytes, ${end} are wanted`)
    }
    return bytes
  }

  async head(op: Operation, name: string): Promise<ObjectInfo | undefined> {
    op.check()
    checkObjectName(name)
    try {
      const sizeBytes = await this.#disk.size(this.#path(name))
      return sizeBytes === undefined ? undefined : { name, sizeBytes }
    } catch (error) {
      throw toStorageError(error, `look at ${name}`)
    }
  }

  list(op: Operation, prefix: string): AsyncGenerator<ObjectInfo> {
    return walkObjects(op, this.#disk, this.#root, prefix)
  }

  readonly immediate: ImmediateReads = {
    head: (name) => {
      checkObjectName(name)
      const sizeBytes = attemptNow(name, () => this.#disk.sizeSync(this.#path(name)))
      return sizeBytes === undefined ? undefined : { name, sizeBytes }
    },
    open: (name) => {
      checkObjectName(name)
      return openObject(
        name,
        attemptNow(name, () => this.#disk.openSync(this.#path(name))),
      )
    },
    adopt: (handle, sizeBytes) => openObject(`object ${handle}`, this.#disk.adopt(handle, sizeBytes)),
    names: (prefix) => namesBelow(this.#disk, this.#root, prefix),
  }

  /** Links before it unlinks, so that a crash leaves both names rather than none, and replaces nothing that lies in quarantine already. */
  async quarantine(op: Operation, name: string): Promise<void> {
    op.check()
    checkObjectName(name)
    this.#checkWritable()
    await this.#attempt('make quarantine', () => this.#folders.ensure('quarantine'))
    const flat = `quarantine/${name.replaceAll('/', '_')}`
    let isKept = false
    try {
      for (let n = 0; !isKept; n++) isKept = await this.#linkUnlessThere(name, n === 0 ? flat : `${flat}.${n}`)
    } catch (error) {
      if (isAbsent(error)) return
      throw this.#failed(error, `quarantine ${name}`)
    }
    await this.#syncFolder('quarantine')
    await this.remove(op, name)
  }

  async remove(op: Operation, name: string): Promise<void> {
    op.check()
    checkObjectName(name)
    this.#checkWritable()
    try {
      await this.#disk.unlink(this.#path(name))
    } catch (error) {
      if (isAbsent(error)) return
      throw this.#failed(error, `remove ${name}`)
    }
    await this.#syncFolder(parentOf(name))
  }

  async removeAll(op: Operation, names: readonly string[]): Promise<void> {
    this.#checkWritable()
    const folders = new Set<string>()
    for (const name of names) {
      op.check()
      checkObjectName(name)
      try {
        await this.#disk.unlink(this.#path(name))
      } catch (error) {
        if (!isAbsent(error)) throw this.#failed(error, `remove ${name}`)
      }
      folders.add(parentOf(name))
    }
    for (const folder of folders) await this.#syncFolder(folder)
  }

  /** The new folders are synced before the old ones: a crash may leave both names, never none. */
  async moveAll(op: Operation, moves: readonly ObjectMove[]): Promise<void> {
    this.#checkWritable()
    const to = new Set<string>()
    const from = new Set<string>()
    for (const move of moves) {
      op.check()
      checkObjectName(move.from)
      checkObjectName(move.to)
      await this.#attempt(`make the folder of ${move.to}`, () => this.#folders.ensure(parentOf(move.to)))
      try {
        await this.#disk.rename(this.#path(move.from), this.#path(move.to))
      } catch (error) {
        if (!isAbsent(error)) throw this.#failed(error, `move ${move.from}`)
      }
      to.add(parentOf(move.to))
      from.add(parentOf(move.from))
    }
    for (const folder of [...to, ...from]) await this.#syncFolder(folder)
  }

  /** A prune may be at work beside this writer; its temporary files begin with `p`. */
  async beginEpoch(op: Operation, epoch: number): Promise<void> {
    this.setTag(String(epoch))
    await this.removeTemporary(op, (name) => name.startsWith(`${epoch}-`) || name.startsWith(PRUNE_TAG))
  }

  async beginPrune(op: Operation, number: number): Promise<void> {
    this.setTag(`${PRUNE_TAG}${number}`)
    await this.removeTemporary(op, (name) => !name.startsWith(PRUNE_TAG) || name.startsWith(`${PRUNE_TAG}${number}-`))
  }

  /** Deletes what crashed writers left in `tmp/`, but for what `keep` names: that of writers who may still be at work. */
  async removeTemporary(op: Operation, keep: (name: string) => boolean): Promise<number> {
    op.check()
    this.#checkWritable()
    let removed = 0
    try {
      for (const entry of await this.#disk.readFolder(this.#path('tmp'))) {
        if (entry.isFolder || keep(entry.name)) continue
        await this.#disk.unlink(this.#path(`tmp/${entry.name}`))
        removed++
      }
    } catch (error) {
      if (!isAbsent(error)) throw this.#failed(error, 'clean tmp')
    }
    return removed
  }

  /** The right to write; undefined while another process, or another call, has it. A killed process loses it. */
  async lock(op: Operation): Promise<DiskLock | undefined> {
    op.check()
    try {
      return await this.#disk.lock(this.#path('LOCK'))
    } catch (error) {
      throw toStorageError(error, 'take LOCK')
    }
  }

  /** The right to expire and to prune. */
  async lockPrune(op: Operation): Promise<DiskLock | undefined> {
    op.check()
    try {
      return await this.#disk.lock(this.#path('PRUNE.LOCK'))
    } catch (error) {
      throw toStorageError(error, 'take PRUNE.LOCK')
    }
  }

  async freeBytes(): Promise<number> {
    try {
      return await this.#disk.freeBytes(this.#root)
    } catch (error) {
      throw toStorageError(error, 'ask for free space')
    }
  }

  #path(name: string): string {
    return join(this.#root, name)
  }

  #syncFolder(folder: string): Promise<void> {
    return this.#settle(`sync ${folder || 'the root'}`, () => this.#disk.syncFolder(this.#path(folder)))
  }

  async #fill(file: DiskFile, { fill, nameOf }: Content): Promise<void> {
    try {
      await fill(file)
      await this.#settle(`sync ${nameOf()}`, () => file.sync())
    } catch (error) {
      // The first failure is the one to report; the handle must not leak.
      await file.close().catch(() => undefined)
      throw error
    }
    await this.#settle(`close ${nameOf()}`, () => file.close())
  }

  async #linkUnlessThere(from: string, to: string): Promise<boolean> {
    try {
      await this.#disk.link(this.#path(from), this.#path(to))
      return true
    } catch (error) {
      if (codeOf(error) === 'EEXIST') return false
      throw error
    }
  }

  /** Equal content means that the publish has already happened. */
  async #compare(name: string, bytes: Uint8Array): Promise<void> {
    const there = await this.#read(name, { offset: 0, length: bytes.length + 1 })
    if (!equalBytes(there, bytes)) throw storageError('STORAGE_OBJECT_EXISTS', `${name} exists with other content`)
  }

  async #compareFiles(name: string, temporary: string): Promise<void> {
    for (let offset = 0; ; offset += COMPARED_BYTES) {
      const range = { offset, length: COMPARED_BYTES }
      const [there, given] = [await this.#read(name, range), await this.#read(temporary, range)]
      if (!equalBytes(there, given)) throw storageError('STORAGE_OBJECT_EXISTS', `${name} exists with other content`)
      if (given.length < COMPARED_BYTES) return
    }
  }

  async #read(name: string, range?: ByteRange): Promise<Buffer> {
    try {
      return await this.#disk.read(this.#path(name), range)
    } catch (error) {
      if (isAbsent(error)) throw storageError('STORAGE_OBJECT_NOT_FOUND', `there is no ${name}`, { cause: error })
      throw toStorageError(error, `read ${name}`)
    }
  }

  #checkWritable(): void {
    if (!this.#poison) return
    throw storageError('STORAGE_POISONED', `an earlier write failed (${this.#poison.message})`, { cause: this.#poison })
  }

  #failed(error: unknown, what: string): TerpError {
    const known = toStorageError(error, what)
    if (isMediumFailure(known)) this.#poison ??= known
    return known
  }

  async #attempt<T>(what: string, act: () => Promise<T>): Promise<T> {
    try {
      return await act()
    } catch (error) {
      throw this.#failed(error, what)
    }
  }

  /** For what makes things durable. Its failure is final whatever the reason: the kernel may have dropped what it could not write, and say so only once. */
  async #settle(what: string, act: () => Promise<void>): Promise<void> {
    try {
      await act()
    } catch (error) {
      const known = toStorageError(error, what)
      this.#poison ??= known
      throw known
    }
  }
}

function openObject(name: string, reader: DiskReader): OpenObject {
  return {
    sizeBytes: reader.sizeBytes,
    handle: reader.handle,
    read: (offset, length, into) => {
      const bytes = attemptNow(name, () => reader.read(offset, length, into))
      if (bytes.length === length) return bytes
      throw storageError('STORAGE_OBJECT_SHORT', `${name} ends after ${offset + bytes.length} bytes, ${offset + length} are wanted`)
    },
    close: () => reader.close(),
  }
}

function attemptNow<T>(name: string, act: () => T): T {
  try {
    return act()
  } catch (error) {
    if (isAbsent(error)) throw storageError('STORAGE_OBJECT_NOT_FOUND', `there is no ${name}`, { cause: error })
    throw toStorageError(error, `read ${name}`)
  }
}
