/** What notifications say, for people. */
import type { JsonObject } from '../../catalog/index.ts'

/** Several alerts in one message. */
export const DIGEST = 'digest'
/** To who asked for it when a recovery was started. */
export const RECOVERY_ENDED = 'recovery.ended'

export interface Letter {
  readonly subject: string
  readonly text: string
}

interface News {
  readonly event: string
  readonly payload: JsonObject
}

/** `alerts`: the first of them, each with what happened to it; `more`: how many are left out. */
export function digestOf(news: readonly News[], most: number): JsonObject {
  return {
    alerts: news.slice(0, most).map(({ event, payload }) => ({ event, alert: payload })),
    count: news.length,
    more: Math.max(0, news.length - most),
  }
}

export function letterOf(event: string, payload: JsonObject): Letter {
  const letter = LETTERS[event]?.(payload) ?? alertLetter(event, payload)
  // A name from elsewhere must not write headers.
  return { subject: `Terp: ${letter.subject}`.replace(/[\r\n]+/g, ' ').slice(0, 200), text: letter.text }
}

const LETTERS: Readonly<Record<string, (payload: JsonObject) => Letter>> = {
  test: () => ({ subject: 'test message', text: 'This channel of notification works.\n' }),
  [DIGEST]: digestLetter,
  [RECOVERY_ENDED]: recoveryLetter,
}

const line = (payload: JsonObject, name: string) => (payload[name] === undefined || payload[name] === null ? '' : String(payload[name]))

function alertLetter(event: string, payload: JsonObject): Letter {
  const isOver = event === 'alert.resolved'
  const what = isOver ? 'resolved' : line(payload, 'severity')
  const number = line(payload, 'domainCode') === '' ? '' : ` (DPM ${line(payload, 'domainCode')})`
  const about = line(payload, 'subjectName')
  const text = [
    `${line(payload, 'message')}`,
    '',
    `About:  ${about}`,
    `Alert:  ${line(payload, 'code')}${number}`,
    `Since:  ${line(payload, 'raised')}`,
    ...(isOver ? [`Until:  ${line(payload, 'ended')}`] : [`To do:  ${line(payload, 'hint')}`]),
    '',
  ].join('\n')
  return { subject: `${what}: ${about}: ${line(payload, 'message')}`, text }
}

function digestLetter(payload: JsonObject): Letter {
  const alerts = (Array.isArray(payload.alerts) ? payload.alerts : []) as unknown as readonly { event: string; alert: JsonObject }[]
  const raised = alerts.filter(({ event }) => event !== 'alert.resolved')
  const isWorse = raised.some(({ alert }) => alert.severity === 'critical')
  const lines = alerts.map(({ event, alert }) => {
    const what = event === 'alert.resolved' ? 'resolved' : line(alert, 'severity')
    return `${what.padEnd(13)} ${line(alert, 'subjectName')}: ${line(alert, 'message')}`.replace(/[\r\n]+/g, ' ')
  })
  const more = Number(payload.more ?? 0)
  const count = Number(payload.count ?? alerts.length)
  return {
    subject: `${isWorse ? 'critical' : 'news'}: ${count} alerts`,
    text: [...lines, ...(more > 0 ? [`… and ${more} more: \`terp alert list\``] : []), ''].join('\n'),
  }
}

function recoveryLetter(payload: JsonObject): Letter {
  const text = [
    `The recovery ${line(payload, 'outcome')}.`,
    '',
    `Data source: ${line(payload, 'source')}`,
    `To:          ${line(payload, 'agent')}:${line(payload, 'target')}`,
    `Started:     ${line(payload, 'started')}`,
    `Ended:       ${line(payload, 'finished')}`,
    `Restored:    ${line(payload, 'files')} files, ${line(payload, 'bytes')} bytes`,
    ...(line(payload, 'problem') === '' ? [] : [`Problem:     ${line(payload, 'problem')}`]),
    `Job:         ${line(payload, 'job')}`,
    '',
  ].join('\n')
  return { subject: `recovery ${line(payload, 'outcome')}: ${line(payload, 'source')}`, text }
}
