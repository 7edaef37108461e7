/** A pool on a simulated disk that may lose power before any operation, and the judge of what is left. */
import assert from 'node:assert/strict'
import { verifyRepository } from '../../src/archive/index.ts'
import { TerpError } from '../../src/base/errors.ts'
import type { Disk, DiskFile } from '../../src/platform/index.ts'
import { type RecoveryPoint, Repository } from '../../src/repository/index.ts'
import { LocalDiskStore, type PruningStore } from '../../src/storage/index.ts'
import type { CrashState } from './crash-states.ts'
import { anOperation, aPool, aSession, backUpPaths, filesOf, KEY_FILE } from './pool.ts'
import type { SimulatedDisk } from './simulated-disk.ts'

export const ROOT = '/pool'
export const SMALL_PACKS = { packBytes: 32_768 }

/** A recovery point that was reported to somebody, with what it must give back. */
export interface Acknowledged {
  readonly point: RecoveryPoint
  readonly files: ReadonlyMap<string, Buffer>
}

/** What has been promised so far: all that a crash must leave. */
export interface Promised {
  isMade: boolean
  readonly points: Acknowledged[]
}

/** `before` is awaited before every operation that changes or syncs something; when it throws, the operation does not happen. */
export function watched(disk: Disk, before: (description: string) => Promise<void>): Disk {
  const guard =
    <A extends unknown[], R>(name: string, act: (...given: A) => Promise<R>) =>
    async (...given: A): Promise<R> => {
      await before(`${name} ${given.filter((one) => typeof one === 'string').join(' ')}`)
      return act(...given)
    }
  return {
    makeFolder: guard('makeFolder', (path) => disk.makeFolder(path)),
    link: guard('link', (from, to) => disk.link(from, to)),
    rename: guard('rename', (from, to) => disk.rename(from, to)),
    unlink: guard('unlink', (path) => disk.unlink(path)),
    syncFolder: guard('syncFolder', (path) => disk.syncFolder(path)),
    createFile: guard('createFile', async (path: string): Promise<DiskFile> => {
      const file = await disk.createFile(path)
      return {
        write: guard(`write ${path}`, (bytes) => file.write(bytes)),
        sync: guard(`sync ${path}`, () => file.sync()),
        close: guard(`close ${path}`, () => file.close()),
      }
    }),
    readFolder: (path) => disk.readFolder(path),
    read: (path, range) => disk.read(path, range),
    size: (path) => disk.size(path),
    openSync: (path) => disk.openSync(path),
    adopt: (handle, sizeBytes) => disk.adopt(handle, sizeBytes),
    sizeSync: (path) => disk.sizeSync(path),
    readFolderSync: (path) => disk.readFolderSync(path),
    freeBytes: (path) => disk.freeBytes(path),
    lock: (path) => disk.lock(path),
  }
}

/** The acts of a scenario. Each has randomness of its own, or two writers would draw the same salts and names. */
export class Scenario {
  readonly promised: Promised = { isMade: false, points: [] }
  readonly #seed: string
  #number = 0

  constructor(seed: string) {
    this.#seed = seed
  }

  #operation() {
    return anOperation(`${this.#seed} ${this.#number++}`)
  }

  async make(store: PruningStore): Promise<void> {
    await aPool(this.#operation(), { store, ...SMALL_PACKS })
    this.promised.isMade = true
  }

  async backUp(store: PruningStore, folder: string): Promise<void> {
    const op = this.#operation()
    const { point } = await backUpPaths(op, store, [folder])
    const files = await filesOf(op, await Repository.open(op, store, KEY_FILE), point, folder)
    this.promised.points.push({ point, files })
  }
}

let judged = 0

/** How many states were looked at in this process. */
export function statesJudged(): number {
  return judged
}

/** Everything that is wrong with a disk after a crash, given what was promised before it. */
export async function judge(
  state: CrashState,
  promised: Promised,
  folder: string,
  again?: (disk: Disk) => Promise<void>,
): Promise<string[]> {
  const op = anOperation(`judge ${judged++}`)
  const store = new LocalDiskStore(state.disk, ROOT)
  const wrong: string[] = []
  try {
    const isThere = await Repository.open(op, store, KEY_FILE, 'write').then(
      () => true,
      (error: unknown) => {
        if (error instanceof TerpError && error.code === 'REPOSITORY_NOT_FOUND') return false
        throw error
      },
    )
    if (!isThere) return promised.isMade ? ['the pool is gone'] : []
    const session = await aSession(
      op,
      again
        ? new LocalDiskStore(
            watched(state.disk, () => again(state.disk)),
            ROOT,
          )
        : store,
    )
    await session.end()
    wrong.push(...(await damage(store)), ...(await missing(store, promised, folder)))
    const { point } = await backUpPaths(op, store, [folder])
    const stored = await filesOf(op, await Repository.open(op, store, KEY_FILE), point, folder)
    if (stored.size === 0) wrong.push('the next backup is empty')
    wrong.push(...(await damage(store)).map((text) => `after the next backup: ${text}`))
  } catch (error) {
    wrong.push(error instanceof Error ? `${error.name}: ${error.message}` : String(error))
  }
  return wrong.map((text) => `${state.description}: ${text}`)
}

export async function damage(store: PruningStore): Promise<string[]> {
  const op = anOperation('damage')
  const { findings } = await verifyRepository(op, await Repository.open(op, store, KEY_FILE), { readData: true })
  return findings.filter(({ severity }) => severity === 'damage').map(({ code, object, message }) => `${code} ${object}: ${message}`)
}

/** Acknowledged points that are not there, or whose content is not what it was. */
export async function missing(store: PruningStore, promised: Promised, folder: string): Promise<string[]> {
  const op = anOperation('missing')
  const repository = await Repository.open(op, store, KEY_FILE)
  const { points } = await repository.listPoints(op)
  const wrong: string[] = []
  for (const { point, files } of promised.points) {
    const there = points.find(({ id }) => id === point.id)
    if (!there) {
      wrong.push(`point ${point.sequence} was acknowledged and is gone`)
      continue
    }
    const stored = await filesOf(op, repository, there, folder)
    const isEqual = stored.size === files.size && [...files].every(([name, content]) => stored.get(name)?.equals(content))
    if (!isEqual) wrong.push(`point ${point.sequence} has other content`)
  }
  return wrong
}

/** What was promised when a state was taken, unmoved by what is promised later. */
export function snapshot({ isMade, points }: Promised): Promised {
  return { isMade, points: [...points] }
}

export function assertNothing(violations: readonly string[]): void {
  assert.equal(violations.length, 0, `${violations.length} violations, the first:\n${violations.slice(0, 10).join('\n')}`)
}

export type Harm = (disk: SimulatedDisk) => Disk
