/** The reasons of a plan in words, for `why-kept` and `why-expired`. */
import { formatLocal } from '../calendar/civil.ts'
import { openZone } from '../calendar/zone.ts'
import type { ExpireWhy, ExpiringPoint, KeepReason, KeptPoint } from './types.ts'

export function explainKept(kept: KeptPoint, timeZone: string): string[] {
  return kept.reasons.map((reason) => sentenceOf(reason, timeZone))
}

function sentenceOf(reason: KeepReason, timeZone: string): string {
  const at = (ms: number) => formatLocal(openZone(timeZone).toLocal(ms))
  switch (reason.kind) {
    case 'short-term':
      return `within the retention range until ${at(reason.untilMs)}`
    case 'row':
      return `${reason.row} point of ${at(reason.slotMs)}, kept until ${at(reason.untilMs)}`
    case 'on-demand':
      return `made on demand, kept until ${at(reason.untilMs)}`
    case 'floor':
      return `the vault's security features keep it until ${at(reason.untilMs)}`
    case 'pinned':
      return reason.untilMs === undefined ? 'pinned' : `pinned until ${at(reason.untilMs)}`
    case 'legal-hold':
      return 'on legal hold'
    case 'last-good':
      return reason.rank === 1 ? 'the newest good point' : `the ${ordinal(reason.rank)} newest good point; the last good ones never go`
    case 'replica-inconsistent':
      return `nothing goes while the replica is inconsistent, since ${at(reason.sinceMs)}`
    case 'needed-by':
      return `needed by the point ${reason.pointId}`
    case 'no-policy':
      return 'no policy says how long it is kept'
  }
}

const ordinal = (n: number) => (n === 2 ? 'second' : n === 3 ? 'third' : `${n}th`)

export function explainExpired(expiring: ExpiringPoint, timeZone: string): string {
  return explainWhy(expiring.why, timeZone)
}

export function explainWhy(why: ExpireWhy, timeZone: string): string {
  switch (why.kind) {
    case 'range-over':
      return `its last range was over at ${formatLocal(openZone(timeZone).toLocal(why.sinceMs))}`
    case 'no-row':
      return 'no row of the policy asks for it: its time is not that of a row, or the slot has an earlier point'
    case 'over-cap':
      return `more than ${why.maxPoints} points are not kept; it was among the oldest that nothing else holds`
  }
}
