/**
 * Jobs that bring a source's data here: the first copy, synchronisations, recovery points and consistency checks (§3.4, §3.6). In this engine each is a backup that ends
 * in a recovery point of its own kind; what differs is when they run, how much is read, what their end means for the replica, and how long retention keeps the point.
 */
import type { PlainError } from '../../base/errors.ts'
import type { Operation } from '../../base/operation.ts'
import type { DataSource, Job, JsonObject, PointFacts, Records } from '../../catalog/index.ts'
import { type AlertKindName, type JobType, protectionGroupShape, refusalError, refuseReplicaUse } from '../../protection/index.ts'
import type { AlertDesk } from '../alerts/alert-desk.ts'
import type { ServerContext } from '../context.ts'
import { backupTaskOf } from '../groups/backup-task.ts'
import { applyEvent } from '../groups/source-state.ts'
import { tellFindings } from './backup-alerts.ts'
import { resultOf } from './backup-report.ts'
import { jobError } from './errors.ts'
import type { AgentJobKind, JobOutcome } from './kind.ts'
import type { PoolWork } from './pool-work.ts'

export type BackupType = Extract<JobType, 'replica-creation' | 'synchronisation' | 'recovery-point' | 'consistency-check'>
export const BACKUP_TYPES = ['replica-creation', 'synchronisation', 'recovery-point', 'consistency-check'] as const

/** What retention goes by: `sync` points last until the next point. */
export const POINT_KINDS: Readonly<Record<BackupType, string>> = {
  'replica-creation': 'full',
  synchronisation: 'sync',
  'recovery-point': 'scheduled',
  'consistency-check': 'check',
}
export const ON_DEMAND_POINT = 'on-demand'

const FAILED: Readonly<Record<BackupType, AlertKindName | undefined>> = {
  'replica-creation': 'recovery-point-failed',
  synchronisation: 'synchronisation-failed',
  'recovery-point': 'recovery-point-failed',
  // By its state.
  'consistency-check': undefined,
}
const ATTEMPTS: Readonly<Record<BackupType, number>> = {
  'replica-creation': 8,
  // The next one does what this did not.
  synchronisation: 3,
  'recovery-point': 6,
  'consistency-check': 4,
}

export interface BackupJobParts {
  readonly context: ServerContext
  readonly pools: PoolWork
  readonly alerts: AlertDesk
  /** Alerts that its state calls for are there, and no others. */
  readonly followReplica: (sourceId: string) => Promise<void>
  /** A point was made: retention, a copy of the configuration. */
  readonly afterPoint: (source: DataSource, job: Job) => Promise<void>
  /** The replica was found to be other than its source, or a check of it failed. */
  readonly afterInconsistent: (source: DataSource, job: Job) => Promise<void>
}

export function backupKinds(parts: BackupJobParts): AgentJobKind[] {
  // What was committed in a session, until the agent says that it has finished.
  const committed = new Map<string, PointFacts>()
  return BACKUP_TYPES.map((type) => new BackupKind(type, parts, committed))
}

class BackupKind implements AgentJobKind {
  readonly where = 'agent'
  readonly gated = 'backupDisk'
  readonly type: BackupType
  readonly attempts: number
  readonly #parts: BackupJobParts
  readonly #committed: Map<string, PointFacts>

  constructor(type: BackupType, parts: BackupJobParts, committed: Map<string, PointFacts>) {
    this.type = type
    this.attempts = ATTEMPTS[type]
    this.#parts = parts
    this.#committed = committed
  }

  async #source(job: Job): Promise<DataSource & { readonly poolId: string }> {
    const source = await this.#parts.context.catalog.sources.find(job.sourceId ?? '')
    if (source?.poolId === undefined || source.groupId === undefined) {
      throw jobError('JOB_WITHOUT_SUBJECT', 'the data source is protected no longer')
    }
    return { ...source, poolId: source.poolId }
  }

  async task(job: Job) {
    const { catalog, op } = this.#parts.context
    const source = await this.#source(job)
    this.#checkState(source)
    const group = protectionGroupShape.parse((await catalog.groups.get(source.groupId ?? '')).document)
    const member = group.members.find(({ dataSourceId }) => dataSourceId === source.id)
    if (!member) throw jobError('JOB_WITHOUT_SUBJECT', `${source.name} is no member of its group`)
    const forceRead = job.parameters.isHeavy === true
    return backupTaskOf({ jobId: job.id, group, member, forceRead, nowMs: op.clock.nowMs() })
  }

  /** Of an earlier attempt, the state is that of a job at work already. */
  #checkState({ state }: DataSource): void {
    if (this.type === 'replica-creation') {
      if (state === 'creating' || state === 'unprotected' || state === 'scheduled') return
      throw jobError('JOB_WITHOUT_SUBJECT', `the replica is ${state}`)
    }
    if (this.type === 'consistency-check' && state === 'verifying') return
    const use = this.type === 'synchronisation' ? 'synchronise' : this.type
    const refusal = refuseReplicaUse(state, use)
    if (refusal) throw refusalError(refusal)
  }

  async beginning(job: Job): Promise<void> {
    const { context, alerts } = this.#parts
    const source = await this.#source(job)
    await alerts.resolve('job-not-started', source.id)
    if (this.type === 'replica-creation' && source.state !== 'creating') await applyEvent(context.catalog, source, 'create')
    else if (this.type === 'consistency-check' && source.state !== 'verifying')
      await applyEvent(context.catalog, source, 'start-check', source.cause)
    else return
    await this.#parts.followReplica(source.id)
  }

  async openSession(_op: Operation, job: Job) {
    const source = await this.#source(job)
    return await this.#parts.pools.openBackup({
      poolId: source.poolId,
      sourceId: source.id,
      agentId: job.agentId ?? '',
      jobId: job.id,
      pointId: pointIdOf(job),
      onCommitted: async (facts) => {
        this.#committed.set(job.id, facts)
        await this.#parts.context.catalog.points.record({ ...facts, kind: kindOf(job) })
      },
    })
  }

  /** The agent's word alone makes no recovery point: the pool must hold it. */
  async outcome(op: Operation, job: Job, report: Readonly<Record<string, unknown>>): Promise<JobOutcome> {
    const facts = (await this.#known(job)) ?? (await this.#find(op, job))
    if (!facts) throw jobError('JOB_POINT_MISSING', `the pool does not hold the recovery point ${pointIdOf(job)}`)
    return await this.#outcome(job, facts, report)
  }

  async doneBefore(_op: Operation, job: Job): Promise<JobOutcome | undefined> {
    const facts = await this.#known(job)
    return facts && (await this.#outcome(job, facts, {}))
  }

  leaves(): JsonObject {
    return { left: 'no recovery point was made; what was sent is kept for the next backup, or goes with the next prune' }
  }

  async #outcome(job: Job, facts: PointFacts, report: Readonly<Record<string, unknown>>): Promise<JobOutcome> {
    const { catalog, op } = this.#parts.context
    await catalog.points.record({ ...facts, kind: kindOf(job) })
    const check =
      this.type === 'consistency-check'
        ? {
            isHeavy: job.parameters.isHeavy === true,
            cause: (await catalog.sources.find(job.sourceId ?? ''))?.cause,
            before: (await catalog.points.validOf(facts.sourceId)).findLast(({ id }) => id !== facts.id)?.id,
            elapsedMs: job.startedMs === undefined ? undefined : Math.max(0, Math.round(op.clock.nowMs() - job.startedMs)),
          }
        : undefined
    return {
      pointId: facts.id,
      bytesTransferred: numberOf(report.bytesProcessed),
      warnings: numberOf(report.warningCount),
      result: resultOf(report, facts, check),
    }
  }

  /** Committed while this server runs, or found in the pool when it began. */
  async #known(job: Job): Promise<PointFacts | undefined> {
    const committed = this.#committed.get(job.id)
    if (committed) return committed
    const point = await this.#parts.context.catalog.points.find(pointIdOf(job))
    return point?.sourceId === job.sourceId && point?.state !== 'pruned' ? point : undefined
  }

  async #find(op: Operation, job: Job): Promise<PointFacts | undefined> {
    const source = await this.#source(job)
    const { facts } = await this.#parts.pools.facts(op, source.poolId)
    return facts.points.find(({ id, sourceId }) => id === pointIdOf(job) && sourceId === source.id)
  }

  async ended(records: Records, job: Job, outcome: JobOutcome | undefined): Promise<void> {
    const source = await records.sources.find(job.sourceId ?? '')
    if (!source) return
    const atWork = source.state === 'creating' || source.state === 'verifying'
    const isOfState = this.type === 'replica-creation' || this.type === 'consistency-check'
    if (outcome) {
      const point = outcome.pointId === undefined ? undefined : await records.points.find(outcome.pointId)
      if (point) await records.sources.measured(source.id, { sizeBytes: point.bytes, files: point.files })
      if (atWork && isOfState) await applyEvent(records, source, 'succeed')
      return
    }
    if (!atWork || !isOfState) return
    const cause = this.type === 'replica-creation' ? 'creation-failed' : 'job-failed'
    await applyEvent(records, source, 'fail', { code: cause, jobId: job.id, message: job.error?.message ?? job.state })
  }

  async failedOnce(job: Job, error: PlainError): Promise<void> {
    // An interruption that mends itself is no news.
    if (job.attempts < 2 || error.code === 'JOB_INTERRUPTED') return
    await this.#raiseFailure(job, `${error.message}; it is tried again (${job.attempts} of ${job.attemptsAllowed})`)
  }

  async afterwards(job: Job): Promise<void> {
    this.#committed.delete(job.id)
    const { context, alerts, afterPoint, afterInconsistent } = this.#parts
    const source = await context.catalog.sources.find(job.sourceId ?? '')
    if (!source) return
    await this.#parts.followReplica(source.id)
    await alerts.resolve('job-overdue', source.id)
    await tellFindings(context, alerts, source, job)
    if (job.state === 'completed' || job.state === 'completed-with-warnings') {
      // A point holds what any of them would have brought.
      for (const name of ['recovery-point-failed', 'synchronisation-failed'] as const) await alerts.resolve(name, source.id)
      await afterPoint(source, job)
      return
    }
    if (job.state === 'failed') await this.#raiseFailure(job, job.error?.message ?? 'the job failed')
    if (source.state === 'inconsistent') await afterInconsistent(source, job)
  }

  async #raiseFailure(job: Job, message: string): Promise<void> {
    const source = await this.#parts.context.catalog.sources.find(job.sourceId ?? '')
    const name = FAILED[this.type]
    if (!source || name === undefined) return
    const details: JsonObject = { code: job.error?.code ?? '', hint: job.error?.hint ?? '', attempts: job.attempts }
    await this.#parts.alerts.raise(name, {
      id: source.id,
      name: source.name,
      message,
      details,
      jobId: job.id,
      groupId: source.groupId,
    })
  }
}

/**
 * A job makes one recovery point, which has the job's id: so the answer to a commit may be lost, with the server or the agent, and no second point is made.
 */
export const pointIdOf = (job: Pick<Job, 'id'>): string => job.id

function kindOf(job: Job): string {
  return job.isAdHoc && job.type === 'recovery-point' ? ON_DEMAND_POINT : POINT_KINDS[job.type as BackupType]
}

function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined
}
