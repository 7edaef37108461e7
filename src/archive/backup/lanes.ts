/**
 * Deals batches out to lanes: worker threads, started when the first batch comes, or a single lane on this thread where the store can't be
 * opened a second time (tests). The number of batches that wait is limited, so memory is bounded and a slow disk slows the walk down.
 */
import { Worker } from 'node:worker_threads'
import { baseError, fromPlainError, type TerpError } from '../../base/errors.ts'
import type { Operation } from '../../base/operation.ts'
import { Semaphore } from '../../base/semaphore.ts'
import type { SealedPack, WriteSession } from '../../repository/index.ts'
import type { StoreDescriptor } from '../../storage/index.ts'
import { endWorkers } from '../end-workers.ts'
import { Lane, type LaneAnswer, type LaneFile } from './lane.ts'
import { decodeAnswer, encodeBatch } from './lane-codec.ts'
import type { FromLane, LaneSetup, ToLane } from './lane-protocol.ts'

/** The one that it works at, and the next. */
const BATCHES_AT_A_LANE = 2
/** So many more wait for a lane: while lanes read a few large files, the walk goes on through the small ones behind them. */
const WAITING_PER_LANE = 2
/** Most of what a worker makes is garbage at once; a large nursery would only be memory. */
export const WORKER_LIMITS = { maxYoungGenerationSizeMb: 12 }

export interface Lanes {
  /** Resolves when a lane has taken the batch; the inner promise with its answer. */
  submit(op: Operation, files: readonly LaneFile[]): Promise<{ answer: Promise<LaneAnswer> }>
  /** Everything stored so far is durable when this returns. */
  flush(op: Operation): Promise<void>
  close(): Promise<void>
}

export function openLanes(session: WriteSession, workers: { store: StoreDescriptor; count: number } | undefined): Lanes {
  return workers ? new WorkerLanes(session, workers.store, workers.count) : new InlineLane(session)
}

class InlineLane implements Lanes {
  readonly #lane: Lane
  #last: Promise<void> = Promise.resolve()

  constructor(session: WriteSession) {
    const { store, format } = session.repository
    this.#lane = new Lane({ store, grant: session.grant, chunking: format.chunking, onSealed: (pack) => session.accept(pack) })
  }

  /** One after the other, as in a worker: a lane has one staging buffer. */
  async submit(op: Operation, files: readonly LaneFile[]): Promise<{ answer: Promise<LaneAnswer> }> {
    const answer = this.#last.then(() => this.#lane.process(op, files))
    this.#last = answer.then(
      () => undefined,
      () => undefined, // told to whoever awaits the answer
    )
    await this.#last
    return { answer }
  }

  flush(op: Operation): Promise<void> {
    return this.#lane.flush(op)
  }

  async close(): Promise<void> {}
}

interface Waiting {
  readonly resolve: (answer: Uint8Array | undefined) => void
  readonly reject: (error: unknown) => void
}

interface Queued extends Waiting {
  readonly batch: Uint8Array<ArrayBuffer>
}

interface WorkerLane {
  readonly worker: Worker
  readonly waiting: Map<number, Waiting>
}

class WorkerLanes implements Lanes {
  readonly #session: WriteSession
  readonly #setup: LaneSetup
  readonly #count: number
  readonly #room: Semaphore
  #queue: Queued[] = []
  #lanes: WorkerLane[] = []
  #number = 0
  #failure: TerpError | undefined
  #closing = false

  constructor(session: WriteSession, store: StoreDescriptor, count: number) {
    this.#session = session
    this.#setup = { store, grant: session.grant, chunking: session.repository.format.chunking, stop: new SharedArrayBuffer(4) }
    this.#count = count
    this.#room = new Semaphore(count * (BATCHES_AT_A_LANE + WAITING_PER_LANE))
  }

  async submit(op: Operation, files: readonly LaneFile[]): Promise<{ answer: Promise<LaneAnswer> }> {
    await this.#room.acquire()
    const answer = this.#enqueue(op, files).finally(() => this.#room.release())
    // Whoever awaits the answer gets the failure; this keeps an early one from ending the process.
    answer.catch(() => {})
    this.#check(op)
    return { answer: answer.then((bytes) => decodeAnswer(files, bytes as Uint8Array)) }
  }

  async #enqueue(op: Operation, files: readonly LaneFile[]): Promise<Uint8Array | undefined> {
    this.#check(op)
    const batch = encodeBatch(files)
    return new Promise((resolve, reject) => {
      this.#queue.push({ batch, resolve, reject })
      this.#dispatch()
    })
  }

  /** A batch goes to a lane when that has almost done what it has: who gets large files gets fewer. */
  #dispatch(): void {
    for (let lane = this.#ready(); lane && this.#queue.length > 0; lane = this.#ready()) {
      this.#growKnown()
      const { batch, ...waiting } = this.#queue.shift() as Queued
      this.#ask(lane, waiting, (number) => ({ type: 'batch', number, files: batch }), [batch.buffer])
    }
  }

  async flush(op: Operation): Promise<void> {
    this.#check(op)
    const flushed = this.#lanes.map(
      (lane) =>
        new Promise<unknown>((resolve, reject) => {
          this.#ask(lane, { resolve, reject }, (number) => ({ type: 'flush', number }))
        }),
    )
    await Promise.all(flushed)
  }

  async close(): Promise<void> {
    this.#closing = true
    Atomics.store(new Int32Array(this.#setup.stop), 0, 1)
    await endWorkers(this.#lanes.map(({ worker }) => worker))
  }

  #check(op: Operation): void {
    op.check()
    if (this.#failure) throw this.#failure
    // A worker that is started now would never be told to end.
    if (this.#closing) throw baseError('CANCELLED', 'the job has ended')
  }

  #growKnown(): void {
    const { known } = this.#session
    if (!known.needsRoom) return
    known.grow()
    for (const { worker } of this.#lanes) worker.postMessage({ type: 'known', memory: known.memory } satisfies ToLane)
  }

  #ready(): WorkerLane | undefined {
    const idle = this.#lanes.find((lane) => lane.waiting.size === 0)
    if (idle) return idle
    if (this.#lanes.length < this.#count && this.#queue.length > 0) return this.#start()
    return this.#lanes.find((lane) => lane.waiting.size < BATCHES_AT_A_LANE)
  }

  #start(): WorkerLane {
    const setup: LaneSetup = { ...this.#setup, grant: this.#session.grant }
    const worker = new Worker(new URL('./lane-worker.ts', import.meta.url), { workerData: setup, resourceLimits: WORKER_LIMITS })
    const lane: WorkerLane = { worker, waiting: new Map() }
    worker.on('message', (message: FromLane) => this.#receive(lane, message))
    worker.on('error', (error: unknown) => this.#fail(error))
    worker.on('exit', (code) => {
      if (!this.#closing) this.#fail(new Error(`a worker ended with code ${code}`))
    })
    this.#lanes.push(lane)
    return lane
  }

  #ask(lane: WorkerLane, waiting: Waiting, message: (number: number) => ToLane, transfer: ArrayBuffer[] = []): void {
    const number = this.#number++
    lane.waiting.set(number, waiting)
    lane.worker.postMessage(message(number), transfer)
  }

  #receive(lane: WorkerLane, message: FromLane): void {
    if (message.type === 'sealed') this.#session.accept(thawPack(message.pack))
    else if (message.type === 'failed') this.#fail(fromPlainError(message.error))
    else {
      lane.waiting.get(message.number)?.resolve(message.type === 'answer' ? message.answer : undefined)
      lane.waiting.delete(message.number)
      this.#dispatch()
    }
  }

  /** The first failure is everybody's: the job can't be finished. */
  #fail(error: unknown): void {
    this.#failure ??= error as TerpError
    for (const lane of this.#lanes) {
      for (const waiting of lane.waiting.values()) waiting.reject(this.#failure)
      lane.waiting.clear()
    }
    for (const { reject } of this.#queue.splice(0)) reject(this.#failure)
  }
}

/** Buffers arrive from another thread as plain Uint8Arrays. */
function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function thawPack(pack: SealedPack): SealedPack {
  return { ...pack, records: pack.records.map((record) => ({ ...record, id: asBuffer(record.id) })) }
}
