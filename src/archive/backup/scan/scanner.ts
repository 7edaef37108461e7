/** Reads pages of the previous tree and has them compared with the file system: in a worker, or on the main thread in tests. */
import { type PlainError, toPlainError } from '../../../base/errors.ts'
import type { Operation } from '../../../base/operation.ts'
import { CHUNK_TYPE, ChunkReader, type KnownChunks, type RepositoryKeys } from '../../../repository/index.ts'
import type { ObjectStore } from '../../../storage/index.ts'
import { archiveError } from '../../errors.ts'
import { isDamage } from '../../tree/tree-reader.ts'
import { exclusionOf, fileExclusionOf } from '../exclusion.ts'
import { recordedDevice } from '../places.ts'
import { type PageFindings, PageScanner } from './page-scanner.ts'
import type { ScanAnswer, ScanSettings, ScanTask } from './scan-protocol.ts'

export interface ScannerParts {
  readonly store: ObjectStore
  readonly keys: RepositoryKeys
  readonly known: KnownChunks
  readonly settings: ScanSettings
}

export class Scanner {
  readonly #reader: ChunkReader
  readonly #pages: PageScanner

  constructor({ store, keys, known, settings }: ScannerParts) {
    this.#reader = new ChunkReader(store, keys)
    this.#pages = new PageScanner({
      ...settings,
      roots: settings.roots.map(({ path, at, ...root }) => ({ ...root, path: Buffer.from(path), at: Buffer.from(at) })),
      skip: new Set(settings.skip),
      isExcluded: exclusionOf(settings.excludes),
      isFileExcluded: fileExclusionOf(settings.excludes),
      recordedDevice: recordedDevice(settings.devices),
      known,
    })
  }

  async scan(op: Operation, task: ScanTask): Promise<ScanAnswer> {
    const contents = new Map<string, Buffer | Error>()
    for await (const { location, content } of this.#reader.readMany(op, task.pages)) {
      contents.set(Buffer.from(location.record.id).toString('latin1'), content)
    }
    const devices = new Set(task.devices)
    try {
      return task.pages.map(({ record }) => {
        op.check()
        if (record.type !== CHUNK_TYPE.page) return { damage: toPlainError(archiveError('TREE_DAMAGED', 'a page of the tree is no page')) }
        return this.#scanPage(contents.get(Buffer.from(record.id).toString('latin1')), devices)
      })
    } finally {
      this.#pages.close()
    }
  }

  #scanPage(content: Buffer | Error | undefined, devices: ReadonlySet<number>): PageFindings | { damage: PlainError } {
    if (!Buffer.isBuffer(content)) return { damage: toPlainError(content) }
    try {
      return this.#pages.scan(content, devices)
    } catch (error) {
      if (isDamage(error)) return { damage: toPlainError(error) }
      throw error
    }
  }
}
