/** The answer to "what could I restore now, and what is wrong?", for one look (`terp status`, `terp cloud status`). */
import { letOthersRun, toTimestamp } from '../../base/clock.ts'
import type { Alert, DataSource } from '../../catalog/index.ts'
import type { Verdict } from '../../protection/index.ts'
import { gateStateShape, type SourceDescription, type SourceStatus, statusShape } from '../../wire/index.ts'
import type { CommandQueue } from '../agents/command-queue.ts'
import { reaches } from '../auth/caller.ts'
import type { ServerContext } from '../context.ts'
import type { GateKeeper } from '../gate/gate-keeper.ts'
import { readGroup } from '../groups/group-facts.ts'
import { Names, presentSource } from '../groups/present.ts'
import { memoryOf } from '../groups/source-memory.ts'
import { type Route, route, viewers } from '../http/route.ts'
import type { Retention } from '../retention/retention.ts'
import type { Scheduler } from '../schedule/scheduler.ts'
import type { SourceLook, Watch } from './watch.ts'

const tag = 'Status'
/** Some milliseconds' work. */
const AT_ONCE = 50

export interface StatusParts {
  readonly context: ServerContext
  readonly queue: CommandQueue
  readonly gate: GateKeeper
  readonly scheduler: Scheduler
  readonly watch: Watch
  readonly retention: Retention
}

export function statusRoutes(parts: StatusParts): Route[] {
  const { context, queue, gate, retention, scheduler, watch } = parts
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
        const groups = new Map((await catalog.groups.all()).map(({ id, document }) => [id, readGroup(document)]))
        const alerts = Map.groupBy(await catalog.alerts.open(), ({ subject }) => `${subject.kind} ${subject.id}`)
        const next = scheduler.next()
        const sources: string[] = []
        let isGreen = true
        for (const [n, source] of (await catalog.sources.all()).entries()) {
          // Thousands of them.
          if (n % AT_ONCE === AT_ONCE - 1) await letOthersRun()
          const group = groups.get(source.groupId ?? '')
          if (!group || !reaches(caller, source.groupId)) continue
          const look = watch.look(source, group, summaries.get(source.id))
          const described = await presentSource(names, source, summaries.get(source.id))
          const status = statusOf(source, described, {
            look,
            alerts: [...(alerts.get(`data-source ${source.id}`) ?? []), ...(alerts.get(`agent ${source.agentId ?? ''}`) ?? [])],
            nextMs: next.get(source.id),
          })
          isGreen &&= status.isGreen
          sources.push(JSON.stringify(status))
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
        // In pieces: of thousands of sources at once, to check and to write would hold everybody else up.
        const rest = {
          at: toTimestamp(op.clock.nowMs()),
          isGreen: isGreen && critical === 0 && frozen === undefined,
          agents: { connected: agents.filter(({ id }) => queue.isConnected(id)).length, total: agents.length },
          jobs: { running: running.length, waiting: waiting.items.length },
          alerts: { critical, warning: open.get('warning') ?? 0, informational: open.get('informational') ?? 0 },
          pools,
          frozen,
        }
        return {
          text: { type: 'application/json; charset=utf-8', content: `${JSON.stringify(rest).slice(0, -1)},"sources":[${sources.join()}]}` },
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
        const { state, vaultName, sinceMs } = await gate.registration()
        return {
          body: {
            registration: { state, vault: vaultName, ...(sinceMs !== undefined && { since: toTimestamp(sinceMs) }) },
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

interface Seen {
  readonly look: SourceLook
  /** About it, that last. */
  readonly alerts: readonly Alert[]
  readonly nextMs: number | undefined
}

function statusOf(source: DataSource, described: SourceDescription, { look, alerts, nextMs }: Seen): SourceStatus {
  const { newestRestorableMs, atRiskMs, isBreached, hours } = look
  const { online } = memoryOf(source)
  const reasons: string[] = []
  if (source.state !== 'ok')
    reasons.push(`the replica is ${source.state}${source.cause?.message ? `: ${String(source.cause.message)}` : ''}`)
  if (newestRestorableMs === undefined) reasons.push('there is no recovery point')
  if (isBreached) reasons.push(`no good recovery point for more than ${hours} hours`)
  for (const { severity, message } of alerts) if (severity !== 'informational') reasons.push(message)
  return {
    source: described,
    isGreen: reasons.length === 0,
    reasons: [...new Set(reasons)],
    ...(newestRestorableMs !== undefined && { newestRestorable: toTimestamp(newestRestorableMs) }),
    ...(online && { newestInVault: toTimestamp(online.dataMs) }),
    ...(atRiskMs !== undefined && { atRiskMs: Math.round(atRiskMs) }),
    ...(described.lastVerified !== undefined && { lastVerified: described.lastVerified }),
    slaBreached: isBreached,
    ...(nextMs !== undefined && { next: toTimestamp(nextMs) }),
  }
}

function presentVerdict(verdict: Verdict) {
  const said = verdict.isAllowed ? verdict.warning : verdict.refusal
  return { isAllowed: verdict.isAllowed, ...(said && { message: said.message, code: said.code, domainCode: said.domainCode }) }
}
