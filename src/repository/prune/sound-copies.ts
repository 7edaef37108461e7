/**
 * Copies of chunks count for a prune only when they have just been read: seal and id. What the index says of one is no proof, and a pack of the right size may
 * have rotted; the copy that goes could be the only one that is whole, because a backup found the other one damaged and healed it.
 */
import { isKind } from '../../base/errors.ts'
import type { Operation } from '../../base/operation.ts'
import { planReads } from '../chunk-reader.ts'
import type { ChunkLocation } from '../index/chunk-index.ts'
import { packName } from '../pack/pack-format.ts'
import { openEntry, type PackHeader, readPackHeader } from '../pack/pack-reader.ts'
import { getPack } from '../pack/pack-source.ts'
import type { Accounting } from './accounting.ts'
import type { PrunePlan } from './plan.ts'
import type { Survey } from './survey.ts'

/** Copies that are read in one go. */
export const COPIES_AT_ONCE = 1024
const READ_BYTES = 2_097_152

type Copies = readonly Pick<ChunkLocation, 'pack' | 'record'>[]

export class SoundCopies {
  readonly #survey: Survey
  readonly #told = new Set<string>()

  constructor(survey: Survey) {
    this.#survey = survey
  }

  /** Places of those that can be read, as `placeOf` gives them. The others count as damaged from now on, and are told once for each pack. */
  async read(op: Operation, copies: Copies): Promise<ReadonlySet<string>> {
    const { store, keys } = this.#survey.repository
    const sound = new Set<string>()
    const headers = new Map<string, PackHeader>()
    for (const { pack, offset, end, locations } of planReads(copies, READ_BYTES)) {
      op.check()
      try {
        const header = headers.get(pack) ?? (await readPackHeader(op, store, keys, pack))
        headers.set(pack, header)
        const bytes = await getPack(op, store, pack, { offset, length: end - offset })
        for (const { record } of locations) {
          const at = record.offset - offset
          const sealed = bytes.subarray(at, at + record.storedBytes)
          if (this.#isSound(op, pack, () => openEntry(keys, pack, header, record, sealed))) sound.add(placeOf({ pack, record }))
        }
      } catch (error) {
        if (!isKind(error, 'corrupt')) throw error
        this.#tell(op, pack, error)
      }
    }
    for (const { pack, record } of copies) if (!sound.has(placeOf({ pack, record }))) this.#survey.noteDamage(pack, record.id)
    return sound
  }

  #isSound(op: Operation, pack: string, open: () => unknown): boolean {
    try {
      open()
      return true
    } catch (error) {
      if (!isKind(error, 'corrupt')) throw error
      this.#tell(op, pack, error)
      return false
    }
  }

  #tell(op: Operation, pack: string, error: Error): void {
    if (this.#told.has(pack)) return
    this.#told.add(pack)
    op.warn({ code: 'PRUNE_COPY_DAMAGED', message: `a copy in ${packName(pack)} does not count: ${error.message}`, item: packName(pack) })
  }

  /**
   * Of chunks that stand in several packs, reads the copies that the plan keeps where it lets another go or writes one anew. False when some can't be read:
   * then there must be another account, and another plan. So the good copy is chosen; the recheck reads again what packs go for.
   */
  async hold(op: Operation, { keepers }: Accounting, plan: PrunePlan): Promise<boolean> {
    const { index } = this.#survey
    const victims = new Set([...plan.drop, ...plan.repack].map(({ pack }) => pack))
    let isSound = true
    let batch: ChunkLocation[] = []
    const settle = async () => {
      isSound = (await this.read(op, batch)).size === batch.length && isSound
      batch = []
    }
    for (const [id, keeper] of victims.size > 0 ? keepers : []) {
      const found = index.find(Buffer.from(id, 'latin1'))
      const copies = found ? [found, ...(found.others ?? [])] : []
      const kept = copies.find(({ pack }) => pack === keeper)
      if (kept && copies.length > 1 && copies.some(({ pack }) => victims.has(pack))) batch.push(kept)
      if (batch.length >= COPIES_AT_ONCE) await settle()
    }
    if (batch.length > 0) await settle()
    return isSound
  }
}

export function placeOf({ pack, record }: Pick<ChunkLocation, 'pack' | 'record'>): string {
  return `${pack} ${record.offset}`
}
