/** Alerts of §5.4: raised by what sees a condition, resolved by what sees its end, told to those who listen and to the channels of notification. */
import { toTimestamp } from '../../base/clock.ts'
import type { Alert, Catalog, JsonObject, Subject } from '../../catalog/index.ts'
import { ALERT_KINDS, type AlertKindName, type AlertSubject, alertAdviceOf, alertKindOf } from '../../protection/index.ts'
import type { ServerContext } from '../context.ts'

export interface Raised {
  /** Of what it is about; empty for the server. */
  readonly id: string
  readonly name: string
  /** What was seen. */
  readonly message: string
  readonly details?: JsonObject | undefined
  readonly jobId?: string | undefined
  readonly groupId?: string | undefined
}

const SUBJECTS: Readonly<Record<AlertSubject, Subject['kind']>> = {
  'data-source': 'data-source',
  agent: 'agent',
  volume: 'pool',
  group: 'group',
  recovery: 'recovery',
  server: 'server',
}

export class AlertDesk {
  readonly #context: ServerContext
  readonly #catalog: Catalog
  /** Something is to be sent. */
  onDelivery: () => void = () => {}

  constructor(context: ServerContext) {
    this.#context = context
    this.#catalog = context.catalog
  }

  async raise(name: AlertKindName, raised: Raised): Promise<void> {
    const { domainCode, severity, subject, fadesAfterMs } = alertKindOf(name)
    const { alert, isNew } = await this.#catalog.alerts.raise({
      code: name,
      severity,
      subject: { kind: SUBJECTS[subject], id: raised.id },
      subjectName: raised.name,
      message: raised.message,
      hint: alertAdviceOf(name),
      details: raised.details,
      jobId: raised.jobId,
      ...(domainCode !== null && { domainCode }),
      ...(fadesAfterMs !== undefined && { lifeMs: fadesAfterMs }),
    })
    this.#tell(alert, raised.groupId)
    if (isNew) await this.#notify('alert.raised', alert)
  }

  async resolve(name: AlertKindName, id: string): Promise<void> {
    const alert = await this.#catalog.alerts.resolve(name, { kind: SUBJECTS[ALERT_KINDS[name].subject], id })
    if (alert) await this.#ended(alert)
  }

  /** What it was about is gone. */
  async resolveAllOf(subject: Subject): Promise<void> {
    for (const alert of await this.#catalog.alerts.resolveAllOf(subject)) await this.#ended(alert)
  }

  /** News whose time is over. */
  async fade(): Promise<void> {
    for (const alert of await this.#catalog.alerts.expire()) this.#tell(alert, undefined)
  }

  /** A person puts it away, which mends nothing (3610). */
  async putAway(id: string, by: string): Promise<Alert> {
    const alert = await this.#catalog.alerts.putAway(id, by)
    this.#tell(alert, undefined)
    return alert
  }

  async #ended(alert: Alert): Promise<void> {
    this.#tell(alert, undefined)
    // That news is over is no news.
    if (alert.severity !== 'informational') await this.#notify('alert.resolved', alert)
  }

  async #notify(event: string, alert: Alert): Promise<void> {
    const channels = await this.#catalog.channels.all()
    const wanted = channels.filter(
      ({ kind, isEnabled, severities }) => kind !== 'heartbeat' && isEnabled && severities.includes(alert.severity),
    )
    if (wanted.length === 0) return
    const payload = describeAlert(alert)
    await this.#catalog.deliveries.add(wanted.map(({ id }) => ({ channelId: id, event, alertId: alert.id, payload })))
    this.onDelivery()
  }

  #tell(alert: Alert, groupId: string | undefined): void {
    this.#context.events.publish('alert', describeAlert(alert), groupId)
  }
}

/** As the API, the events and the channels say it. */
export function describeAlert(alert: Alert) {
  const { raisedMs, lastSeenMs, endedMs, expiresMs: _, subject, details, ...rest } = alert
  return {
    ...rest,
    subject: { ...subject },
    ...(details !== undefined && { details }),
    raised: toTimestamp(raisedMs),
    lastSeen: toTimestamp(lastSeenMs),
    ...(endedMs !== undefined && { ended: toTimestamp(endedMs) }),
  }
}
