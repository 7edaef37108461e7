/**
 * The audit log: who did what to what, and how that ended. Only appended to. Each entry holds the hash of the one before, so a change, a gap or a
 * swap shows; that the end was cut off shows against a head that was kept elsewhere (`anchor`).
 */
import { createHash } from 'node:crypto'
import { letOthersRun } from '../base/clock.ts'
import { transact } from '../sqlite/index.ts'
import type { CatalogContext } from './context.ts'
import { canonicalJson, fromJson, type JsonObject } from './json.ts'
import { type Page, type PageRequest, readCursor, toPage } from './paging.ts'
import type { Subject } from './states.ts'
import type { AuditRow } from './tables.ts'

export interface Actor {
  /** `nobody`: who is not signed in. */
  readonly kind: 'account' | 'token' | 'agent' | 'server' | 'nobody'
  readonly id: string
  readonly name: string
}

export interface AuditEvent {
  readonly actor: Actor
  /** From where. */
  readonly address: string
  /** `account.create`: noun and verb. */
  readonly action: string
  readonly subject: Subject
  readonly outcome: AuditRow['outcome']
  /** Never secrets. */
  readonly details?: JsonObject | undefined
}

export interface AuditEntry extends AuditEvent {
  readonly sequence: number
  readonly atMs: number
  readonly sha256: string
}

export interface AuditHead {
  readonly sequence: number
  readonly sha256: string
}

export interface AuditVerdict {
  readonly entries: number
  readonly head: AuditHead
  /** The first entry that is not as it was written. */
  readonly broken?: { readonly sequence: number; readonly why: string }
}

/** What "the entry before the first" hashes to. */
const START = '0'.repeat(64)
const VERIFIED_AT_ONCE = 500

export class Audit {
  readonly #context: CatalogContext

  constructor(context: CatalogContext) {
    this.#context = context
  }

  async append(event: AuditEvent): Promise<AuditEntry> {
    return await transact(this.#context.db, async (transaction) => {
      const query = transaction.selectFrom('audit').select(['sequence', 'sha256']).orderBy('sequence', 'desc').limit(1)
      const last = (await query.executeTakeFirst()) ?? { sequence: 0, sha256: START }
      const content = {
        sequence: last.sequence + 1,
        at_ms: this.#context.clock.nowMs(),
        actor_kind: event.actor.kind,
        actor_id: event.actor.id,
        actor_name: event.actor.name,
        address: event.address,
        action: event.action,
        subject_kind: event.subject.kind,
        subject_id: event.subject.id,
        outcome: event.outcome,
        details_json: canonicalJson(event.details ?? {}),
      }
      const row: AuditRow = { ...content, previous_sha256: last.sha256, sha256: hashOf(last.sha256, content) }
      await transaction.insertInto('audit').values(row).execute()
      return present(row)
    })
  }

  async head(): Promise<AuditHead> {
    const query = this.#context.db.selectFrom('audit').select(['sequence', 'sha256']).orderBy('sequence', 'desc').limit(1)
    return { sequence: 0, sha256: START, ...(await query.executeTakeFirst()) }
  }

  /** The newest first. */
  async list(
    { limit, cursor }: PageRequest,
    filter: {
      readonly actorId?: string | undefined
      readonly action?: string | undefined
      readonly subject?: Subject | undefined
      readonly fromMs?: number | undefined
      readonly untilMs?: number | undefined
    } = {},
  ): Promise<Page<AuditEntry>> {
    const after = readCursor<[number]>(cursor, ['number'])
    let query = this.#context.db.selectFrom('audit').selectAll()
    if (filter.actorId !== undefined) query = query.where('actor_id', '=', filter.actorId)
    if (filter.action !== undefined) query = query.where('action', '=', filter.action)
    const { subject } = filter
    if (subject !== undefined) query = query.where('subject_kind', '=', subject.kind).where('subject_id', '=', subject.id)
    if (filter.fromMs !== undefined) query = query.where('at_ms', '>=', filter.fromMs)
    if (filter.untilMs !== undefined) query = query.where('at_ms', '<', filter.untilMs)
    if (after) query = query.where('sequence', '<', after[0])
    const rows = await query
      .orderBy('sequence', 'desc')
      .limit(limit + 1)
      .execute()
    return toPage(rows, limit, (row) => [row.sequence], present)
  }

  /** Every entry, from the first. `anchor`: a head that was noted earlier and elsewhere; what it says must still be there. */
  async verify(anchor?: AuditHead): Promise<AuditVerdict> {
    let head: AuditHead = { sequence: 0, sha256: START }
    const broken = (sequence: number, why: string): AuditVerdict => ({ entries: head.sequence, head, broken: { sequence, why } })
    for (;;) {
      // In batches, so that a long log does not hold up everybody else.
      await letOthersRun()
      const rows = await this.#context.db
        .selectFrom('audit')
        .selectAll()
        .where('sequence', '>', head.sequence)
        .orderBy('sequence')
        .limit(VERIFIED_AT_ONCE)
        .execute()
      if (rows.length === 0) break
      for (const row of rows) {
        const { previous_sha256, sha256, ...content } = row
        if (row.sequence !== head.sequence + 1) return broken(head.sequence + 1, 'an entry is missing')
        if (previous_sha256 !== head.sha256) return broken(row.sequence, 'it does not follow the entry before it')
        if (hashOf(previous_sha256, content) !== sha256) return broken(row.sequence, 'it was changed')
        head = { sequence: row.sequence, sha256 }
        if (anchor?.sequence === row.sequence && anchor.sha256 !== sha256)
          return broken(row.sequence, 'it is not the entry that was noted elsewhere')
      }
    }
    if (anchor !== undefined && anchor.sequence > head.sequence) return broken(head.sequence + 1, 'the end of the log was cut off')
    return { entries: head.sequence, head }
  }
}

function hashOf(previousSha256: string, content: Omit<AuditRow, 'previous_sha256' | 'sha256'>): string {
  return createHash('sha256')
    .update(previousSha256)
    .update(canonicalJson({ ...content }))
    .digest('hex')
}

function present(row: AuditRow): AuditEntry {
  return {
    sequence: row.sequence,
    atMs: row.at_ms,
    actor: { kind: row.actor_kind as Actor['kind'], id: row.actor_id, name: row.actor_name },
    address: row.address,
    action: row.action,
    subject: { kind: row.subject_kind, id: row.subject_id },
    outcome: row.outcome,
    details: fromJson(row.details_json),
    sha256: row.sha256,
  }
}
