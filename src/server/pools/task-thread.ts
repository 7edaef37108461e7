/** This side of a thread that works on one pool. It starts with its first task. */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { fromPlainError } from '../../base/errors.ts'
import type { Operation } from '../../base/operation.ts'
import { poolError } from './errors.ts'
import { END, type FromTaskWorker, type TaskSetup, type ToTaskWorker } from './task.ts'
import type { ArgsOf, ItemOf, ResultOf, TaskName } from './tasks.ts'

interface Asked {
  readonly op: Operation
  readonly resolve: (result: unknown) => void
  readonly reject: (error: unknown) => void
  readonly onItem: ((item: unknown) => void) | undefined
}

/** Progress comes as often as it is found; people see that much of it. */
const PROGRESS_EVERY_MS = 200

export class TaskThread {
  readonly #setup: TaskSetup
  readonly #onFailure: (error: unknown) => void
  #worker: Worker | undefined
  readonly #asked = new Map<number, Asked>()
  #number = 0
  #isClosing = false

  /** `onFailure`: of each task that fails, beside whoever asked. */
  constructor(setup: TaskSetup, onFailure: (error: unknown) => void = () => {}) {
    this.#setup = setup
    this.#onFailure = onFailure
  }

  /** Of the operation's own: progress, warnings, and whether to go on. */
  run<K extends TaskName>(op: Operation, name: K, args: ArgsOf<K>): Promise<ResultOf<K>> {
    return this.#start(op, name, args).done
  }

  /** Items as they come; who stops asking ends the task. */
  async *items<K extends TaskName>(op: Operation, name: K, args: ArgsOf<K>): AsyncGenerator<ItemOf<K>> {
    const waiting: ItemOf<K>[] = []
    let wake: (() => void) | undefined
    let isDone = false
    let failure: unknown
    const call = this.#start(op, name, args, (item) => {
      waiting.push(item as ItemOf<K>)
      wake?.()
    })
    const ended = call.done.then(
      () => {
        isDone = true
        wake?.()
      },
      (error: unknown) => {
        isDone = true
        failure = error
        wake?.()
      },
    )
    try {
      for (;;) {
        const item = waiting.shift()
        if (item !== undefined) {
          call.more()
          yield item
        } else if (isDone) break
        else {
          await new Promise<void>((resolve) => {
            wake = resolve
          })
          wake = undefined
        }
      }
      if (failure !== undefined) throw failure
    } finally {
      if (!isDone) call.cancel()
      await ended
    }
  }

  async close(): Promise<void> {
    this.#isClosing = true
    const worker = this.#worker
    if (!worker || worker.threadId === -1) return
    const ended = once(worker, 'exit').catch(() => undefined)
    worker.postMessage(END)
    await ended
    this.#lose()
  }

  #start<K extends TaskName>(op: Operation, name: K, args: ArgsOf<K>, onItem?: (item: unknown) => void) {
    if (this.#isClosing) throw poolError('POOL_CLOSING', 'the pool volume is being closed')
    op.check()
    const number = this.#number++
    const flag = new SharedArrayBuffer(4)
    this.#worker ??= this.#open()
    const worker = this.#worker
    const send = (message: ToTaskWorker) => worker.postMessage(message)
    const cancel = () => {
      Atomics.store(new Int32Array(flag), 0, 1)
      send({ type: 'cancel', number })
    }
    const done = new Promise<ResultOf<K>>((resolve, reject) => {
      this.#asked.set(number, { op, resolve: resolve as (result: unknown) => void, reject, onItem })
      send({ type: 'run', number, name, args, flag })
    })
    op.signal.addEventListener('abort', cancel, { once: true })
    const forget = () => op.signal.removeEventListener('abort', cancel)
    done.then(forget, forget)
    return { done, cancel, more: () => send({ type: 'more', number }) }
  }

  #open(): Worker {
    const worker = new Worker(new URL('./task-worker.ts', import.meta.url), { workerData: this.#setup })
    let toldMs = 0
    worker.on('message', (message: FromTaskWorker) => {
      const asked = this.#asked.get(message.number)
      if (!asked) return
      const { op } = asked
      if (message.type === 'progress') {
        const nowMs = op.clock.monotonicMs()
        if (nowMs - toldMs < PROGRESS_EVERY_MS) return
        toldMs = nowMs
        op.progress(message.progress)
      } else if (message.type === 'warning') op.warn(message.warning)
      else if (message.type === 'item') asked.onItem?.(message.item)
      else {
        this.#asked.delete(message.number)
        if (message.type === 'done') asked.resolve(message.result)
        else {
          const error = fromPlainError(message.error)
          this.#onFailure(error)
          asked.reject(error)
        }
      }
    })
    worker.on('error', (error: unknown) => this.#lose(error, worker))
    worker.on('exit', () => this.#lose(undefined, worker))
    return worker
  }

  /** What was asked of it is refused; the next task starts another. */
  #lose(cause?: unknown, worker = this.#worker): void {
    if (this.#worker !== worker) return
    this.#worker = undefined
    for (const { reject } of this.#asked.values()) {
      reject(
        this.#isClosing
          ? poolError('POOL_CLOSING', 'the pool volume is being closed')
          : poolError('POOL_WORKER_LOST', 'a thread that works on a pool ended', { cause }),
      )
    }
    this.#asked.clear()
  }
}
