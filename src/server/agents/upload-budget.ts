/**
 * Memory for what agents send, all of them together. A body takes its bytes piece by piece as they come in, before they are read from its socket, so that a slow line holds
 * no more than what came over it, and who must wait is held up by his own socket and sees no error. Of those that wait, the agent that holds least goes first. Should
 * bodies that are not whole yet hold all of it, one of them may go on beyond the budget until it is whole: nobody waits for each other in a circle.
 */
import { baseError } from '../../base/errors.ts'

export interface UploadShare {
  /** Waits until so many more bytes may be held. CANCELLED once the signal is aborted. */
  take(bytes: number, signal: AbortSignal): Promise<void>
  /** The body is there, and will be let go of without the help of its agent. */
  complete(): void
  /** Gives back all of it, and waits for no more; fine to repeat. */
  end(): void
}

interface Waiting {
  readonly share: Share
  readonly bytes: number
  readonly grant: () => void
  readonly leave: () => void
}

export class UploadBudget {
  readonly #bytes: number
  /** Of bodies that are whole, and of those that are not. */
  #complete = 0
  #incomplete = 0
  readonly #byAgent = new Map<string, number>()
  #waiting: Waiting[] = []
  /** Goes on beyond the budget. */
  #ahead: Share | undefined

  constructor(bytes: number) {
    this.#bytes = bytes
  }

  get heldBytes(): number {
    return this.#complete + this.#incomplete
  }

  get waitingCount(): number {
    return this.#waiting.length
  }

  /** For one body of `length` bytes. */
  open(agentId: string, length: number): UploadShare {
    const share: Share = { agentId, length, held: 0, isComplete: false, isEnded: false }
    return {
      take: (bytes, signal) => this.#take(share, bytes, signal),
      complete: () => {
        if (share.isComplete || share.isEnded) return
        share.isComplete = true
        this.#incomplete -= share.held
        this.#complete += share.held
        this.#release(share)
      },
      end: () => {
        if (share.isEnded) return
        share.isEnded = true
        // Nobody would give back what it got from now on.
        for (const waiting of this.#waiting) if (waiting.share === share) waiting.leave()
        if (share.isComplete) this.#complete -= share.held
        else this.#incomplete -= share.held
        this.#count(share, -share.held)
        this.#release(share)
      },
    }
  }

  #take(share: Share, bytes: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        signal.removeEventListener('abort', leave)
        this.#waiting = this.#waiting.filter((other) => other !== waiting)
        reject(baseError('CANCELLED', 'whoever sent it has gone'))
      }
      const grant = () => {
        signal.removeEventListener('abort', leave)
        resolve()
      }
      const waiting: Waiting = { share, bytes, grant, leave }
      if (signal.aborted || share.isEnded) leave()
      else {
        signal.addEventListener('abort', leave, { once: true })
        this.#waiting.push(waiting)
        this.#deal()
      }
    })
  }

  #release(share: Share): void {
    if (this.#ahead === share) this.#ahead = undefined
    this.#deal()
  }

  #deal(): void {
    while (this.#waiting.length > 0) {
      const next = this.#waiting.reduce((best, one) => (this.#heldBy(one) < this.#heldBy(best) ? one : best))
      if (this.heldBytes + next.bytes <= this.#bytes) this.#grant(next)
      else break
    }
    // What is whole makes room by itself.
    if (this.#waiting.length === 0 || this.#complete > 0) return
    this.#ahead ??= this.#waiting.reduce((best, one) => (leftOf(one) < leftOf(best) ? one : best)).share
    const first = this.#waiting.find(({ share }) => share === this.#ahead)
    if (first) this.#grant(first)
  }

  #heldBy({ share }: Waiting): number {
    return this.#byAgent.get(share.agentId) ?? 0
  }

  #grant(waiting: Waiting): void {
    const { share, bytes } = waiting
    this.#waiting = this.#waiting.filter((other) => other !== waiting)
    share.held += bytes
    this.#incomplete += bytes
    this.#count(share, bytes)
    waiting.grant()
  }

  #count({ agentId }: Share, bytes: number): void {
    const held = (this.#byAgent.get(agentId) ?? 0) + bytes
    if (held === 0) this.#byAgent.delete(agentId)
    else this.#byAgent.set(agentId, held)
  }
}

interface Share {
  readonly agentId: string
  readonly length: number
  held: number
  isComplete: boolean
  isEnded: boolean
}

function leftOf({ share }: Waiting): number {
  return share.length - share.held
}
