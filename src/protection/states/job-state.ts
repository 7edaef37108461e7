/** Jobs (§5.1, §5.2, §10.10): their types, states, and which two can not run on one replica or one agent at the same time. */
import type { ProtectionCode } from '../errors.ts'
import { DAY_MS } from '../limits.ts'
import { type Refusal, refuse } from '../refusal.ts'
import type { Machine } from './machine.ts'

/** What a job keeps busy. `replica`: no other may touch it. `read`: others that read may run beside it. */
export const JOB_TYPES = {
  'replica-creation': { name: 'Replica creation', alias: 'InitialReplication', holds: 'replica', busy: 'REPLICA_BUSY_CREATION' },
  /** Of data that was brought by hand. */
  'replica-load': { name: 'Manual replica creation', alias: null, holds: 'replica', busy: 'REPLICA_BUSY_CREATION' },
  synchronisation: { name: 'Synchronization', alias: 'Replication', holds: 'replica', busy: 'REPLICA_BUSY_SYNCHRONISATION' },
  'recovery-point': { name: 'Recovery point', alias: 'ShadowCopy', holds: 'replica', busy: 'REPLICA_BUSY_RECOVERY_POINT' },
  /** Of what the replica is already, without asking its source. */
  'point-of-replica': { name: 'Recovery point of the replica', alias: 'ShadowCopy', holds: 'replica', busy: 'REPLICA_BUSY_RECOVERY_POINT' },
  'consistency-check': { name: 'Consistency check', alias: 'Validation', holds: 'replica', busy: 'REPLICA_BUSY_CONSISTENCY_CHECK' },
  'online-point': { name: 'Online recovery point', alias: 'CloudBackup', holds: 'replica', busy: 'AGENT_BUSY_BACKUP' },
  recovery: { name: 'Disk recovery', alias: 'Recovery', holds: 'replica', busy: 'REPLICA_BUSY_RECOVERY' },
  'online-recovery': { name: 'Online recovery', alias: 'CloudToStagingAreaRestore', holds: 'replica', busy: 'REPLICA_BUSY_RECOVERY' },
  'staging-recovery': { name: 'Recovery from staging', alias: 'StagingAreaToPsRecovery', holds: 'replica', busy: 'REPLICA_BUSY_RECOVERY' },
  'online-recatalog': { name: 'Online recatalog', alias: 'OnlineRecatalog', holds: 'nothing', busy: null },
  'stop-protection': { name: 'Stop protection', alias: null, holds: 'replica', busy: 'REPLICA_BUSY_STOP' },
  'delete-replica': { name: 'Replica deletion', alias: null, holds: 'replica', busy: 'REPLICA_BUSY_DELETION' },
  'move-data-source': { name: 'Move disk storage', alias: 'CopyDataFromVolume', holds: 'replica', busy: 'AGENT_BUSY' },
  'verify-point': { name: 'Recovery point verification', alias: 'Verification', holds: 'nothing', busy: null },
  'test-restore': { name: 'Test restore', alias: null, holds: 'nothing', busy: null },
  discovery: { name: 'Auto-discovery', alias: null, holds: 'nothing', busy: null },
  'expire-points': { name: 'Recovery point expiry', alias: null, holds: 'nothing', busy: null },
  prune: { name: 'Pruning', alias: null, holds: 'nothing', busy: null },
  'metadata-upload': { name: 'Metadata upload', alias: null, holds: 'nothing', busy: null },
  'catalog-check': { name: 'Catalog self-check', alias: null, holds: 'nothing', busy: null },
  'catalog-backup': { name: 'Catalog backup', alias: null, holds: 'nothing', busy: null },
  'pool-verify': { name: 'Pool verification', alias: null, holds: 'nothing', busy: null },
  'agent-update': { name: 'Agent update', alias: null, holds: 'nothing', busy: null },
} as const satisfies Record<string, JobTypeFacts>

interface JobTypeFacts {
  /** In a console. */
  readonly name: string
  /** What `Get-DPMJob -Type` calls it. */
  readonly alias: string | null
  readonly holds: 'replica' | 'nothing'
  /** The code that another job gets while this one runs. */
  readonly busy: ProtectionCode | null
}

export type JobType = keyof typeof JOB_TYPES
export const JOB_TYPE_NAMES = Object.keys(JOB_TYPES) as JobType[]

export type JobState = 'scheduled' | 'queued' | 'in-progress' | 'completed' | 'completed-with-warnings' | 'failed' | 'cancelled'
export type JobEvent = 'queue' | 'start' | 'complete' | 'complete-with-warnings' | 'fail' | 'cancel' | 'requeue'

/** `requeue`: the server was restarted, or a retry is due after a back-off. */
export const jobMachine: Machine<JobState, JobEvent> = {
  name: 'a job',
  initial: 'scheduled',
  table: {
    scheduled: { queue: 'queued', cancel: 'cancelled' },
    queued: { start: 'in-progress', fail: 'failed', cancel: 'cancelled' },
    'in-progress': {
      complete: 'completed',
      'complete-with-warnings': 'completed-with-warnings',
      fail: 'failed',
      cancel: 'cancelled',
      requeue: 'queued',
    },
    completed: {},
    'completed-with-warnings': {},
    failed: {},
    cancelled: {},
  },
}

export const isJobOver = (state: JobState): boolean =>
  state === 'completed' || state === 'completed-with-warnings' || state === 'failed' || state === 'cancelled'

/** An online job that has been running for longer has failed (§5.2). */
export const STUCK_ONLINE_MS = 30 * DAY_MS
/** Online jobs that run at the same time. */
export const PARALLEL_ONLINE_JOBS = { default: 8, most: 20 } as const

const ONLINE: readonly JobType[] = ['online-point', 'online-recovery']

export function isStuck(job: { readonly type: JobType; readonly startedMs: number }, nowMs: number): boolean {
  return ONLINE.includes(job.type) && nowMs - job.startedMs > STUCK_ONLINE_MS
}

export interface RunningJob {
  readonly id: string
  readonly type: JobType
  /** Absent where it concerns no data source. */
  readonly dataSourceId?: string
  readonly agentId?: string
  /** An application that allows nothing beside this on its machine. */
  readonly isExclusiveOnAgent?: boolean
}

/**
 * The one operation per replica rule (95–101, 113–116): why a job can't start beside those that run, or undefined where it can. Every job but
 * the one for deletion is tried again later.
 */
export function findConflict(
  job: Omit<RunningJob, 'id'>,
  running: readonly RunningJob[],
): { refusal: Refusal; by: RunningJob } | undefined {
  for (const other of running) {
    if (job.dataSourceId !== undefined && other.dataSourceId === job.dataSourceId) {
      const facts: JobTypeFacts = JOB_TYPES[other.type]
      if (facts.holds !== 'replica' || JOB_TYPES[job.type].holds !== 'replica' || facts.busy === null) continue
      return { refusal: refuse(facts.busy, `"${facts.name}" is running on the replica`), by: other }
    }
    if (job.agentId !== undefined && other.agentId === job.agentId && (job.isExclusiveOnAgent || other.isExclusiveOnAgent)) {
      const name = JOB_TYPES[other.type].name
      return { refusal: refuse(agentCode(other.type), `"${name}" is running on the same machine, and can not run beside this`), by: other }
    }
  }
  return undefined
}

function agentCode(type: JobType): ProtectionCode {
  if (type === 'recovery' || type === 'online-recovery' || type === 'staging-recovery') return 'AGENT_BUSY_RECOVERY'
  if (type === 'synchronisation' || type === 'recovery-point' || type === 'replica-creation') return 'AGENT_BUSY_BACKUP'
  return 'AGENT_BUSY_EXCLUSIVE'
}

/** How long to wait before the next attempt: doubled each time up to `mostMs`, with up to a quarter more by `spread` (0 to 1). */
export function retryDelayMs(attempt: number, spread: number, options: { firstMs?: number; mostMs?: number } = {}): number {
  const { firstMs = 60_000, mostMs = 3_600_000 } = options
  const plain = Math.min(mostMs, firstMs * 2 ** Math.min(30, Math.max(0, attempt - 1)))
  return Math.round(plain * (1 + Math.min(1, Math.max(0, spread)) / 4))
}
