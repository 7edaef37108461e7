/**
 * Ends worker threads from within. They are never terminated from outside: native code that is cut off in the middle of a call takes
 * the whole process with it. Each worker answers `END` by closing its port, once what it was doing is done or given up.
 */
import { once } from 'node:events'
import type { Worker } from 'node:worker_threads'

export const END = 'end'

export async function endWorkers(workers: readonly Worker[]): Promise<void> {
  await Promise.all(
    workers.map(async (worker) => {
      // -1: it ended already, and says so only once.
      if (worker.threadId === -1) return
      const ended = once(worker, 'exit').catch(() => undefined) // an error ends it too
      worker.postMessage(END)
      await ended
    }),
  )
}
