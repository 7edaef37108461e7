/**
 * What happens, told to those who listen: jobs that move on, alerts that come and go. Told, not kept: whoever was away asks the lists. The last
 * few are held so that a listener who lost the connection for a moment misses none; one who may have missed some is told that (`reset`).
 */
import type { Json } from '../../catalog/index.ts'

export interface ServerEvent {
  /** `start.number`: the number grows, and the start is another one after each start of the server. For listeners, just text to give back. */
  readonly id: string
  readonly topic: string
  /** For listeners who may know of some groups only; undefined: it concerns no group. */
  readonly groupId: string | undefined
  readonly data: Json
}

export interface Subscription {
  /** Those that are heard. */
  wants(event: ServerEvent): boolean
}

export const RESET = 'reset'
const HELD = 1000
/** Of one listener that does not read. Then it is hung up on: it will ask for what it missed. */
const WAITING_MOST = 1000 + 1

interface Numbered extends ServerEvent {
  readonly number: number
}

export class EventHub {
  readonly #start: string
  #last = 0
  #held: Numbered[] = []
  readonly #listeners = new Set<(event: Numbered) => void>()

  /** `start`: of this server's start, unlike any other. */
  constructor(start = '0') {
    this.#start = start
  }

  get listeners(): number {
    return this.#listeners.size
  }

  publish(topic: string, data: Json, groupId?: string): void {
    const number = ++this.#last
    const event = { number, id: `${this.#start}.${number}`, topic, groupId, data }
    this.#held.push(event)
    // Not at each event, which would copy all of them each time.
    if (this.#held.length > 2 * HELD) this.#held = this.#held.slice(-HELD)
    for (const tell of this.#listeners) tell(event)
  }

  /**
   * Ends with the signal, or when the listener falls behind too far. `afterId`: the last that it heard. `onBehind`: at once when it does, though whoever reads this waits
   * for the listener.
   */
  async *listen(
    { wants }: Subscription,
    signal: AbortSignal,
    afterId?: string,
    onBehind: () => void = () => {},
  ): AsyncGenerator<ServerEvent> {
    let waiting: ServerEvent[] = []
    let wake = () => {}
    let isBehind = false
    const tell = (event: ServerEvent) => {
      if (!wants(event)) return
      if (waiting.length < WAITING_MOST) waiting.push(event)
      else if (!isBehind) {
        isBehind = true
        onBehind()
      }
      wake()
    }
    const onAbort = () => wake()
    this.#listeners.add(tell)
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      if (afterId !== undefined) {
        const { missed, isWhole } = this.#since(afterId)
        if (!isWhole)
          waiting.push({
            id: `${this.#start}.${missed[0] ? missed[0].number - 1 : this.#last}`,
            topic: RESET,
            groupId: undefined,
            data: { reason: 'events were missed: ask the lists again' },
          })
        for (const event of missed) tell(event)
      }
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

  /** What is held of what came after it. Of another start of the server all of it is new, and what came between is not known. */
  #since(id: string): { readonly missed: readonly Numbered[]; readonly isWhole: boolean } {
    const [start, text] = id.split('.')
    const number = Number(text)
    if (start !== this.#start || !Number.isSafeInteger(number) || number > this.#last)
      return { missed: this.#held.slice(-HELD), isWhole: false }
    const missed = this.#held.filter((event) => event.number > number).slice(-HELD)
    return { missed, isWhole: missed.length === this.#last - number }
  }
}
