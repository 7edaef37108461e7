/**
 * What happens, told to those who listen: jobs that move on, alerts that come and go. Told, not kept: whoever was away asks the lists. The last
 * few are held so that a listener who lost the connection for a moment misses none.
 */
import type { Json } from '../../catalog/index.ts'

export interface ServerEvent {
  /** Grows; not over restarts. */
  readonly id: number
  readonly topic: string
  /** For listeners who may know of some groups only; undefined: it concerns no group. */
  readonly groupId: string | undefined
  readonly data: Json
}

export interface Subscription {
  /** Those that are heard. */
  wants(event: ServerEvent): boolean
}

const HELD = 1000
/** Of one listener that does not read. Then it is hung up on: it will ask for what it missed. */
const WAITING_MOST = 1000

export class EventHub {
  #last = 0
  #held: ServerEvent[] = []
  readonly #listeners = new Set<(event: ServerEvent) => void>()

  get listeners(): number {
    return this.#listeners.size
  }

  publish(topic: string, data: Json, groupId?: string): void {
    const event = { id: ++this.#last, topic, groupId, data }
    this.#held.push(event)
    // Not at each event, which would copy all of them each time.
    if (this.#held.length > 2 * HELD) this.#held = this.#held.slice(-HELD)
    for (const tell of this.#listeners) tell(event)
  }

  /** Ends with the signal, or when the listener falls behind too far. `afterId`: the last that it heard. */
  async *listen({ wants }: Subscription, signal: AbortSignal, afterId?: number): AsyncGenerator<ServerEvent> {
    let waiting: ServerEvent[] = []
    let wake = () => {}
    let isBehind = false
    const tell = (event: ServerEvent) => {
      if (!wants(event)) return
      if (waiting.length >= WAITING_MOST) isBehind = true
      else waiting.push(event)
      wake()
    }
    const onAbort = () => wake()
    this.#listeners.add(tell)
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      // A number from before a restart may be above ours: then all that is held is new.
      if (afterId !== undefined) for (const event of this.#held) if (event.id > afterId || afterId > this.#last) tell(event)
      while (!signal.aborted && !isBehind) {
        const batch = waiting
        waiting = []
        yield* batch
        if (waiting.length === 0 && !signal.aborted && !isBehind) {
          await new Promise<void>((resolve) => {
            wake = resolve
          })
        }
      }
    } finally {
      this.#listeners.delete(tell)
      signal.removeEventListener('abort', onAbort)
    }
  }
}
