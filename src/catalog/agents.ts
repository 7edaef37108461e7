/** Agents: the programs on protected machines, known by their public key. A revoked one stays as a name of the past. */
import type { AgentState } from '../protection/index.ts'
import { isUniqueViolation } from '../sqlite/index.ts'
import { type CatalogContext, newId } from './context.ts'
import { nameTaken, notFound } from './errors.ts'
import { fromJsonOr, type JsonObject, toJson } from './json.ts'
import { type Page, type PageRequest, readCursor, toPage } from './paging.ts'
import type { AgentRow } from './tables.ts'

export interface Agent {
  readonly id: string
  readonly name: string
  /** SPKI, base64. */
  readonly publicKey: string
  readonly publicKeySha256: string
  readonly certificateSha256: string | undefined
  readonly state: AgentState
  readonly stateSinceMs: number
  readonly programVersion: string | undefined
  readonly protocolVersion: number | undefined
  readonly platform: JsonObject | undefined
  readonly enrolledMs: number
  readonly lastSeenMs: number | undefined
  readonly lastAddress: string | undefined
  /** Its chunks may be answered from what other trusted agents stored. */
  readonly isTrusted: boolean
  readonly throttle: JsonObject | undefined
  /** Of its last hello; 0 before the first. */
  readonly epoch: number
  readonly revokedMs: number | undefined
  readonly version: number
}

export interface NewAgent {
  readonly id?: string
  readonly name: string
  readonly publicKey: string
  readonly publicKeySha256: string
  readonly certificateSha256?: string | undefined
  readonly programVersion?: string | undefined
  readonly protocolVersion?: number | undefined
  readonly platform?: JsonObject | undefined
}

export interface AgentSighting {
  readonly address?: string | undefined
  readonly programVersion?: string | undefined
  readonly protocolVersion?: number | undefined
  readonly platform?: JsonObject | undefined
}

export class Agents {
  readonly #context: CatalogContext

  constructor(context: CatalogContext) {
    this.#context = context
  }

  /** CATALOG_NAME_TAKEN, also for a key that is known. */
  async enrol(agent: NewAgent): Promise<Agent> {
    const nowMs = this.#context.clock.nowMs()
    const row: AgentRow = {
      id: agent.id ?? newId(this.#context),
      name: agent.name,
      public_key: agent.publicKey,
      public_key_sha256: agent.publicKeySha256,
      certificate_sha256: agent.certificateSha256 ?? null,
      state: 'ok',
      state_since_ms: nowMs,
      program_version: agent.programVersion ?? null,
      protocol_version: agent.protocolVersion ?? null,
      platform_json: toJson(agent.platform),
      enrolled_ms: nowMs,
      last_seen_ms: null,
      last_address: null,
      is_trusted: 0,
      throttle_json: null,
      counter_epoch: 0,
      counter: 0,
      revoked_ms: null,
      version: 1,
    }
    try {
      await this.#context.db.insertInto('agents').values(row).execute()
    } catch (error) {
      throw isUniqueViolation(error) ? nameTaken('agent', agent.name) : error
    }
    return present(row)
  }

  async find(id: string): Promise<Agent | undefined> {
    const row = await this.#context.db.selectFrom('agents').selectAll().where('id', '=', id).executeTakeFirst()
    return row && present(row)
  }

  async get(id: string): Promise<Agent> {
    const agent = await this.find(id)
    if (!agent) throw notFound('agent', id)
    return agent
  }

  /** Of those that are not revoked. */
  async findByName(name: string): Promise<Agent | undefined> {
    const query = this.#context.db.selectFrom('agents').selectAll().where('name', '=', name).where('revoked_ms', 'is', null)
    const row = await query.executeTakeFirst()
    return row && present(row)
  }

  /** Revoked ones too: who was revoked must be told so. */
  async findByKey(publicKeySha256: string): Promise<Agent | undefined> {
    const query = this.#context.db.selectFrom('agents').selectAll().where('public_key_sha256', '=', publicKeySha256)
    const row = await query.executeTakeFirst()
    return row && present(row)
  }

  async findByCertificate(certificateSha256: string): Promise<Agent | undefined> {
    const query = this.#context.db.selectFrom('agents').selectAll().where('certificate_sha256', '=', certificateSha256)
    const row = await query.executeTakeFirst()
    return row && present(row)
  }

  /** By name. */
  async list(
    { limit, cursor }: PageRequest,
    filter: { readonly state?: AgentState | undefined; readonly withRevoked?: boolean | undefined } = {},
  ): Promise<Page<Agent>> {
    const after = readCursor<[string, string]>(cursor, ['string', 'string'])
    let query = this.#context.db.selectFrom('agents').selectAll()
    if (filter.state !== undefined) query = query.where('state', '=', filter.state)
    if (!filter.withRevoked) query = query.where('revoked_ms', 'is', null)
    if (after) query = query.where((eb) => eb(eb.refTuple('name', 'id'), '>', eb.tuple(...after)))
    const rows = await query
      .orderBy('name')
      .orderBy('id')
      .limit(limit + 1)
      .execute()
    return toPage(rows, limit, (row) => [row.name, row.id], present)
  }

  /** Those that were last heard of before `beforeMs` and are still taken for reachable. */
  async silentSince(beforeMs: number): Promise<Agent[]> {
    const rows = await this.#context.db
      .selectFrom('agents')
      .selectAll()
      .where('state', 'in', ['ok', 'update-available'])
      .where('revoked_ms', 'is', null)
      .where((eb) => eb(eb.fn.coalesce('last_seen_ms', 'enrolled_ms'), '<', beforeMs))
      .execute()
    return rows.map(present)
  }

  /** True when that changed anything. */
  async setState(id: string, state: AgentState): Promise<boolean> {
    const result = await this.#context.db
      .updateTable('agents')
      .set({ state, state_since_ms: this.#context.clock.nowMs() })
      .where('id', '=', id)
      .where('state', '<>', state)
      .executeTakeFirst()
    return result.numUpdatedRows === 1n
  }

  async seen(id: string, sighting: AgentSighting = {}): Promise<void> {
    const { address, programVersion, protocolVersion, platform } = sighting
    await this.#update(id, {
      last_seen_ms: this.#context.clock.nowMs(),
      ...(address !== undefined && { last_address: address }),
      ...(programVersion !== undefined && { program_version: programVersion }),
      ...(protocolVersion !== undefined && { protocol_version: protocolVersion }),
      ...(platform !== undefined && { platform_json: toJson(platform) }),
    })
  }

  /** The agent said hello: counters begin anew, and requests of epochs before are refused from now on. */
  async beginEpoch(id: string): Promise<number> {
    const row = await this.#context.db
      .updateTable('agents')
      .set((eb) => ({ counter_epoch: eb('counter_epoch', '+', 1), counter: 0 }))
      .where('id', '=', id)
      .returning('counter_epoch')
      .executeTakeFirst()
    if (!row) throw notFound('agent', id)
    return row.counter_epoch
  }

  /** Of all agents: numbers that may have been given are not given again, after a catalog of before came back. */
  async skipEpochs(count: number): Promise<void> {
    await this.#context.db
      .updateTable('agents')
      .set((eb) => ({ counter_epoch: eb('counter_epoch', '+', count), counter: 0 }))
      .execute()
  }

  /** False for a request that came before: its counter is not above the highest of its epoch, or its epoch is over. */
  async acceptCounter(id: string, epoch: number, counter: number): Promise<boolean> {
    const result = await this.#context.db
      .updateTable('agents')
      .set({ counter_epoch: epoch, counter })
      .where('id', '=', id)
      .where((eb) => eb(eb.refTuple('counter_epoch', 'counter'), '<', eb.tuple(epoch, counter)))
      .executeTakeFirst()
    return result.numUpdatedRows === 1n
  }

  async rename(id: string, name: string): Promise<void> {
    try {
      await this.#update(id, { name })
    } catch (error) {
      throw isUniqueViolation(error) ? nameTaken('agent', name) : error
    }
  }

  async setTrusted(id: string, isTrusted: boolean): Promise<void> {
    await this.#update(id, { is_trusted: isTrusted ? 1 : 0 })
  }

  async setThrottle(id: string, throttle: JsonObject | undefined): Promise<void> {
    await this.#update(id, { throttle_json: toJson(throttle) })
  }

  /** False when it was before. */
  async revoke(id: string): Promise<boolean> {
    const nowMs = this.#context.clock.nowMs()
    const result = await this.#context.db
      .updateTable('agents')
      .set({ revoked_ms: nowMs, state: 'revoked', state_since_ms: nowMs })
      .where('id', '=', id)
      .where('revoked_ms', 'is', null)
      .executeTakeFirst()
    return result.numUpdatedRows === 1n
  }

  async #update(id: string, set: Partial<AgentRow>): Promise<void> {
    const result = await this.#context.db.updateTable('agents').set(set).where('id', '=', id).executeTakeFirst()
    if (result.numUpdatedRows !== 1n) throw notFound('agent', id)
  }
}

function present(row: AgentRow): Agent {
  return {
    id: row.id,
    name: row.name,
    publicKey: row.public_key,
    publicKeySha256: row.public_key_sha256,
    certificateSha256: row.certificate_sha256 ?? undefined,
    state: row.state,
    stateSinceMs: row.state_since_ms,
    programVersion: row.program_version ?? undefined,
    protocolVersion: row.protocol_version ?? undefined,
    platform: fromJsonOr<JsonObject, undefined>(row.platform_json, undefined),
    enrolledMs: row.enrolled_ms,
    lastSeenMs: row.last_seen_ms ?? undefined,
    lastAddress: row.last_address ?? undefined,
    isTrusted: row.is_trusted === 1,
    throttle: fromJsonOr<JsonObject, undefined>(row.throttle_json, undefined),
    epoch: row.counter_epoch,
    revokedMs: row.revoked_ms ?? undefined,
    version: row.version,
  }
}
