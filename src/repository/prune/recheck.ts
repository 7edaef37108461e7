/**
 * Before packs are deleted: each chunk of theirs that is needed must stand, whole and under its full id, in a pack that stays. Said again by the packs' own
 * directories, because what goes now does not come back.
 */
import { isKind } from '../../base/errors.ts'
import type { Operation } from '../../base/operation.ts'
import { isListed } from '../damaged-chunks.ts'
import type { PackRecord } from '../pack/pack-format.ts'
import { readPackDirectory } from '../pack/pack-reader.ts'
import type { Survey } from './survey.ts'

const DIRECTORIES = 16

interface RecheckParts {
  readonly survey: Survey
  readonly tombstoned: ReadonlySet<string>
  /** Where a repack put what the packs kept. */
  readonly into: ReadonlyMap<string, readonly string[]>
  /** Packs of which no record at all is needed: nothing of them has to stand elsewhere. */
  readonly needless: ReadonlySet<string>
}

export class Recheck {
  readonly #survey: Survey
  readonly #tombstoned: Set<string>
  readonly #into: ReadonlyMap<string, readonly string[]>
  readonly #needless: ReadonlySet<string>
  readonly #directories = new Map<string, ReadonlySet<string>>()

  constructor({ survey, tombstoned, into, needless }: RecheckParts) {
    this.#survey = survey
    this.#tombstoned = new Set(tombstoned)
    this.#into = into
    this.#needless = needless
  }

  /** True when nothing is lost with the pack. When false, it counts as staying from now on. */
  async mayGo(op: Operation, pack: string): Promise<boolean> {
    const { present, listed } = this.#survey
    const sizeBytes = present.get(pack)
    if (sizeBytes === undefined || this.#needless.has(pack)) return true
    let records: readonly PackRecord[]
    try {
      records = await readPackDirectory(op, this.#survey.repository.store, this.#survey.repository.keys, pack, sizeBytes)
    } catch (error) {
      if (!isKind(error, 'corrupt')) throw error
      records = listed.has(pack) ? this.#listedIn(pack) : []
    }
    for (const { id } of records) {
      if (!this.#survey.live.hasChunk(id) || (await this.#standsElsewhere(op, pack, id))) continue
      this.#tombstoned.delete(pack)
      return false
    }
    return true
  }

  async #standsElsewhere(op: Operation, pack: string, id: Buffer): Promise<boolean> {
    for (const other of this.#into.get(pack) ?? []) if ((await this.#directory(op, other)).has(id.toString('latin1'))) return true
    const found = this.#survey.index.find(id)
    return (
      found !== undefined && [found, ...(found.others ?? [])].some((location) => location.pack !== pack && this.#stays(location.pack, id))
    )
  }

  #stays(pack: string, id: Buffer): boolean {
    const { present, listed, damage } = this.#survey
    return !this.#tombstoned.has(pack) && present.get(pack) === listed.get(pack) && !isListed(damage, pack, id)
  }

  async #directory(op: Operation, pack: string): Promise<ReadonlySet<string>> {
    const cached = this.#directories.get(pack)
    if (cached) return cached
    const { store, keys } = this.#survey.repository
    const info = await store.head(op, `packs/${pack.slice(0, 2)}/${pack}.pack`)
    const records = info ? await readPackDirectory(op, store, keys, pack, info.sizeBytes) : []
    if (this.#directories.size >= DIRECTORIES) this.#directories.delete(this.#directories.keys().next().value as string)
    const ids = new Set(records.map(({ id }) => id.toString('latin1')))
    this.#directories.set(pack, ids)
    return ids
  }

  /** A pack that can't be read itself: what the index says of it. */
  #listedIn(pack: string): PackRecord[] {
    const found: PackRecord[] = []
    for (const id of this.#survey.index.idsIn(pack)) {
      const location = this.#survey.index.find(id)
      if (location) found.push({ ...location.record, id })
    }
    return found
  }
}
