/**
 * Sessions of a pool's folder: a file in `sessions/` for each, held with flock by its process; whoever can take the lock knows that it has ended. The gate
 * is a lock too: GATE.LOCK. Neither needs a clock to tell who lives, and a killed process leaves nothing that blocks anybody.
 */
import { join } from 'node:path'
import { invariant } from '../base/errors.ts'
import type { Operation } from '../base/operation.ts'
import type { Disk, DiskFile, DiskLock } from '../platform/index.ts'
import { isAbsent, toStorageError } from './disk-errors.ts'
import { storageError } from './errors.ts'
import type { Announcement, LiveSession, SessionBoard } from './object-store.ts'

const NAME = /^[A-Za-z0-9-]{1,64}$/
/** The gate is held for moments; who waits this long waits for a process that does not run. */
const GATE_WAIT_MS = 60_000
const GATE_POLL_MS = 10

export class FolderSessions implements SessionBoard {
  readonly #disk: Disk
  readonly #root: string
  readonly #makeFolder: () => Promise<void>

  constructor(disk: Disk, root: string, makeFolder: () => Promise<void>) {
    this.#disk = disk
    this.#root = root
    this.#makeFolder = makeFolder
  }

  async gate<T>(op: Operation, work: () => Promise<T>): Promise<T> {
    const lock = await this.#wait(op, 'GATE.LOCK')
    try {
      return await work()
    } finally {
      await lock.release()
    }
  }

  /** For the gate; and for a new session, at whose lock somebody may just have looked. */
  async #wait(op: Operation, name: string): Promise<DiskLock> {
    const untilMs = op.clock.monotonicMs() + GATE_WAIT_MS
    for (;;) {
      op.check()
      const lock = await this.#lock(name)
      if (lock) return lock
      if (op.clock.monotonicMs() >= untilMs) throw storageError('STORAGE_GATE_BUSY', `${name} in ${this.#root} is not released`)
      await op.clock.sleep(GATE_POLL_MS, op.signal)
    }
  }

  async announce(op: Operation, name: string): Promise<Announcement> {
    op.check()
    invariant(NAME.test(name), 'a session has a name')
    const path = this.#path(`sessions/${name}`)
    await this.#makeFolder()
    let file: DiskFile | undefined
    try {
      file = await this.#disk.createFile(path)
      const lock = await this.#wait(op, `sessions/${name}`)
      return new FolderAnnouncement(this.#disk, name, path, file, lock)
    } catch (error) {
      await file?.close().catch(() => undefined)
      throw toStorageError(error, `announce session ${name}`)
    }
  }

  async live(op: Operation, options: { readonly clean?: boolean } = {}): Promise<LiveSession[]> {
    op.check()
    const found: LiveSession[] = []
    for (const name of await this.#names()) {
      const lock = await this.#lock(`sessions/${name}`)
      if (!lock) {
        const lines = await this.#lines(name)
        if (lines) found.push({ name, lines })
        continue
      }
      if (options.clean) await this.#disk.unlink(this.#path(`sessions/${name}`)).catch(() => undefined) // the next one tries again
      await lock.release()
    }
    return found
  }

  async #names(): Promise<string[]> {
    try {
      const entries = await this.#disk.readFolder(this.#path('sessions'))
      return entries.filter(({ name, isFolder }) => !isFolder && NAME.test(name)).map(({ name }) => name)
    } catch (error) {
      if (isAbsent(error)) return []
      throw toStorageError(error, 'list sessions')
    }
  }

  /** Undefined when it has just ended. What is behind the last line feed is still being told. */
  async #lines(name: string): Promise<string[] | undefined> {
    try {
      return (await this.#disk.read(this.#path(`sessions/${name}`))).toString('utf8').split('\n').slice(0, -1)
    } catch (error) {
      if (isAbsent(error)) return undefined
      throw toStorageError(error, `read session ${name}`)
    }
  }

  async #lock(name: string): Promise<DiskLock | undefined> {
    try {
      return await this.#disk.lock(this.#path(name))
    } catch (error) {
      throw toStorageError(error, `take ${name}`)
    }
  }

  #path(name: string): string {
    return join(this.#root, name)
  }
}

class FolderAnnouncement implements Announcement {
  readonly name: string
  readonly #disk: Disk
  readonly #path: string
  readonly #file: DiskFile
  readonly #lock: DiskLock
  #isReleased = false

  constructor(disk: Disk, name: string, path: string, file: DiskFile, lock: DiskLock) {
    this.#disk = disk
    this.name = name
    this.#path = path
    this.#file = file
    this.#lock = lock
  }

  async tell(lines: readonly string[]): Promise<void> {
    if (lines.length === 0) return
    try {
      await this.#file.write(Buffer.from(lines.map((line) => `${line}\n`).join('')))
    } catch (error) {
      throw toStorageError(error, `write session ${this.name}`)
    }
  }

  /** Its file is removed by those who found the lock free (a file system whose locks do not hold), or by a person. */
  async isStanding(op: Operation): Promise<boolean> {
    op.check()
    return !this.#isReleased && (await this.#disk.size(this.#path)) !== undefined
  }

  async release(): Promise<void> {
    if (this.#isReleased) return
    this.#isReleased = true
    // Best effort: what stays behind is unlocked, and so counts as ended.
    await this.#disk.unlink(this.#path).catch(() => undefined)
    await this.#file.close().catch(() => undefined)
    await this.#lock.release()
  }
}
