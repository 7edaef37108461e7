/** Alerts by kind (§5.4). Numbers and meanings are the domain's, severities are ours. */
import { ALERT_ADVICE } from './alert-advice.ts'
import { DAY_MS } from './limits.ts'

export type Severity = 'critical' | 'warning' | 'informational'
/** What an alert is about: one is active per kind and subject. */
export type AlertSubject = 'data-source' | 'agent' | 'volume' | 'group' | 'recovery' | 'server'

export interface AlertKind {
  readonly domainCode: number | null
  readonly severity: Severity
  readonly subject: AlertSubject
  readonly meaning: string
  /** What makes it go away by itself; null where a person inactivates it, or where it fades. */
  readonly resolvedBy: string | null
  /** Where it goes away by time alone. */
  readonly fadesAfterMs?: number
}

const kind = (
  domainCode: number | null,
  severity: Severity,
  subject: AlertSubject,
  meaning: string,
  resolvedBy: string | null,
  fadesAfterDays?: number,
): AlertKind => ({
  domainCode,
  severity,
  subject,
  meaning,
  resolvedBy,
  ...(fadesAfterDays === undefined ? {} : { fadesAfterMs: fadesAfterDays * DAY_MS }),
})

export const ALERT_KINDS = {
  'replica-usage': kind(3100, 'warning', 'data-source', 'replica disk usage over threshold', 'usage below the threshold'),
  'replica-missing': kind(3101, 'critical', 'data-source', 'replica or its volume missing', 'replica there again'),
  'catalog-failed': kind(3103, 'warning', 'server', 'catalog could not be written', 'next catalog that is written'),
  'workload-catalog-failed': kind(3133, 'warning', 'data-source', 'catalogue of the items in a recovery point failed', 'next catalogue'),
  'metadata-failed': kind(3134, 'warning', 'server', 'metadata could not be saved', 'next upload'),
  'replica-verifying': kind(3104, 'warning', 'data-source', 'replica inconsistent, verification running', 'end of the check'),
  'replica-creating': kind(3105, 'informational', 'data-source', 'replica creation in progress', 'end of the creation'),
  'replica-inconsistent': kind(3106, 'critical', 'data-source', 'replica is inconsistent', 'consistency check that succeeds'),
  'agent-owned-by-other': kind(3107, 'warning', 'agent', 'agent is owned by another server', 'agent back here'),
  'recovery-running': kind(3109, 'informational', 'recovery', 'recovery in progress', 'end of the recovery'),
  'recovery-partial': kind(3110, 'warning', 'recovery', 'recovery left something out', null),
  'recovery-failed': kind(3111, 'critical', 'recovery', 'recovery failed', 'recovery that succeeds'),
  'recovery-succeeded': kind(3112, 'informational', 'recovery', 'recovery succeeded', null, 3),
  'recovery-point-failed': kind(3114, 'critical', 'data-source', 'recovery point on disk failed', 'next recovery point'),
  'synchronisation-failed': kind(3115, 'warning', 'data-source', 'synchronisation failed', 'next synchronisation'),
  'stop-protection-failed': kind(3116, 'warning', 'data-source', 'stopping protection failed', 'protection stopped'),
  'new-computers': kind(3117, 'informational', 'server', 'new computers found', null, 7),
  'manual-replica-pending': kind(3118, 'informational', 'data-source', 'manual replica creation pending', 'data copied and checked'),
  'replica-scheduled': kind(3119, 'informational', 'data-source', 'replica creation scheduled', 'begin of the creation'),
  'disk-missing': kind(3120, 'critical', 'volume', 'disk missing', 'disk there again'),
  'agent-incompatible': kind(3121, 'warning', 'agent', 'agent is too old or too new', 'agent with a fitting version'),
  'agent-unreachable': kind(3122, 'critical', 'agent', 'agent is unreachable', 'next contact'),
  'throttling-failed': kind(3124, 'warning', 'agent', 'throttling does not work', 'throttling at work'),
  'unsupported-files': kind(3125, 'warning', 'data-source', 'files that can not be protected were found', 'next backup without any'),
  'share-path-changed': kind(3126, 'warning', 'data-source', 'path of a share changed', 'members that fit again'),
  'job-overdue': kind(3151, 'warning', 'data-source', 'job not finished in time', 'end of the job'),
  'job-not-started': kind(3170, 'warning', 'data-source', 'job could not start', 'next job of this kind that starts'),
  'new-data-source': kind(3154, 'warning', 'agent', 'new data source found', 'source protected'),
  'missing-data-source': kind(3155, 'warning', 'data-source', 'data source is gone', 'source there again'),
  'catalog-size': kind(3168, 'warning', 'server', 'catalog is large', 'catalog below the threshold'),
  'point-volume-threshold': kind(3169, 'warning', 'volume', 'space for recovery points over 90 %', 'usage below the threshold'),
  'consolidation-failed': kind(3178, 'warning', 'volume', 'consolidation of recovery points failed', 'next that succeeds'),
  'agent-takeover': kind(3180, 'warning', 'agent', 'another server wants the agent', 'agent back here'),
  'clients-not-synchronised': kind(3181, 'warning', 'group', 'clients have not been synchronised', 'next synchronisation'),
  'sla-missed': kind(3183, 'warning', 'data-source', 'no recovery point within the SLA', 'point within the SLA'),
  'online-sla-missed': kind(33442, 'warning', 'data-source', 'no recovery point in the vault within the SLA', 'point within the SLA'),
  'online-point-failed': kind(3187, 'critical', 'data-source', 'recovery point in the vault failed', 'next online point'),
  'online-creation-failed': kind(3188, 'critical', 'data-source', 'first copy to the vault failed', 'first copy'),
  'online-point-skipped': kind(3189, 'warning', 'data-source', 'online points are skipped: no new point on disk', 'next online point'),
  'online-point-already-there': kind(3190, 'informational', 'data-source', 'newest point is in the vault already', 'next online point'),
  'cloud-unreachable': kind(33411, 'critical', 'server', 'vault can not be reached', 'next contact'),
  'policy-out-of-sync': kind(33413, 'warning', 'group', 'vault does not know the latest policy', 'policy accepted'),
  'online-files-failed': kind(33415, 'warning', 'data-source', 'some files failed online', 'next online point without any'),
  'seed-waiting-for-data': kind(33473, 'informational', 'data-source', 'offline seed waits for its data', 'data copied'),
  'seed-waiting-for-transport': kind(33474, 'informational', 'data-source', 'offline seed waits for its transport', 'data at the vault'),
  'seed-waiting-for-import': kind(33475, 'warning', 'data-source', 'offline seed waits for its import', 'seed imported'),
  'snapshot-failed': kind(33505, 'warning', 'data-source', 'snapshot of the source failed', 'next snapshot'),
  'pool-volume-threshold': kind(33514, 'warning', 'volume', 'pool volume over its threshold', 'usage below the threshold'),
  'pool-volume-full': kind(33515, 'critical', 'volume', 'pool volume is full', 'room on the volume'),
  'pool-volume-missing': kind(33518, 'critical', 'volume', 'pool volume is missing', 'volume there again'),
  // What the domain's model has no number for.
  'no-good-point': kind(
    null,
    'critical',
    'data-source',
    'no good recovery point within the SLA, seen by the watchdog',
    'good point within the SLA',
  ),
  'expiry-needs-person': kind(null, 'warning', 'data-source', 'retention wants to give up unusually much', 'answer of a person'),
  'clock-jumped': kind(null, 'critical', 'server', 'clock jumped; nothing is deleted', 'answer of a person'),
  'point-damaged': kind(null, 'critical', 'data-source', 'recovery point is damaged', 'verification without findings'),
  'subscription-not-active': kind(null, 'critical', 'server', 'subscription of the vault is not active', 'subscription active'),
} as const satisfies Record<string, AlertKind>

export type AlertKindName = keyof typeof ALERT_KINDS
export const ALERT_KIND_NAMES = Object.keys(ALERT_KINDS) as AlertKindName[]

/** How long the view shows what is over. */
export const ALERT_HISTORY_MS = 30 * DAY_MS
/** What a person's "inactivate" leaves in the history: the source counts as OK although nothing was fixed. */
export const INACTIVATED_DOMAIN_CODE = 3610

export const alertKindOf = (name: AlertKindName): AlertKind => ALERT_KINDS[name]

const ADVICE: Readonly<Record<AlertKindName, string>> = ALERT_ADVICE

/** What to do, for people. */
export const alertAdviceOf = (name: AlertKindName): string => ADVICE[name]

export interface AlertTimes {
  readonly kind: AlertKindName
  readonly raisedMs: number
  /** When it became inactive. */
  readonly endedMs?: number
}

/** An active alert whose kind goes away by time alone. */
export function hasFaded(alert: AlertTimes, nowMs: number): boolean {
  const { fadesAfterMs } = alertKindOf(alert.kind)
  return alert.endedMs === undefined && fadesAfterMs !== undefined && nowMs - alert.raisedMs >= fadesAfterMs
}

export function isInHistory(alert: AlertTimes, nowMs: number): boolean {
  return alert.endedMs === undefined || nowMs - alert.endedMs < ALERT_HISTORY_MS
}
