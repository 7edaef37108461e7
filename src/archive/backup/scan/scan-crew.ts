/**
 * Deals pages out to scanners: worker threads of their own, so that a lane with a huge file holds up no page; or one scanner on this thread where the
 * store can't be opened a second time (tests).
 */
import { Worker } from 'node:worker_threads'
import { fromPlainError } from '../../../base/errors.ts'
import type { Operation } from '../../../base/operation.ts'
import type { WriteSession } from '../../../repository/index.ts'
import type { StoreDescriptor } from '../../../storage/index.ts'
import { endWorkers } from '../../end-workers.ts'
import { WORKER_LIMITS } from '../lanes.ts'
import type { FromScanner, ScanAnswer, ScanSettings, ScanSetup, ScanTask, ToScanner } from './scan-protocol.ts'
import { Scanner } from './scanner.ts'

export interface ScanCrew {
  /** How many tasks keep everybody busy. */
  readonly tasksAhead: number
  scan(op: Operation, task: ScanTask): Promise<ScanAnswer>
  close(): Promise<void>
}

const AHEAD_PER_WORKER = 3

export function openScanCrew(
  session: WriteSession,
  settings: ScanSettings,
  workers: { store: StoreDescriptor; count: number } | undefined,
): ScanCrew {
  return workers ? new WorkerCrew(session, settings, workers) : new InlineCrew(session, settings)
}

class InlineCrew implements ScanCrew {
  readonly tasksAhead = 2
  readonly #scanner: Scanner
  #last: Promise<unknown> = Promise.resolve()

  constructor(session: WriteSession, settings: ScanSettings) {
    const { store, keys } = session.repository
    this.#scanner = new Scanner({ store, keys, known: session.known, settings })
  }

  scan(op: Operation, task: ScanTask): Promise<ScanAnswer> {
    const answer = this.#last.then(() => this.#scanner.scan(op, task))
    this.#last = answer.catch(() => {}) // told to whoever awaits the answer
    return answer
  }

  async close(): Promise<void> {}
}

interface Waiting {
  readonly resolve: (answer: ScanAnswer) => void
  readonly reject: (error: unknown) => void
}

class WorkerCrew implements ScanCrew {
  readonly tasksAhead: number
  readonly #setup: ScanSetup
  readonly #workers: Worker[] = []
  readonly #count: number
  readonly #waiting = new Map<number, Waiting>()
  #number = 0
  #failure: { readonly error: unknown } | undefined
  #closing = false

  constructor(session: WriteSession, settings: ScanSettings, { store, count }: { store: StoreDescriptor; count: number }) {
    const { keys, known, tag } = session.grant
    this.#setup = { store, tag, keys, known, settings, stop: new SharedArrayBuffer(4) }
    this.#count = count
    this.tasksAhead = count * AHEAD_PER_WORKER
  }

  async scan(op: Operation, task: ScanTask): Promise<ScanAnswer> {
    op.check()
    if (this.#failure) throw this.#failure.error
    const number = this.#number++
    const worker = this.#workers[number % this.#count] ?? this.#start()
    return new Promise((resolve, reject) => {
      this.#waiting.set(number, { resolve, reject })
      worker.postMessage({ type: 'scan', number, task } satisfies ToScanner)
    })
  }

  #start(): Worker {
    const worker = new Worker(new URL('./scan-worker.ts', import.meta.url), { workerData: this.#setup, resourceLimits: WORKER_LIMITS })
    worker.on('message', (message: FromScanner) => {
      if (message.type === 'failed') this.#fail(fromPlainError(message.error))
      else {
        this.#waiting.get(message.number)?.resolve(message.answer)
        this.#waiting.delete(message.number)
      }
    })
    worker.on('error', (error: unknown) => this.#fail(error))
    worker.on('exit', (code) => {
      if (!this.#closing) this.#fail(new Error(`a worker ended with code ${code}`))
    })
    this.#workers.push(worker)
    return worker
  }

  #fail(error: unknown): void {
    this.#failure ??= { error }
    for (const { reject } of this.#waiting.values()) reject(this.#failure.error)
    this.#waiting.clear()
  }

  async close(): Promise<void> {
    this.#closing = true
    Atomics.store(new Int32Array(this.#setup.stop), 0, 1)
    await endWorkers(this.#workers)
  }
}
