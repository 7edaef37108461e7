/**
 * Leave to restore to another machine: given by a person, for one recovery point, one machine and some paths of it, once, for an hour. They are kept in memory: a
 * server that was restarted knows none.
 */
import type { Clock } from '../../base/clock.ts'
import { type Random, randomHex } from '../../base/random.ts'
import { recoveryError } from './errors.ts'

export const GRANT_MS = 3_600_000

export interface Grant {
  readonly pointId: string
  readonly agentId: string
  /** Base64; undefined for everything. */
  readonly paths: readonly string[] | undefined
}

export class RestoreGrants {
  readonly #clock: Clock
  readonly #random: Random
  readonly #grants = new Map<string, Grant & { readonly untilMs: number }>()

  constructor(clock: Clock, random: Random) {
    this.#clock = clock
    this.#random = random
  }

  give(grant: Grant): { readonly grant: string; readonly untilMs: number } {
    this.#forgetOld()
    const id = randomHex(this.#random, 16)
    const untilMs = this.#clock.nowMs() + GRANT_MS
    this.#grants.set(id, { ...grant, untilMs })
    return { grant: id, untilMs }
  }

  /** It is used up, whatever becomes of the restore. RECOVERY_GRANT_INVALID. */
  use(id: string, { pointId, paths }: Pick<Grant, 'pointId' | 'paths'>): Grant {
    this.#forgetOld()
    const grant = this.#grants.get(id)
    this.#grants.delete(id)
    const isFitting = grant?.pointId === pointId && (grant.paths === undefined || (paths ?? []).length > 0) && isWithin(paths, grant.paths)
    if (!grant || !isFitting) throw recoveryError('RECOVERY_GRANT_INVALID', 'the grant is not for this restore, was used, or is too old')
    return grant
  }

  #forgetOld(): void {
    const nowMs = this.#clock.nowMs()
    for (const [id, { untilMs }] of this.#grants) if (untilMs <= nowMs) this.#grants.delete(id)
  }
}

/** Each wanted path is a granted one, or below one. */
function isWithin(wanted: readonly string[] | undefined, granted: readonly string[] | undefined): boolean {
  if (granted === undefined || wanted === undefined) return granted === undefined
  const folders = granted.map(trimmed)
  return wanted.map(trimmed).every((path) =>
    folders.some((folder) => {
      if (!path.subarray(0, folder.length).equals(folder)) return false
      return path.length === folder.length || folder.length === 0 || path[folder.length] === 0x2f
    }),
  )
}

function trimmed(path: string): Buffer {
  const bytes = Buffer.from(path, 'base64')
  let [start, end] = [0, bytes.length]
  while (start < end && bytes[start] === 0x2f) start++
  while (end > start && bytes[end - 1] === 0x2f) end--
  return bytes.subarray(start, end)
}
