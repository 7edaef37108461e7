/** Data sources and groups as the API shows them. */
import { toTimestamp } from '../../base/clock.ts'
import type { Catalog, DataSource, SourceSummary, StoredGroup } from '../../catalog/index.ts'
import { replicaStatus } from '../../protection/index.ts'
import type { SourceDescription } from '../../wire/index.ts'

/** Names of what ids stand for, read once for a list. */
export class Names {
  readonly #catalog: Catalog
  readonly #known = new Map<string, Promise<string | undefined>>()

  constructor(catalog: Catalog) {
    this.#catalog = catalog
  }

  agent(id: string | undefined): Promise<string | undefined> {
    return this.#of('agent', id, async (known) => (await this.#catalog.agents.find(known))?.name)
  }

  group(id: string | undefined): Promise<string | undefined> {
    return this.#of('group', id, async (known) => (await this.#catalog.groups.find(known))?.name)
  }

  source(id: string | undefined): Promise<string | undefined> {
    return this.#of('source', id, async (known) => (await this.#catalog.sources.find(known))?.name)
  }

  #of(kind: string, id: string | undefined, read: (id: string) => Promise<string | undefined>): Promise<string | undefined> {
    if (id === undefined) return Promise.resolve(undefined)
    const key = `${kind} ${id}`
    const known = this.#known.get(key) ?? read(id)
    this.#known.set(key, known)
    return known
  }
}

export async function presentSource(names: Names, source: DataSource, summary: SourceSummary | undefined): Promise<SourceDescription> {
  const { stateSinceMs, isRecovering, options: _, createdMs: __, ...rest } = source
  return {
    ...rest,
    cause: rest.cause && { ...rest.cause },
    agentName: await names.agent(source.agentId),
    groupName: await names.group(source.groupId),
    status: replicaStatus(source.state, { isRecovering }),
    stateSince: toTimestamp(stateSinceMs),
    points: summary?.points ?? 0,
    ...(summary && { newest: toTimestamp(summary.newestMs), oldest: toTimestamp(summary.oldestMs) }),
    ...(summary?.lastVerifiedMs !== undefined && { lastVerified: toTimestamp(summary.lastVerifiedMs) }),
  }
}

export function presentGroup({ id, name, document, version, createdMs, changedMs }: StoredGroup) {
  return { id, name, document: { ...document }, version, created: toTimestamp(createdMs), changed: toTimestamp(changedMs) }
}
