/** Sends what waits to be sent, again with growing pauses where it fails, and gives the sign of life whose absence somebody else notices (dead-man's switch). */
import { asTerpError } from '../../base/errors.ts'
import { randomHex } from '../../base/random.ts'
import type { Catalog, Channel, Delivery, JsonObject } from '../../catalog/index.ts'
import { retryDelayMs } from '../../protection/index.ts'
import { heartbeatOptionsShape } from '../../wire/index.ts'
import type { ServerContext } from '../context.ts'
import { Alarm } from '../jobs/alarm.ts'
import { DIGEST, digestOf, RECOVERY_ENDED } from './letters.ts'
import { checkMail } from './mail-channel.ts'
import { sendOver } from './senders.ts'

const ATTEMPTS = 12
const AT_ONCE = 500
/** A storm of alerts is one message: from so many on that are due together, and after a mail nothing more for a while. */
const DIGEST_FROM = { smtp: 4, webhook: 21, heartbeat: Number.POSITIVE_INFINITY } as const
const QUIET_MS = { smtp: 60_000, webhook: 0, heartbeat: 0 } as const
const MOST_IN_DIGEST = 100
const LOOK_EVERY_MS = 60_000

export class Notifier {
  readonly #context: ServerContext
  readonly #catalog: Catalog
  readonly #stop = new AbortController()
  readonly #alarm: Alarm
  readonly #beatMs = new Map<string, number>()
  readonly #quietUntilMs = new Map<string, number>()
  #loop: Promise<void> | undefined
  /** Whether the server is well: where it is not, no sign of life is given. */
  isWell: () => boolean = () => true

  constructor(context: ServerContext) {
    this.#context = context
    this.#catalog = context.catalog
    this.#alarm = new Alarm(context.op.clock, AbortSignal.any([context.op.signal, this.#stop.signal]))
  }

  async start(): Promise<void> {
    this.#loop = this.#work()
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await this.#loop
  }

  wake(): void {
    this.#alarm.ring()
  }

  secretOf(channel: Channel): string | undefined {
    return channel.secretSealed && this.#context.sealer.open(channel.secretSealed, 'channel').toString('utf8')
  }

  /** At once, and not again. CHANNEL_REFUSED. */
  async test(channel: Channel): Promise<void> {
    const payload: JsonObject = { message: 'This channel of notification works.' }
    await sendOver(this.#context.op, channel, this.secretOf(channel), {
      id: randomHex(this.#context.op.random, 16),
      event: 'test',
      payload,
    })
  }

  async #work(): Promise<void> {
    const { op } = this.#context
    while (!this.#stop.signal.aborted && !op.signal.aborted) {
      let waitMs = LOOK_EVERY_MS
      try {
        waitMs = Math.min(waitMs, await this.#beat())
        await this.#send()
        const nextMs = await this.#catalog.deliveries.nextDueMs()
        if (nextMs !== undefined) waitMs = Math.min(waitMs, nextMs - op.clock.nowMs())
      } catch (error) {
        if (op.signal.aborted) return
        const { code, message } = asTerpError(error)
        op.warn({ code, message, item: 'notifications' })
      }
      await this.#alarm.wait(Math.max(50, waitMs))
    }
  }

  async #send(): Promise<void> {
    const { deliveries } = this.#catalog
    const channels = new Map((await this.#catalog.channels.all()).map((channel) => [channel.id, channel]))
    for (const [channelId, due] of Map.groupBy(await deliveries.due(AT_ONCE), ({ channelId }) => channelId)) {
      if (this.#stop.signal.aborted) return
      const channel = channels.get(channelId)
      if (!channel?.isEnabled) {
        for (const { id } of due) await deliveries.failed(id, 'the channel was switched off')
        continue
      }
      const personal = due.filter(({ event }) => event === RECOVERY_ENDED)
      for (const delivery of personal) await this.#deliver(channel, [delivery])
      const news = due.filter(({ event }) => event !== RECOVERY_ENDED)
      if (news.length > 0) await this.#tellNews(channel, news)
    }
  }

  async #tellNews(channel: Channel, news: readonly Delivery[]): Promise<void> {
    const nowMs = this.#context.op.clock.nowMs()
    const quietUntilMs = this.#quietUntilMs.get(channel.id) ?? 0
    if (quietUntilMs > nowMs) {
      await this.#catalog.deliveries.postpone(
        news.map(({ id }) => id),
        quietUntilMs,
      )
      return
    }
    if (news.length >= DIGEST_FROM[channel.kind]) await this.#deliver(channel, news)
    else for (const delivery of news) await this.#deliver(channel, [delivery])
    this.#quietUntilMs.set(channel.id, this.#context.op.clock.nowMs() + QUIET_MS[channel.kind])
  }

  /** Several as one message: the oldest gives it its id. */
  async #deliver(channel: Channel, deliveries: readonly Delivery[]): Promise<void> {
    const first = deliveries[0]
    if (!first) return
    const message = deliveries.length === 1 ? first : { id: first.id, event: DIGEST, payload: digestOf(deliveries, MOST_IN_DIGEST) }
    try {
      await sendOver(this.#context.op, channel, this.secretOf(channel), message)
      for (const { id } of deliveries) await this.#catalog.deliveries.sent(id)
    } catch (error) {
      const { message: text } = asTerpError(error)
      for (const { id, attempts } of deliveries) {
        const again = this.#context.op.clock.nowMs() + retryDelayMs(attempts + 1, 0, { firstMs: 30_000 })
        await this.#catalog.deliveries.failed(id, text, attempts + 1 < ATTEMPTS ? again : undefined)
      }
    }
  }

  /** CHANNEL_NO_MAIL. */
  async mail(to: readonly string[], event: string, payload: JsonObject): Promise<void> {
    const { id } = await checkMail(this.#catalog)
    await this.#catalog.deliveries.add([{ channelId: id, event, payload: { ...payload, to: [...to] } }])
    this.wake()
  }

  /** Returns how long until the next. */
  async #beat(): Promise<number> {
    const nowMs = this.#context.op.clock.monotonicMs()
    let waitMs = LOOK_EVERY_MS
    for (const channel of await this.#catalog.channels.all()) {
      if (channel.kind !== 'heartbeat' || !channel.isEnabled) continue
      const everyMs = heartbeatOptionsShape.parse(channel.options).everyMinutes * 60_000
      const dueMs = (this.#beatMs.get(channel.id) ?? Number.NEGATIVE_INFINITY) + everyMs
      if (dueMs > nowMs) waitMs = Math.min(waitMs, dueMs - nowMs)
      else if (this.isWell()) {
        this.#beatMs.set(channel.id, nowMs)
        await sendOver(this.#context.op, channel, undefined, { id: '', event: 'heartbeat', payload: {} }).catch((error: unknown) => {
          const { code, message } = asTerpError(error)
          this.#context.op.warn({ code, message, item: channel.name })
        })
      }
    }
    return waitMs
  }
}
