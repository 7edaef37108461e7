/** The answer to "what could I restore now, and what is wrong?", for one look (`terp status`, `terp cloud status`). */
import { toTimestamp } from '../../base/clock.ts'
import type { DataSource, SourceSummary } from '../../catalog/index.ts'
import type { Verdict } from '../../protection/index.ts'
import { gateStateShape, type SourceStatus, statusShape } from '../../wire/index.ts'
import type { CommandQueue } from '../agents/command-queue.ts'
import { reaches } from '../auth/caller.ts'
import type { ServerContext } from '../context.ts'
import type { GateKeeper } from '../gate/gate-keeper.ts'
import { readGroup } from '../groups/group-facts.ts'
import { Names, presentSource } from '../groups/present.ts'
import { type Route, route, viewers } from '../http/route.ts'
import type { Retention } from '../retention/retention.ts'
import type { Scheduler } from '../schedule/scheduler.ts'
import type { Watch } from './watch.ts'

const tag = 'Status'

export interface StatusParts {
  readonly context: ServerContext
  readonly queue: CommandQueue
  readonly gate: GateKeeper
  readonly scheduler: Scheduler
  readonly watch: Watch
  readonly retention: Retention
}

export function statusRoutes(parts: StatusParts): Route[] {
  const { context, queue, gate, retention } = parts
  const { catalog, op } = context
  return [
    route({
      method: 'GET',
      path: '/status',
      name: 'status.get',
      summary:
        'Of each data source: the newest moment that can be restored, when it was last verified, what would be lost now, and why it is not green.',
      tag,
      access: { who: 'roles', roles: viewers, scope: 'groups' },
      answer: statusShape,
      async handle({ caller }) {
        const names = new Names(catalog)
        const summaries = new Map((await catalog.points.summaries()).map((summary) => [summary.sourceId, summary]))
        const sources: SourceStatus[] = []
        for (const source of await catalog.sources.all()) {
          if (source.groupId === undefined || !reaches(caller, source.groupId)) continue
          sources.push(await statusOf(parts, names, source, summaries.get(source.id)))
        }
        const agents = (await catalog.agents.list({ limit: 10_000 })).items
        const open = await catalog.alerts.countOpen()
        const running = await catalog.jobs.inProgress()
        const waiting = await catalog.jobs.list({ limit: 10_000 }, { states: ['queued'] })
        const pools = []
        for (const { id, name } of await catalog.pools.all()) {
          const usage = await catalog.pools.latestUsage(id)
          if (usage) pools.push({ id, name, sizeBytes: usage.sizeBytes, usedBytes: usage.usedBytes, freeBytes: usage.freeBytes })
        }
        const frozen = await retention.clock.look()
        const critical = open.get('critical') ?? 0
        return {
          body: {
            at: toTimestamp(op.clock.nowMs()),
            isGreen: sources.every(({ isGreen }) => isGreen) && critical === 0 && frozen === undefined,
            sources,
            agents: { connected: agents.filter(({ id }) => queue.isConnected(id)).length, total: agents.length },
            jobs: { running: running.length, waiting: waiting.items.length },
            alerts: { critical, warning: open.get('warning') ?? 0, informational: open.get('informational') ?? 0 },
            pools,
            frozen,
          },
        }
      },
    }),
    route({
      method: 'GET',
      path: '/cloud/status',
      name: 'cloud.status',
      summary: 'Whether the vault can be reached, what may run, and until when.',
      tag,
      access: { who: 'roles', roles: viewers, scope: 'server' },
      answer: gateStateShape,
      async handle() {
        const { countdown, connection, subscription, isConnected, ...verdicts } = await gate.state()
        return {
          body: {
            connection,
            subscription,
            isConnected,
            ...(countdown && {
              countdown: {
                ends: toTimestamp(countdown.endsMs),
                remainingMs: Math.round(countdown.remainingMs),
                urgency: countdown.urgency,
                message: countdown.message,
              },
            }),
            backupCloud: presentVerdict(verdicts.backupCloud),
            backupDisk: presentVerdict(verdicts.backupDisk),
            restoreCloud: presentVerdict(verdicts.restoreCloud),
            restoreDisk: presentVerdict(verdicts.restoreDisk),
          },
        }
      },
    }),
  ]
}

async function statusOf(
  { context, watch, scheduler }: StatusParts,
  names: Names,
  source: DataSource,
  summary: SourceSummary | undefined,
): Promise<SourceStatus> {
  const { catalog } = context
  const group = readGroup((await catalog.groups.get(source.groupId ?? '')).document)
  const { newestRestorableMs, atRiskMs, isBreached, hours } = await watch.look(source, group)
  const described = await presentSource(names, source, summary)
  const alerts = await catalog.alerts.list(
    { limit: 20 },
    { subject: { kind: 'data-source', id: source.id }, states: ['active', 'action-in-progress'] },
  )
  const reasons: string[] = []
  if (source.state !== 'ok')
    reasons.push(`the replica is ${source.state}${source.cause?.message ? `: ${String(source.cause.message)}` : ''}`)
  if (newestRestorableMs === undefined) reasons.push('there is no recovery point')
  if (isBreached) reasons.push(`no good recovery point for more than ${hours} hours`)
  for (const { severity, message } of alerts.items) if (severity !== 'informational') reasons.push(message)
  const nextMs = scheduler.nextOf(source.id)
  return {
    source: described,
    isGreen: reasons.length === 0,
    reasons: [...new Set(reasons)],
    ...(newestRestorableMs !== undefined && { newestRestorable: toTimestamp(newestRestorableMs) }),
    ...(atRiskMs !== undefined && { atRiskMs: Math.round(atRiskMs) }),
    ...(summary?.lastVerifiedMs !== undefined && { lastVerified: toTimestamp(summary.lastVerifiedMs) }),
    slaBreached: isBreached,
    ...(nextMs !== undefined && { next: toTimestamp(nextMs) }),
  }
}

function presentVerdict(verdict: Verdict) {
  const said = verdict.isAllowed ? verdict.warning : verdict.refusal
  return { isAllowed: verdict.isAllowed, ...(said && { message: said.message, code: said.code, domainCode: said.domainCode }) }
}
