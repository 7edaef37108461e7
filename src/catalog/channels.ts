/** Channels of notification, and what was sent, or waits to be, over each. */
import type { Severity } from '../protection/index.ts'
import { isUniqueViolation } from '../sqlite/index.ts'
import { type CatalogContext, newId } from './context.ts'
import { nameTaken, notFound, versionConflict } from './errors.ts'
import { fromJson, type JsonObject } from './json.ts'
import type { DeliveryState } from './states.ts'
import type { ChannelRow, DeliveryRow } from './tables.ts'

export type ChannelKind = ChannelRow['kind']

export interface Channel {
  readonly id: string
  readonly kind: ChannelKind
  readonly name: string
  readonly options: JsonObject
  /** A password, or the key of a webhook's signature. */
  readonly secretSealed: Uint8Array | undefined
  /** Which alerts go over it. */
  readonly severities: readonly Severity[]
  readonly isEnabled: boolean
  readonly version: number
}

export interface ChannelValues {
  readonly name: string
  readonly options: JsonObject
  readonly severities: readonly Severity[]
  readonly isEnabled: boolean
}

export interface Delivery {
  readonly id: string
  readonly channelId: string
  readonly event: string
  readonly alertId: string | undefined
  readonly payload: JsonObject
  readonly state: DeliveryState
  readonly attempts: number
  readonly createdMs: number
  readonly dueMs: number
  readonly endedMs: number | undefined
  readonly lastError: string | undefined
}

export class Channels {
  readonly #context: CatalogContext

  constructor(context: CatalogContext) {
    this.#context = context
  }

  /** CATALOG_NAME_TAKEN. */
  async create(channel: ChannelValues & { readonly kind: ChannelKind; readonly secretSealed?: Uint8Array | undefined }): Promise<Channel> {
    const row: ChannelRow = {
      ...toRow(channel),
      id: newId(this.#context),
      kind: channel.kind,
      secret_sealed: channel.secretSealed ?? null,
      version: 1,
    }
    try {
      await this.#context.db.insertInto('channels').values(row).execute()
    } catch (error) {
      throw isUniqueViolation(error) ? nameTaken('notification channel', channel.name) : error
    }
    return present(row)
  }

  async get(id: string): Promise<Channel> {
    const row = await this.#context.db.selectFrom('channels').selectAll().where('id', '=', id).executeTakeFirst()
    if (!row) throw notFound('notification channel', id)
    return present(row)
  }

  /** By name; there are few. */
  async all(): Promise<Channel[]> {
    return (await this.#context.db.selectFrom('channels').selectAll().orderBy('name').execute()).map(present)
  }

  /** `secretSealed`: undefined keeps what there is. CATALOG_VERSION_CONFLICT, CATALOG_NAME_TAKEN. */
  async replace(
    id: string,
    channel: ChannelValues & { readonly secretSealed?: Uint8Array | null | undefined },
    expectedVersion: number,
  ): Promise<Channel> {
    await this.get(id)
    const { secretSealed } = channel
    const set = { ...toRow(channel), version: expectedVersion + 1, ...(secretSealed !== undefined && { secret_sealed: secretSealed }) }
    const query = this.#context.db.updateTable('channels').set(set).where('id', '=', id).where('version', '=', expectedVersion)
    try {
      const { numUpdatedRows } = await query.executeTakeFirst()
      if (numUpdatedRows !== 1n) throw versionConflict('notification channel', id, expectedVersion)
    } catch (error) {
      throw isUniqueViolation(error) ? nameTaken('notification channel', channel.name) : error
    }
    return await this.get(id)
  }

  /** With its deliveries. */
  async remove(id: string): Promise<void> {
    const { numDeletedRows } = await this.#context.db.deleteFrom('channels').where('id', '=', id).executeTakeFirst()
    if (numDeletedRows !== 1n) throw notFound('notification channel', id)
  }
}

export class Deliveries {
  readonly #context: CatalogContext

  constructor(context: CatalogContext) {
    this.#context = context
  }

  async add(deliveries: readonly { channelId: string; event: string; alertId?: string | undefined; payload: JsonObject }[]): Promise<void> {
    if (deliveries.length === 0) return
    const nowMs = this.#context.clock.nowMs()
    const rows: DeliveryRow[] = deliveries.map(({ channelId, event, alertId, payload }) => ({
      id: newId(this.#context),
      channel_id: channelId,
      event,
      alert_id: alertId ?? null,
      payload_json: JSON.stringify(payload),
      state: 'pending',
      attempts: 0,
      created_ms: nowMs,
      due_ms: nowMs,
      ended_ms: null,
      last_error: null,
    }))
    await this.#context.db.insertInto('deliveries').values(rows).execute()
  }

  /** That are to be sent now; the oldest first. */
  async due(limit: number): Promise<Delivery[]> {
    const rows = await this.#context.db
      .selectFrom('deliveries')
      .selectAll()
      .where('state', '=', 'pending')
      .where('due_ms', '<=', this.#context.clock.nowMs())
      .orderBy('due_ms')
      .limit(limit)
      .execute()
    return rows.map(presentDelivery)
  }

  async nextDueMs(): Promise<number | undefined> {
    const row = await this.#context.db
      .selectFrom('deliveries')
      .select((eb) => eb.fn.min<number | null>('due_ms').as('due'))
      .where('state', '=', 'pending')
      .executeTakeFirst()
    return row?.due ?? undefined
  }

  async sent(id: string): Promise<void> {
    await this.#update(id, { state: 'sent', ended_ms: this.#context.clock.nowMs(), last_error: null })
  }

  /** Not before then: it was not tried. */
  async postpone(ids: readonly string[], dueMs: number): Promise<void> {
    await this.#context.db.updateTable('deliveries').set({ due_ms: dueMs }).where('id', 'in', ids).where('state', '=', 'pending').execute()
  }

  /** Once more at `retryMs`; without one, given up. */
  async failed(id: string, error: string, retryMs?: number): Promise<void> {
    const end =
      retryMs === undefined
        ? { state: 'failed' as const, ended_ms: this.#context.clock.nowMs() }
        : { state: 'pending' as const, due_ms: retryMs }
    await this.#update(id, { ...end, last_error: error })
  }

  /** The newest first. */
  async latest(channelId: string, limit: number): Promise<Delivery[]> {
    const rows = await this.#context.db
      .selectFrom('deliveries')
      .selectAll()
      .where('channel_id', '=', channelId)
      .orderBy('created_ms', 'desc')
      .limit(limit)
      .execute()
    return rows.map(presentDelivery)
  }

  async removeEndedBefore(beforeMs: number): Promise<void> {
    await this.#context.db.deleteFrom('deliveries').where('state', '<>', 'pending').where('ended_ms', '<', beforeMs).execute()
  }

  async #update(id: string, set: Partial<DeliveryRow>): Promise<void> {
    await this.#context.db
      .updateTable('deliveries')
      .set((eb) => ({ ...set, attempts: eb('attempts', '+', 1) }))
      .where('id', '=', id)
      .execute()
  }
}

function toRow({ name, options, severities, isEnabled }: ChannelValues) {
  return { name, options_json: JSON.stringify(options), severities_json: JSON.stringify(severities), is_enabled: isEnabled ? 1 : 0 }
}

function present(row: ChannelRow): Channel {
  return {
    id: row.id,
    kind: row.kind,
    name: row.name,
    options: fromJson(row.options_json),
    secretSealed: row.secret_sealed ?? undefined,
    severities: fromJson(row.severities_json),
    isEnabled: row.is_enabled === 1,
    version: row.version,
  }
}

function presentDelivery(row: DeliveryRow): Delivery {
  return {
    id: row.id,
    channelId: row.channel_id,
    event: row.event,
    alertId: row.alert_id ?? undefined,
    payload: fromJson(row.payload_json),
    state: row.state,
    attempts: row.attempts,
    createdMs: row.created_ms,
    dueMs: row.due_ms,
    endedMs: row.ended_ms ?? undefined,
    lastError: row.last_error ?? undefined,
  }
}
