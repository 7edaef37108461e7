/**
 * Deals packs of agents out to receivers: worker threads, so that opening, hashing and sealing hold up nobody else; or one receiver on this thread where the store can't
 * be opened a second time (tests). A few packs at a time, so memory is bounded and a slow disk slows agents down.
 */
import { Worker } from 'node:worker_threads'
import { fromPlainError, type PlainError } from '../../base/errors.ts'
import type { Operation } from '../../base/operation.ts'
import { Semaphore } from '../../base/semaphore.ts'
import type { SealedPack } from '../../repository/index.ts'
import type { ObjectStore, StoreDescriptor } from '../../storage/index.ts'
import { WORKER_LIMITS } from '../backup/lanes.ts'
import { type END, endWorkers } from '../end-workers.ts'
import { PackReceiver, type ReceivedPack, type SentPack } from './receiver.ts'

export interface Receivers {
  take(op: Operation, sent: SentPack): Promise<ReceivedPack>
  /** The session has ended. */
  forget(session: string): void
  close(): Promise<void>
}

export interface ReceiverSetup {
  readonly store: StoreDescriptor
  readonly tag: string
}

export type ToReceiver =
  | typeof END
  | { readonly type: 'take'; readonly number: number; readonly sent: Omit<SentPack, 'bytes'> & { readonly bytes: Uint8Array } }
  | { readonly type: 'forget'; readonly session: string }

export type FromReceiver =
  | { readonly type: 'taken'; readonly number: number; readonly ids: Uint8Array; readonly sealed: readonly SealedPack[] }
  | { readonly type: 'refused'; readonly number: number; readonly error: PlainError }

const WAITING_PER_WORKER = 2

export function openReceivers(workers: ReceiverSetup & { readonly count: number }): Receivers {
  return new WorkerReceivers(workers, workers.count)
}

/** One at a time, on this thread. */
export function inlineReceivers(store: ObjectStore): Receivers {
  const receiver = new PackReceiver(store)
  const turn = new Semaphore(1)
  return {
    async take(op, sent) {
      await turn.acquire()
      try {
        return await receiver.take(op, sent)
      } finally {
        turn.release()
      }
    },
    forget: (session) => receiver.forget(session),
    close: async () => {},
  }
}

interface Waiting {
  readonly resolve: (received: ReceivedPack) => void
  readonly reject: (error: unknown) => void
}

interface Hand {
  readonly worker: Worker
  readonly waiting: Map<number, Waiting>
}

class WorkerReceivers implements Receivers {
  readonly #setup: ReceiverSetup
  readonly #count: number
  readonly #room: Semaphore
  #hands: Hand[] = []
  #number = 0
  #isClosing = false

  constructor(setup: ReceiverSetup, count: number) {
    this.#setup = { store: setup.store, tag: setup.tag }
    this.#count = count
    this.#room = new Semaphore(count * WAITING_PER_WORKER)
  }

  async take(op: Operation, sent: SentPack): Promise<ReceivedPack> {
    await this.#room.acquire()
    try {
      op.check()
      const hand = this.#leastBusy()
      const number = this.#number++
      // Bodies of requests may share their memory with others: those are copied.
      const isWhole = sent.bytes.buffer instanceof ArrayBuffer && sent.bytes.byteLength === sent.bytes.buffer.byteLength
      const bytes = isWhole ? sent.bytes : new Uint8Array(sent.bytes)
      return await new Promise<ReceivedPack>((resolve, reject) => {
        hand.waiting.set(number, { resolve, reject })
        hand.worker.postMessage({ type: 'take', number, sent: { ...sent, bytes } } satisfies ToReceiver, [bytes.buffer as ArrayBuffer])
      })
    } finally {
      this.#room.release()
    }
  }

  forget(session: string): void {
    for (const { worker } of this.#hands) worker.postMessage({ type: 'forget', session } satisfies ToReceiver)
  }

  async close(): Promise<void> {
    this.#isClosing = true
    await endWorkers(this.#hands.map(({ worker }) => worker))
  }

  #leastBusy(): Hand {
    const idle = this.#hands.find(({ waiting }) => waiting.size === 0)
    if (idle) return idle
    if (this.#hands.length < this.#count) return this.#start()
    return this.#hands.reduce((best, hand) => (hand.waiting.size < best.waiting.size ? hand : best))
  }

  #start(): Hand {
    const worker = new Worker(new URL('./receiver-worker.ts', import.meta.url), { workerData: this.#setup, resourceLimits: WORKER_LIMITS })
    const hand: Hand = { worker, waiting: new Map() }
    worker.on('message', (message: FromReceiver) => {
      const waiting = hand.waiting.get(message.number)
      hand.waiting.delete(message.number)
      if (message.type === 'refused') waiting?.reject(fromPlainError(message.error))
      else waiting?.resolve({ ids: message.ids, sealed: message.sealed.map(thaw) })
    })
    worker.on('error', (error: unknown) => this.#lose(hand, error))
    worker.on('exit', (code) => {
      if (!this.#isClosing) this.#lose(hand, new Error(`a worker ended with code ${code}`))
    })
    this.#hands.push(hand)
    return hand
  }

  /** Its packs are refused, and agents send them again; the next pack starts another worker. */
  #lose(hand: Hand, error: unknown): void {
    this.#hands = this.#hands.filter((other) => other !== hand)
    for (const { reject } of hand.waiting.values()) reject(error)
    hand.waiting.clear()
  }
}

/** Buffers cross threads as plain arrays. */
function thaw(pack: SealedPack): SealedPack {
  return {
    ...pack,
    records: pack.records.map((record) => ({ ...record, id: Buffer.from(record.id.buffer, record.id.byteOffset, record.id.byteLength) })),
  }
}
