/** Sends what waits to be sent, again with growing pauses where it fails, and gives the sign of life whose absence somebody else notices (dead-man's switch). */
import { asTerpError } from '../../base/errors.ts'
import { randomHex } from '../../base/random.ts'
import type { Catalog, Channel, JsonObject } from '../../catalog/index.ts'
import { retryDelayMs } from '../../protection/index.ts'
import { heartbeatOptionsShape } from '../../wire/index.ts'
import type { ServerContext } from '../context.ts'
import { Alarm } from '../jobs/alarm.ts'
import { sendOver } from './senders.ts'

const ATTEMPTS = 12
const AT_ONCE = 50
const LOOK_EVERY_MS = 60_000

export class Notifier {
  readonly #context: ServerContext
  readonly #catalog: Catalog
  readonly #stop = new AbortController()
  readonly #alarm: Alarm
  readonly #beatMs = new Map<string, number>()
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
    const channels = new Map((await this.#catalog.channels.all()).map((channel) => [channel.id, channel]))
    for (const { id, channelId, event, payload, attempts } of await this.#catalog.deliveries.due(AT_ONCE)) {
      if (this.#stop.signal.aborted) return
      const channel = channels.get(channelId)
      if (!channel?.isEnabled) {
        await this.#catalog.deliveries.failed(id, 'the channel was switched off')
        continue
      }
      try {
        await sendOver(this.#context.op, channel, this.secretOf(channel), { id, event, payload })
        await this.#catalog.deliveries.sent(id)
      } catch (error) {
        const { message } = asTerpError(error)
        const again = this.#context.op.clock.nowMs() + retryDelayMs(attempts + 1, 0, { firstMs: 30_000 })
        await this.#catalog.deliveries.failed(id, message, attempts + 1 < ATTEMPTS ? again : undefined)
      }
    }
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
