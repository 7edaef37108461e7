/** The worker thread of a scanner: pages to look at come in, one task after the other; what was found goes out. */
import { parentPort, workerData } from 'node:worker_threads'
import { baseError, invariant, toPlainError } from '../../../base/errors.ts'
import { startOperation } from '../../../base/operation.ts'
import { KnownChunks } from '../../../repository/index.ts'
import { openStore } from '../../../storage/index.ts'
import { END } from '../../end-workers.ts'
import type { FromScanner, ScanSetup, ToScanner } from './scan-protocol.ts'
import { Scanner } from './scanner.ts'

const port = parentPort
invariant(port, 'this file runs as a worker')
const { store: descriptor, tag, known, keys, settings, stop: stopMemory } = workerData as ScanSetup
const send = (message: FromScanner) => port.postMessage(message)
const stop = new Int32Array(stopMemory)
const op = {
  ...startOperation(),
  check: () => {
    if (Atomics.load(stop, 0) === 1) throw baseError('CANCELLED', 'interrupted')
  },
}
const store = await openStore(descriptor, tag)
const scanner = new Scanner({ store, keys, known: new KnownChunks(known, store.immediate), settings })

let last: Promise<void> = Promise.resolve()
port.on('message', (message: ToScanner) => {
  if (message === END) last = last.then(() => port.close())
  else {
    last = last
      .then(async () => send({ type: 'answer', number: message.number, answer: await scanner.scan(op, message.task) }))
      .catch((error: unknown) => send({ type: 'failed', error: toPlainError(error) }))
  }
})
