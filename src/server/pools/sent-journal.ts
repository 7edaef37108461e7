/**
 * What sessions of a data source sent and did not commit: chunk ids, one file a session, so that the next session shows them and nothing is sent twice. Losing it costs
 * time on the network and nothing else; what it names and the pool lacks is left out by whoever reads it. It goes when the source commits.
 */
import { join } from 'node:path'
import type { Operation } from '../../base/operation.ts'
import { randomHex } from '../../base/random.ts'
import { Semaphore } from '../../base/semaphore.ts'
import type { Disk, DiskFile } from '../../platform/index.ts'
import { hasErrno, makeFolders } from '../data-folder.ts'

const ID_BYTES = 32

export interface SourceJournal {
  /** Of the sessions before. */
  readonly sentBefore: readonly Uint8Array[]
  /** Durable when it returns. */
  add(ids: Uint8Array): Promise<void>
  /** The recovery point is there, and reaches all of it. */
  committed(): Promise<void>
  close(): Promise<void>
}

export class SentJournal {
  readonly #disk: Disk
  readonly #folder: string
  readonly #adding = new Set<Promise<void>>()

  constructor(disk: Disk, folder: string) {
    this.#disk = disk
    this.#folder = folder
  }

  /** For one session of the source. */
  async open(op: Operation, poolId: string, sourceId: string): Promise<SourceJournal> {
    const folder = join(this.#folder, poolId, sourceId)
    await makeFolders(this.#disk, folder)
    const names = (await this.#disk.readFolder(folder)).map(({ name }) => name)
    const sentBefore: Uint8Array[] = []
    for (const name of names) {
      const bytes = await this.#disk.read(join(folder, name))
      // What stands after the last whole id was being written when the server was killed.
      for (let at = 0; at + ID_BYTES <= bytes.length; at += ID_BYTES) sentBefore.push(bytes.subarray(at, at + ID_BYTES))
    }
    const journal = new OpenJournal(this.#disk, folder, names, () => `${randomHex(op.random, 8)}.ids`)
    return {
      sentBefore,
      add: (ids) => this.#track(journal.add(ids)),
      committed: () => journal.committed(),
      close: () => journal.close(),
    }
  }

  #track(adding: Promise<void>): Promise<void> {
    this.#adding.add(adding)
    const forget = () => void this.#adding.delete(adding)
    adding.then(forget, forget)
    return adding
  }

  /** What was being added is there. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#adding)
  }
}

class OpenJournal {
  readonly #disk: Disk
  readonly #folder: string
  readonly #names: string[]
  readonly #newName: () => string
  readonly #turn = new Semaphore(1)
  #file: DiskFile | undefined
  #state: 'open' | 'closed' | 'committed' = 'open'

  /** `names`: the files of sessions before. */
  constructor(disk: Disk, folder: string, names: readonly string[], newName: () => string) {
    this.#disk = disk
    this.#folder = folder
    this.#names = [...names]
    this.#newName = newName
  }

  /** Also after the session ended: what was on its way then is stored all the same. */
  add(ids: Uint8Array): Promise<void> {
    return this.#turn.run(async () => {
      if (this.#state === 'committed') return
      this.#file ??= await this.#make()
      await this.#file.write(ids)
      await this.#file.sync()
      if (this.#state === 'closed') await this.#closeFile()
    })
  }

  async #make(): Promise<DiskFile> {
    const name = this.#newName()
    const file = await this.#disk.createFile(join(this.#folder, name))
    this.#names.push(name)
    await this.#disk.syncFolder(this.#folder)
    return file
  }

  committed(): Promise<void> {
    return this.#turn.run(async () => {
      this.#state = 'committed'
      await this.#closeFile()
      for (const name of this.#names) {
        await this.#disk.unlink(join(this.#folder, name)).catch((error: unknown) => {
          if (!hasErrno(error, 'ENOENT')) throw error
        })
      }
    })
  }

  close(): Promise<void> {
    return this.#turn.run(async () => {
      if (this.#state === 'open') this.#state = 'closed'
      await this.#closeFile()
    })
  }

  async #closeFile(): Promise<void> {
    const file = this.#file
    this.#file = undefined
    await file?.close()
  }
}
