/** What retention looks at, and what it answers. Times are the server's own, never an agent's. */
import type { OnlineRetention } from '../group/shape.ts'

export interface RetainedPoint {
  readonly id: string
  /** When it came to be in this copy, by the server's clock. */
  readonly createdMs: number
  /** Committed, and not known to be damaged. Only good points carry long-term tags and count among the last. */
  readonly isGood: boolean
  /** Made on demand, outside any schedule. */
  readonly isOnDemand?: boolean
  /** The point that has to be kept as long as this one, as the express full of an increment. */
  readonly dependsOn?: string
  readonly isPinned?: boolean
  /** A pin that ends by itself. */
  readonly pinnedUntilMs?: number
  readonly hasLegalHold?: boolean
}

/** For the points of one source in one copy: a range for disk, rows for the vault. Both together keep what either keeps. */
export interface RetentionPolicy {
  readonly timeZone: string
  readonly shortTermDays?: number
  readonly online?: OnlineRetention
  /** Security features of the vault: no point leaves before 7 days, and rows keep at least 4 weeks, 3 months and 1 year. */
  readonly hasFloors?: boolean
  /** At most so many points; the oldest that nothing else holds go first. */
  readonly maxPoints?: number
  /** The last good ones of a source never go. */
  readonly keepLastGood?: number
  /** More than this share at once needs a person. */
  readonly maxShareAtOnce?: number
}

export interface RetentionContext {
  readonly nowMs: number
  /** When the replica was not what its source was. Such time doesn't count; while it lasts (no end), nothing goes. */
  readonly inconsistencies?: readonly { readonly fromMs: number; readonly toMs?: number }[]
  /** When retention last ran. As many points as came since may go without asking anybody. */
  readonly lastRunMs?: number
}

export type Row = 'daily' | 'weekly' | 'monthly' | 'yearly'

export type KeepReason =
  | { readonly kind: 'short-term'; readonly untilMs: number }
  /** The tag of a slot of the schedule; `slotMs` is earlier than the point where the slot's own backup was missed. */
  | { readonly kind: 'row'; readonly row: Row; readonly slotMs: number; readonly untilMs: number }
  | { readonly kind: 'on-demand'; readonly untilMs: number }
  | { readonly kind: 'floor'; readonly untilMs: number }
  | { readonly kind: 'pinned'; readonly untilMs?: number }
  | { readonly kind: 'legal-hold' }
  | { readonly kind: 'last-good' /** 1 is the newest. */; readonly rank: number }
  | { readonly kind: 'replica-inconsistent'; readonly sinceMs: number }
  | { readonly kind: 'needed-by'; readonly pointId: string }
  /** No policy says how long: nothing goes. */
  | { readonly kind: 'no-policy' }

export type ExpireWhy =
  | { readonly kind: 'range-over'; readonly sinceMs: number }
  /** A scheduled point that no row of the policy asks for. */
  | { readonly kind: 'no-row' }
  | { readonly kind: 'over-cap'; readonly maxPoints: number }

export interface KeptPoint<P extends RetainedPoint = RetainedPoint> {
  readonly point: P
  readonly reasons: readonly KeepReason[]
  /** When the policy lets it go, as far as time alone decides; undefined where something else holds it. */
  readonly expiresMs: number | undefined
}

export interface ExpiringPoint<P extends RetainedPoint = RetainedPoint> {
  readonly point: P
  readonly why: ExpireWhy
}

export interface RetentionPlan<P extends RetainedPoint = RetainedPoint> {
  /** Oldest first. */
  readonly keep: readonly KeptPoint<P>[]
  readonly expire: readonly ExpiringPoint<P>[]
  /** Present where nothing may go before a person has looked at it. */
  readonly needsPerson?: { readonly share: number; readonly maxShare: number }
}
