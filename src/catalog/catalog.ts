/**
 * The catalog: what the control plane remembers, in one SQLite file. Of two kinds. Configuration and history (settings, accounts, agents, groups,
 * pools, jobs, alerts, audit) are only here, and are copied with `backupTo`. What is about the store (recovery points, sizes) is a cache: it is
 * written after the store is durable, and rebuild.ts makes it again from there.
 */
import { backup } from 'node:sqlite'
import type { Kysely } from 'kysely'
import type { Operation } from '../base/operation.ts'
import { openSqlite, transact } from '../sqlite/index.ts'
import { Accounts } from './accounts.ts'
import { Agents } from './agents.ts'
import { Alerts } from './alerts.ts'
import { ApiTokens } from './api-tokens.ts'
import { Approvals } from './approvals.ts'
import { Audit } from './audit.ts'
import { Channels, Deliveries } from './channels.ts'
import type { CatalogContext } from './context.ts'
import { DataSources } from './data-sources.ts'
import { Deletions } from './deletions.ts'
import { EnrolmentTokens } from './enrolment-tokens.ts'
import { Groups } from './groups.ts'
import { Idempotency } from './idempotency.ts'
import { JobLog } from './job-log.ts'
import { Jobs } from './jobs.ts'
import { Limits } from './limits.ts'
import { migrations } from './migrations.ts'
import { Pools } from './pools.ts'
import { StoreMirror } from './rebuild.ts'
import { RecoveryPoints } from './recovery-points.ts'
import { Sessions } from './sessions.ts'
import { Settings } from './settings.ts'
import { Setup } from './setup.ts'
import type { Tables } from './tables.ts'

export interface Records {
  readonly settings: Settings
  readonly setup: Setup
  readonly accounts: Accounts
  readonly sessions: Sessions
  readonly apiTokens: ApiTokens
  readonly enrolmentTokens: EnrolmentTokens
  readonly agents: Agents
  readonly groups: Groups
  readonly sources: DataSources
  readonly pools: Pools
  readonly points: RecoveryPoints
  readonly deletions: Deletions
  readonly jobs: Jobs
  readonly jobLog: JobLog
  readonly alerts: Alerts
  readonly channels: Channels
  readonly deliveries: Deliveries
  readonly approvals: Approvals
  readonly audit: Audit
  readonly limits: Limits
  readonly idempotency: Idempotency
  /** The cache, against the store. */
  readonly mirror: StoreMirror
}

/**
 * A query is answered at once, on this thread, in some tenths of a millisecond, a commit included. So who asks hundreds of them in a row lets others
 * have their turn in between (`letOthersRun`): awaiting a query alone does not.
 */
export interface Catalog extends Records {
  /**
   * All of it or nothing. There is one connection, and everybody else waits meanwhile: `work` awaits nothing but the records that it is given;
   * to await those of the catalog in it would wait forever.
   */
  transaction<T>(work: (records: Records) => Promise<T>): Promise<T>
  /** A whole copy as of one moment, made while others go on. Over what is at `path`. */
  backupTo(path: string): Promise<void>
  close(): Promise<void>
}

/** DATABASE_INVALID when it is damaged, DATABASE_NEWER when a newer Terp has changed it. */
export async function openCatalog(op: Pick<Operation, 'clock' | 'random'>, path: string): Promise<Catalog> {
  const { database, connection } = await openSqlite<Tables>({ path, migrations, isChecked: true })
  const { clock, random } = op
  const on = (db: Kysely<Tables>) => recordsOn({ db, clock, random })
  return {
    ...on(database),
    transaction: (work) => transact(database, (transaction) => work(on(transaction))),
    backupTo: async (copy) => {
      await backup(connection, copy)
    },
    close: () => database.destroy(),
  }
}

function recordsOn(context: CatalogContext): Records {
  return {
    settings: new Settings(context),
    setup: new Setup(context),
    accounts: new Accounts(context),
    sessions: new Sessions(context),
    apiTokens: new ApiTokens(context),
    enrolmentTokens: new EnrolmentTokens(context),
    agents: new Agents(context),
    groups: new Groups(context),
    sources: new DataSources(context),
    pools: new Pools(context),
    points: new RecoveryPoints(context),
    deletions: new Deletions(context),
    jobs: new Jobs(context),
    jobLog: new JobLog(context),
    alerts: new Alerts(context),
    channels: new Channels(context),
    deliveries: new Deliveries(context),
    approvals: new Approvals(context),
    audit: new Audit(context),
    limits: new Limits(context),
    idempotency: new Idempotency(context),
    mirror: new StoreMirror(context),
  }
}
