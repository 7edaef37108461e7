/**
 * Before packs are deleted: each chunk of theirs that is needed must stand in a pack that stays, and is read there, because what goes now does not come back.
 * Which chunks those are is said by the packs' own directories.
 */
import { isKind } from '../../base/errors.ts'
import type { Operation } from '../../base/operation.ts'
import { isListed } from '../damaged-chunks.ts'
import type { ChunkLocation } from '../index/chunk-index.ts'
import type { PackRecord } from '../pack/pack-format.ts'
import { readPackDirectory } from '../pack/pack-reader.ts'
import { COPIES_AT_ONCE, placeOf, type SoundCopies } from './sound-copies.ts'
import type { Survey } from './survey.ts'

const DIRECTORIES = 16

type Copy = Pick<ChunkLocation, 'pack' | 'record'>

interface RecheckParts {
  readonly survey: Survey
  readonly copies: SoundCopies
  readonly tombstoned: ReadonlySet<string>
  /** Where a repack put what the packs kept. */
  readonly into: ReadonlyMap<string, readonly string[]>
  /** Packs of which no record at all is needed: nothing of them has to stand elsewhere. */
  readonly needless: ReadonlySet<string>
}

export class Recheck {
  readonly #survey: Survey
  readonly #copies: SoundCopies
  readonly #tombstoned: Set<string>
  readonly #into: ReadonlyMap<string, readonly string[]>
  readonly #needless: ReadonlySet<string>
  readonly #directories = new Map<string, ReadonlyMap<string, PackRecord>>()

  constructor({ survey, copies, tombstoned, into, needless }: RecheckParts) {
    this.#survey = survey
    this.#copies = copies
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
    const needed = records.filter(({ id }) => this.#survey.live.hasChunk(id)).map(({ id }) => id)
    for (let at = 0; at < needed.length; at += COPIES_AT_ONCE) {
      if (await this.#standElsewhere(op, pack, needed.slice(at, at + COPIES_AT_ONCE))) continue
      this.#tombstoned.delete(pack)
      return false
    }
    return true
  }

  /** Of each, one copy after the other is read until one is whole. */
  async #standElsewhere(op: Operation, pack: string, ids: readonly Buffer[]): Promise<boolean> {
    const copies: Copy[][] = []
    for (const id of ids) copies.push(await this.#copiesOf(op, pack, id))
    for (let open = copies; open.length > 0; ) {
      const next = open.map((left) => left.shift())
      if (next.includes(undefined)) return false
      const sound = await this.#copies.read(op, next as Copy[])
      open = open.filter((_, i) => !sound.has(placeOf(next[i] as Copy)))
    }
    return true
  }

  /** In packs that stay; what a repack made of any of them comes first. */
  async #copiesOf(op: Operation, pack: string, id: Buffer): Promise<Copy[]> {
    const found = this.#survey.index.find(id)
    const listed = found ? [found, ...(found.others ?? [])] : []
    const copies: Copy[] = []
    for (const from of new Set([pack, ...listed.map((location) => location.pack)])) {
      for (const other of this.#into.get(from) ?? []) {
        const record = (await this.#directory(op, other)).get(id.toString('latin1'))
        if (!record) continue
        copies.push({ pack: other, record })
        break
      }
    }
    for (const location of listed) if (location.pack !== pack && this.#stays(location.pack, id)) copies.push(location)
    return copies
  }

  #stays(pack: string, id: Buffer): boolean {
    const { present, listed, damage } = this.#survey
    return !this.#tombstoned.has(pack) && present.get(pack) === listed.get(pack) && !isListed(damage, pack, id)
  }

  async #directory(op: Operation, pack: string): Promise<ReadonlyMap<string, PackRecord>> {
    const cached = this.#directories.get(pack)
    if (cached) return cached
    const { store, keys } = this.#survey.repository
    const info = await store.head(op, `packs/${pack.slice(0, 2)}/${pack}.pack`)
    const records = info ? await readPackDirectory(op, store, keys, pack, info.sizeBytes) : []
    if (this.#directories.size >= DIRECTORIES) this.#directories.delete(this.#directories.keys().next().value as string)
    const byId = new Map(records.map((record) => [record.id.toString('latin1'), record]))
    this.#directories.set(pack, byId)
    return byId
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
