/**
 * Deals batches out to lanes: worker threads, started as they are needed, or a single lane on this thread where the store can't be opened a
 * second time (tests). The caller bounds how many batches are under way.
 */
import { Worker } from 'node:worker_threads'
import { asTerpError, baseError, fromPlainError, type PlainError } from '../../base/errors.ts'
import type { Operation } from '../../base/operation.ts'
import type { Repository, RepositoryKeys } from '../../repository/index.ts'
import type { StoreDescriptor } from '../../storage/index.ts'
import { type END, endWorkers } from '../end-workers.ts'
import { Lane } from './lane.ts'
import type { Batch, BatchResult, Part, PartResult } from './plan.ts'

export interface Lanes {
  /** How many batches can be worked on at once. */
  readonly count: number
  run(op: Operation, batch: Batch): Promise<BatchResult>
  runPart(op: Operation, part: Part): Promise<PartResult>
  /** Work that is under way ends soon, with CANCELLED. */
  stop(): void
  close(): Promise<void>
}

/** What a worker is started with. Plain data; the keys never leave this process. */
export interface LaneSetup {
  readonly store: StoreDescriptor
  readonly keys: RepositoryKeys
  /** One Int32: 1 when lanes are to stop. A message would not be seen while a lane writes. */
  readonly stop: SharedArrayBuffer
}

export type ToLane = typeof END | { readonly number: number; readonly work: Batch | Part }
export type FromLane = { readonly number: number } & ({ readonly result: BatchResult | PartResult } | { readonly error: PlainError })

export function openLanes(repository: Repository, workers: { readonly store: StoreDescriptor; readonly count: number } | undefined): Lanes {
  return workers ? new WorkerLanes(repository.keys, workers.store, workers.count) : new InlineLane(repository)
}

class InlineLane implements Lanes {
  readonly count = 1
  readonly #lane: Lane
  #last: Promise<unknown> = Promise.resolve()
  #stopped = false

  constructor(repository: Repository) {
    this.#lane = new Lane(repository.store, repository.keys)
  }

  run(op: Operation, batch: Batch): Promise<BatchResult> {
    return this.#next((lane) => lane.run(this.#stoppable(op), batch))
  }

  runPart(op: Operation, part: Part): Promise<PartResult> {
    return this.#next((lane) => lane.runPart(this.#stoppable(op), part))
  }

  #stoppable(op: Operation): Operation {
    return { ...op, check: () => (this.#stopped ? throwCancelled() : op.check()) }
  }

  #next<T>(act: (lane: Lane) => Promise<T>): Promise<T> {
    const answer = this.#last.then(() => act(this.#lane))
    this.#last = answer.catch(() => {}) // whoever awaits the answer gets the failure
    return answer
  }

  stop(): void {
    this.#stopped = true
  }

  async close(): Promise<void> {
    await this.#last
    this.#lane.close()
  }
}

export function throwCancelled(): never {
  throw baseError('CANCELLED', 'interrupted')
}

interface Waiting {
  readonly resolve: (result: BatchResult | PartResult) => void
  readonly reject: (error: unknown) => void
}

interface WorkerLane {
  readonly worker: Worker
  readonly waiting: Map<number, Waiting>
}

class WorkerLanes implements Lanes {
  readonly count: number
  readonly #setup: LaneSetup
  readonly #lanes: WorkerLane[] = []
  #number = 0
  #closing = false

  constructor(keys: RepositoryKeys, store: StoreDescriptor, count: number) {
    this.count = Math.max(1, count)
    this.#setup = { store, keys, stop: new SharedArrayBuffer(4) }
  }

  run(_op: Operation, batch: Batch): Promise<BatchResult> {
    return this.#send(batch) as Promise<BatchResult>
  }

  runPart(_op: Operation, part: Part): Promise<PartResult> {
    return this.#send(part) as Promise<PartResult>
  }

  /** The lane answers to its kind of work. */
  #send(work: Batch | Part): Promise<BatchResult | PartResult> {
    const lane = this.#leastBusy()
    const number = this.#number++
    return new Promise((resolve, reject) => {
      lane.waiting.set(number, { resolve, reject })
      lane.worker.postMessage({ number, work } satisfies ToLane)
    })
  }

  #leastBusy(): WorkerLane {
    const idle = this.#lanes.find((lane) => lane.waiting.size === 0)
    if (idle) return idle
    if (this.#lanes.length < this.count) return this.#start()
    return this.#lanes.reduce((best, lane) => (lane.waiting.size < best.waiting.size ? lane : best))
  }

  #start(): WorkerLane {
    const worker = new Worker(new URL('./restore-worker.ts', import.meta.url), { workerData: this.#setup })
    const lane: WorkerLane = { worker, waiting: new Map() }
    worker.on('message', (message: FromLane) => {
      const waiting = lane.waiting.get(message.number)
      lane.waiting.delete(message.number)
      if ('error' in message) waiting?.reject(fromPlainError(message.error))
      else waiting?.resolve(message.result)
    })
    const lose = (error: unknown) => {
      for (const waiting of lane.waiting.values()) waiting.reject(asTerpError(error))
      lane.waiting.clear()
      const at = this.#lanes.indexOf(lane)
      if (at >= 0) this.#lanes.splice(at, 1)
    }
    worker.on('error', lose)
    worker.on('exit', (code) => {
      if (!this.#closing) lose(new Error(`a worker ended with code ${code}`))
    })
    this.#lanes.push(lane)
    return lane
  }

  stop(): void {
    Atomics.store(new Int32Array(this.#setup.stop), 0, 1)
  }

  async close(): Promise<void> {
    this.#closing = true
    this.stop()
    await endWorkers(this.#lanes.map(({ worker }) => worker))
  }
}
