/**
 * Leave to restore to another machine: given by a person, for one recovery point, one machine and some paths of it, once, for an hour. They survive the server; what is
 * kept of one opens nothing, since it is the hash of its secret. A restore that was started by one is a job, and needs it no more.
 */
import type { Operation } from '../../base/operation.ts'
import { randomHex } from '../../base/random.ts'
import type { Catalog, Json } from '../../catalog/index.ts'
import { sha256Of } from '../auth/tokens.ts'
import { recoveryError } from './errors.ts'

export const GRANT_MS = 3_600_000
const SETTING = 'restore-grants'
const MOST = 1000

export interface Grant {
  readonly pointId: string
  readonly agentId: string
  /** Base64; undefined for everything. */
  readonly paths: readonly string[] | undefined
}

interface Kept {
  readonly sha256: string
  readonly pointId: string
  readonly agentId: string
  readonly paths: readonly string[] | null
  readonly untilMs: number
}

export class RestoreGrants {
  readonly #catalog: Catalog
  readonly #op: Pick<Operation, 'clock' | 'random'>

  constructor(catalog: Catalog, op: Pick<Operation, 'clock' | 'random'>) {
    this.#catalog = catalog
    this.#op = op
  }

  async give({ pointId, agentId, paths }: Grant): Promise<{ readonly grant: string; readonly untilMs: number }> {
    const id = randomHex(this.#op.random, 16)
    const untilMs = this.#op.clock.nowMs() + GRANT_MS
    await this.#change((kept) => [...kept, { sha256: sha256Of(id), pointId, agentId, paths: paths ?? null, untilMs }])
    return { grant: id, untilMs }
  }

  /** It is used up, whatever becomes of the restore. RECOVERY_GRANT_INVALID. */
  async use(id: string, { pointId, paths }: Pick<Grant, 'pointId' | 'paths'>): Promise<Grant> {
    const sha256 = sha256Of(id)
    let found: Kept | undefined
    await this.#change((kept) => {
      found = kept.find((each) => each.sha256 === sha256)
      return kept.filter((each) => each !== found)
    })
    const granted = found?.paths ?? undefined
    const isFitting = found?.pointId === pointId && (granted === undefined || (paths ?? []).length > 0) && isWithin(paths, granted)
    if (!found || !isFitting) throw recoveryError('RECOVERY_GRANT_INVALID', 'the grant is not for this restore, was used, or is too old')
    return { pointId, agentId: found.agentId, paths: granted }
  }

  /** Without those that are too old. */
  async #change(change: (kept: readonly Kept[]) => readonly Kept[]): Promise<void> {
    const nowMs = this.#op.clock.nowMs()
    await this.#catalog.transaction(async ({ settings }) => {
      const stored = ((await settings.find(SETTING))?.value ?? []) as unknown as readonly Kept[]
      const kept = change(stored.filter(({ untilMs }) => untilMs > nowMs)).slice(-MOST)
      await settings.put(SETTING, kept as unknown as Json, { by: 'server' })
    })
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
