/** Auto-discovery (§5.1), once a day: what there is on the machines that was not there before, and that no group protects, is told (3154). */
import { asTerpError } from '../../base/errors.ts'
import type { Operation } from '../../base/operation.ts'
import type { Agent } from '../../catalog/index.ts'
import type { AlertDesk } from '../alerts/alert-desk.ts'
import type { ServerContext } from '../context.ts'
import type { JobOutcome, ServerJobKind } from '../jobs/kind.ts'
import type { CommandQueue } from './command-queue.ts'
import type { Questions } from './questions.ts'

export interface DiscoveryParts {
  readonly context: ServerContext
  readonly questions: Questions
  readonly queue: CommandQueue
  readonly alerts: AlertDesk
}

interface Seen {
  /** `workload path`, of all that was ever there. */
  readonly known: readonly string[]
  /** Of these, what people were told of and is still unprotected. */
  readonly told: readonly string[]
}

const seenOf = (agentId: string) => `discovered:${agentId}`

export function discoveryKind(parts: DiscoveryParts): ServerJobKind {
  return { type: 'discovery', where: 'server', attempts: 1, run: (op) => discoverAll(op, parts) }
}

async function discoverAll(op: Operation, parts: DiscoveryParts): Promise<JobOutcome> {
  const { catalog } = parts.context
  let found = 0
  let fresh = 0
  let agents = 0
  for (const agent of (await catalog.agents.list({ limit: 10_000 })).items) {
    op.check()
    if (!parts.queue.isConnected(agent.id)) continue
    try {
      const news = await discoverOn(op, parts, agent)
      agents++
      found += news.found
      fresh += news.fresh
    } catch (error) {
      const { code, message } = asTerpError(error)
      op.warn({ code, message, item: agent.name })
    }
  }
  return { result: { agents, found, fresh } }
}

async function discoverOn(
  op: Operation,
  { context, questions, alerts }: DiscoveryParts,
  agent: Agent,
): Promise<{ found: number; fresh: number }> {
  const { catalog } = context
  const { sources } = await questions.ask(agent.id, { kind: 'discover' }, op.signal)
  const there = new Map(
    sources.map(({ workload, path, name }) => [
      `${workload} ${path}`,
      { workload, name, path: Buffer.from(path, 'base64').toString('utf8') },
    ]),
  )
  const before = (await catalog.settings.find(seenOf(agent.id)))?.value as Seen | undefined
  const protectedHere = (await catalog.sources.all({ agentId: agent.id })).filter(({ groupId }) => groupId !== undefined)
  const isProtected = ({ workload, path }: { readonly workload: string; readonly path: string }) =>
    protectedHere.some(
      (source) => source.workload === workload && (source.path === path || source.path.startsWith(path.endsWith('/') ? path : `${path}/`)),
    )
  const known = new Set(before?.known)
  // What is there when a machine is first looked at is nothing new.
  const fresh = before ? [...there].filter(([key]) => !known.has(key)).map(([key]) => key) : []
  const open = [...new Set([...(before?.told ?? []), ...fresh])].filter((key) => {
    const source = there.get(key)
    return source && !isProtected(source)
  })
  await catalog.settings.put(seenOf(agent.id), { known: [...new Set([...known, ...there.keys()])], told: open }, { by: 'server' })
  if (open.length === 0) await alerts.resolve('new-data-source', agent.id)
  else if (open.some((key) => fresh.includes(key))) {
    const names = open.map((key) => there.get(key)?.name ?? key)
    const message = `${names.length === 1 ? 'a data source' : `${names.length} data sources`} that no group protects: ${names.slice(0, 10).join(', ')}`
    await alerts.raise('new-data-source', { id: agent.id, name: agent.name, message })
  }
  return { found: there.size, fresh: fresh.length }
}
