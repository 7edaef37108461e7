/** The worker thread of a lane: batches come in, one after the other; what became of their files goes out. */
import { parentPort, workerData } from 'node:worker_threads'
import { invariant, toPlainError } from '../../base/errors.ts'
import { startOperation } from '../../base/operation.ts'
import { openStore } from '../../storage/index.ts'
import { END } from '../end-workers.ts'
import { Lane } from './lane.ts'
import { type FromLane, type LaneSetup, type ToLane, throwCancelled } from './lanes.ts'
import { jobError } from './target-errors.ts'

const port = parentPort
invariant(port, 'this file runs as a worker')
const setup = workerData as LaneSetup
const stop = new Int32Array(setup.stop)
const op = { ...startOperation(), check: () => (Atomics.load(stop, 0) === 1 ? throwCancelled() : undefined) }
const lane = new Lane(await openStore(setup.store), setup.keys)
const send = (message: FromLane) => port.postMessage(message)

let last: Promise<void> = Promise.resolve()
port.on('message', (message: ToLane) => {
  last = last.then(async () => {
    if (message === END) {
      lane.close()
      port.close()
      return
    }
    const { number, work } = message
    try {
      send({ number, result: await (work.kind === 'part' ? lane.runPart(op, work) : lane.run(op, work)) })
    } catch (error) {
      send({ number, error: toPlainError(jobError(error)) })
    }
  })
})
