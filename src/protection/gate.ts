/**
 * The gate (§10.1–10.3, S-100…S-113): what may run, given the link to the vault and the state of the subscription. Every job asks it. That
 * local backups stop too when the cloud has been lost for too long surprises people, so the countdown begins on the first day.
 */
import { DAY_MS, HOUR_MS } from './limits.ts'
import { type Refusal, refuse, warn } from './refusal.ts'

/** `none`: no vault is registered, so there is nothing that could expire. */
export type Subscription = 'active' | 'expired' | 'deprovisioned' | 'none'
export type Connection = 'connected' | 'disconnected-grace' | 'disconnected-long' | 'unregistered'
export const GATED = ['backupCloud', 'backupDisk', 'restoreCloud', 'restoreDisk'] as const
export type Gated = (typeof GATED)[number]

export interface GateFacts {
  /** The last time the vault answered; registration counts. */
  readonly lastContactMs: number | null
  /** Whether the last attempt got an answer. Where it is left out, a contact within the last hour means yes. */
  readonly isReachable?: boolean
  /** As the vault said at the last contact. */
  readonly subscription: Subscription
  readonly nowMs: number
  /** `keep-local`: a lost link never stops backups to disk. A subscription that is not active always does. */
  readonly offlinePolicy: 'stop-all' | 'keep-local'
  readonly graceDays?: number
}

export type Verdict =
  | { readonly isAllowed: true /** What will stand in the way all the same. */; readonly warning?: Refusal }
  | { readonly isAllowed: false; readonly refusal: Refusal }

export interface Countdown {
  /** When backups stop, or stopped. */
  readonly endsMs: number
  readonly remainingMs: number
  readonly urgency: 'warning' | 'urgent' | 'over'
  readonly message: string
}

export interface Gate extends Readonly<Record<Gated, Verdict>> {
  readonly connection: Connection
  readonly subscription: Subscription
  /** What `Get-DPMCloudConnection` prints. */
  readonly isConnected: boolean
  /** Present while the link is lost. */
  readonly countdown?: Countdown
}

export const GRACE_DAYS = 15
const URGENT_MS = 3 * DAY_MS
const FRESH_MS = HOUR_MS

export function connectionOf(facts: GateFacts): Connection {
  const { lastContactMs, nowMs } = facts
  if (facts.subscription === 'none' || lastContactMs === null) return 'unregistered'
  // A clock that was set back makes contact look like the future: that is no lost time.
  const lostMs = Math.max(0, nowMs - lastContactMs)
  if (facts.isReachable ?? lostMs <= FRESH_MS) return 'connected'
  return lostMs > graceMs(facts) ? 'disconnected-long' : 'disconnected-grace'
}

const graceMs = (facts: GateFacts) => (facts.graceDays ?? GRACE_DAYS) * DAY_MS

const ALLOWED: Verdict = { isAllowed: true }
const refused = (refusal: Refusal): Verdict => ({ isAllowed: false, refusal })

export function gate(facts: GateFacts): Gate {
  const connection = connectionOf(facts)
  const countdown = countdownOf(facts, connection)
  const state = {
    connection,
    subscription: facts.subscription,
    isConnected: connection === 'connected',
    ...(countdown === undefined ? {} : { countdown }),
  }
  if (connection === 'unregistered') {
    const verdict = refused(refuse('CLOUD_NOT_REGISTERED', 'the server is not registered with a vault'))
    return { ...state, backupCloud: verdict, backupDisk: ALLOWED, restoreCloud: verdict, restoreDisk: ALLOWED }
  }
  // S-102, S-105: the link does not matter.
  if (facts.subscription === 'deprovisioned') {
    const verdict = refused(refuse('SUBSCRIPTION_DEPROVISIONED', 'the subscription of the vault was ended, and what it held is gone'))
    return { ...state, backupCloud: verdict, backupDisk: verdict, restoreCloud: verdict, restoreDisk: verdict }
  }
  // S-107: nothing forbids a restore from a vault out of reach; it will only succeed once the link is back.
  const attempted: Verdict =
    connection === 'connected' ? ALLOWED : { isAllowed: true, warning: warn('CLOUD_UNREACHABLE', 'the vault is out of reach') }
  const restores = { restoreCloud: attempted, restoreDisk: ALLOWED }
  if (facts.subscription === 'expired') {
    const verdict = refused(refuse('SUBSCRIPTION_EXPIRED', 'the subscription of the vault has expired'))
    return { ...state, ...restores, backupCloud: verdict, backupDisk: verdict }
  }
  if (connection === 'disconnected-long') {
    const why = `the vault has been out of reach for more than ${facts.graceDays ?? GRACE_DAYS} days`
    const verdict = refused(refuse('CLOUD_DISCONNECTED_TOO_LONG', why))
    const disk: Verdict =
      facts.offlinePolicy === 'keep-local' ? { isAllowed: true, warning: warn('CLOUD_DISCONNECTED_TOO_LONG', why) } : verdict
    return { ...state, ...restores, backupCloud: verdict, backupDisk: disk }
  }
  // S-106: in the grace, jobs towards the vault are tried, and fail with "no connection".
  return { ...state, ...restores, backupCloud: attempted, backupDisk: ALLOWED }
}

function countdownOf(facts: GateFacts, connection: Connection): Countdown | undefined {
  if (facts.lastContactMs === null || (connection !== 'disconnected-grace' && connection !== 'disconnected-long')) return undefined
  const endsMs = facts.lastContactMs + graceMs(facts)
  const remainingMs = Math.max(0, endsMs - facts.nowMs)
  const since = `the vault has been out of reach for ${duration(Math.max(0, facts.nowMs - facts.lastContactMs), Math.floor)}`
  if (connection === 'disconnected-long') {
    const what = facts.offlinePolicy === 'keep-local' ? 'backups to disk go on, as the offline policy says' : 'all backups have stopped'
    return { endsMs, remainingMs, urgency: 'over', message: `${since}: ${what}` }
  }
  const what = facts.offlinePolicy === 'keep-local' ? 'backups to the vault are refused' : 'all backups stop, to disk too,'
  const left = duration(remainingMs, Math.ceil)
  return { endsMs, remainingMs, urgency: remainingMs <= URGENT_MS ? 'urgent' : 'warning', message: `${since}: ${what} in ${left}` }
}

/** Days are never rounded up: nobody is to be told of a day more than is left. */
function duration(ms: number, roundHours: (hours: number) => number): string {
  const days = Math.floor(ms / DAY_MS)
  if (days === 0) return `${roundHours(ms / HOUR_MS)} h`
  return days === 1 ? '1 day' : `${days} days`
}

/** §10.2. `purgesVault`: on entry, once, all points in the vault are gone for good. */
const SUBSCRIPTION_CHANGES: Readonly<Record<string, { readonly purgesVault: boolean }>> = {
  'none active': { purgesVault: false },
  'active expired': { purgesVault: false },
  'expired active': { purgesVault: false },
  'active deprovisioned': { purgesVault: true },
  'expired deprovisioned': { purgesVault: true },
  'deprovisioned active': { purgesVault: false },
}

export type SubscriptionChange =
  | { readonly isLegal: true; readonly purgesVault: boolean }
  | { readonly isLegal: false; readonly refusal: Refusal }

/** To stay as it is, is legal and does nothing. */
export function changeSubscription(from: Subscription, to: Subscription): SubscriptionChange {
  if (from === to) return { isLegal: true, purgesVault: false }
  const change = SUBSCRIPTION_CHANGES[`${from} ${to}`]
  if (change !== undefined) return { isLegal: true, ...change }
  return { isLegal: false, refusal: refuse('STATE_TRANSITION_ILLEGAL', `a subscription that is ${from} can not become ${to}`) }
}
