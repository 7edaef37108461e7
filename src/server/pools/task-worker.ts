/** The thread: tasks come in and run beside each other; what they say and give goes out. */
import { parentPort, workerData } from 'node:worker_threads'
import { baseError, invariant, toPlainError } from '../../base/errors.ts'
import { type Operation, startOperation } from '../../base/operation.ts'
import { systemDisk } from '../../platform/index.ts'
import { Repository } from '../../repository/index.ts'
import { LocalDiskStore } from '../../storage/index.ts'
import { END, type FromTaskWorker, ITEMS_AHEAD, type Task, type TaskSetup, type ToTaskWorker } from './task.ts'
import { loadTask, type TaskName } from './tasks.ts'

const port = parentPort
invariant(port, 'this file runs as a worker')
const { folder, bundle } = workerData as TaskSetup
// A tag of a prune is set by the prune.
const store = new LocalDiskStore(systemDisk(), folder, { tag: 'p0' })
let opened: Promise<Repository> | undefined

interface Running {
  readonly stop: AbortController
  room: number
  wake: (() => void) | undefined
}
const running = new Map<number, Running>()

port.on('message', (message: ToTaskWorker) => {
  if (message === END) {
    for (const { stop, wake } of running.values()) {
      stop.abort()
      wake?.()
    }
    port.close()
    return
  }
  if (message.type === 'run') {
    void run(message)
    return
  }
  const task = running.get(message.number)
  if (!task) return
  if (message.type === 'cancel') task.stop.abort()
  else task.room++
  task.wake?.()
})

function tell(message: FromTaskWorker): void {
  port?.postMessage(message)
}

async function run({ number, name, args, flag }: Extract<ToTaskWorker, { type: 'run' }>): Promise<void> {
  const state: Running = { stop: new AbortController(), room: ITEMS_AHEAD, wake: undefined }
  running.set(number, state)
  const op = operation(number, state, new Int32Array(flag))
  const emit = async (item: unknown) => {
    while (state.room === 0) {
      op.check()
      await new Promise<void>((wake) => {
        state.wake = wake
      })
      state.wake = undefined
    }
    op.check()
    state.room--
    tell({ type: 'item', number, item })
  }
  try {
    opened ??= Repository.openWithBundle(op, store, bundle, 'write')
    const repository = await opened.catch((error: unknown) => {
      opened = undefined
      throw error
    })
    const task = (await loadTask(name as TaskName)) as Task<unknown, unknown, unknown>
    tell({ type: 'done', number, result: await task({ op, repository, store }, args, emit) })
  } catch (error) {
    tell({ type: 'failed', number, error: toPlainError(error) })
  } finally {
    running.delete(number)
  }
}

function operation(number: number, { stop }: Running, flag: Int32Array): Operation {
  const op = startOperation({
    signal: stop.signal,
    onProgress: (progress) => tell({ type: 'progress', number, progress }),
    onWarning: (warning) => tell({ type: 'warning', number, warning }),
  })
  const check = () => {
    if (stop.signal.aborted || Atomics.load(flag, 0) !== 0) throw baseError('CANCELLED', 'interrupted')
  }
  return { ...op, check }
}
