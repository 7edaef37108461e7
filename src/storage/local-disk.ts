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
import type { Disk, DiskFile, DiskLock } from '../platform/index.ts'
import { codeOf, isAbsent, isMediumFailure, toStorageError } from './disk-errors.ts'
import { DurableFolders, parentOf } from './durable-folders.ts'
import { storageError } from './errors.ts'
import type { ByteRange, ObjectInfo, PruningStore } from './object-store.ts'
import { checkObjectName } from './object-store.ts'
import { walkObjects } from './object-walk.ts'

const TAG = /^[A-Za-z0-9]+$/

export class LocalDiskStore implements PruningStore {
  readonly description: string
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
    const folder = parentOf(name)
    await this.#attempt(`make the folder of ${name}`, () => this.#folders.ensure(folder))
    await this.#attempt('make tmp', () => this.#folders.ensure('tmp'))

    const temporary = `tmp/${this.#tag}-${randomHex(op.random, 16)}`
    // 1. Whole and durable under a name that means nothing. Only the file that this call made is ever unlinked by it.
    const file = await this.#attempt(`create ${temporary}`, () => this.#disk.createFile(this.#path(temporary)))
    try {
      await this.#fill(file, name, bytes)
      // Another thread may have met a failing disk meanwhile.
      this.#checkWritable()
      // 2. Visible, or found to be there already.
      const isNew = await this.#attempt(`link ${name}`, () => this.#linkUnlessThere(temporary, name))
      if (!isNew) await this.#compare(name, bytes)
      // 3. Durably visible. Also when it was there: who linked it may have crashed before this step, or not have come to it yet.
      await this.#syncFolder(folder)
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

  async beginEpoch(op: Operation, epoch: number): Promise<void> {
    this.setTag(String(epoch))
    await this.removeTemporary(op, (name) => name.startsWith(`${epoch}-`))
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

  async #fill(file: DiskFile, name: string, bytes: Uint8Array): Promise<void> {
    try {
      await this.#attempt(`write ${name}`, () => file.write(bytes))
      await this.#settle(`sync ${name}`, () => file.sync())
    } catch (error) {
      // The first failure is the one to report; the handle must not leak.
      await file.close().catch(() => undefined)
      throw error
    }
    await this.#settle(`close ${name}`, () => file.close())
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
