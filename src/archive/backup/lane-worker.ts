/** The worker thread of a lane: batches come in, one after the other; answers and sealed packs go out. */
import { parentPort, workerData } from 'node:worker_threads'
import { baseError, invariant, toPlainError } from '../../base/errors.ts'
import { startOperation } from '../../base/operation.ts'
import { openStore } from '../../storage/index.ts'
import { END } from '../end-workers.ts'
import { Lane } from './lane.ts'
import { decodeBatch, encodeAnswer } from './lane-codec.ts'
import type { FromLane, LaneSetup, ToLane } from './lane-protocol.ts'

const port = parentPort
invariant(port, 'this file runs as a worker')
const setup = workerData as LaneSetup
const send = (message: FromLane) => port.postMessage(message)
const stop = new Int32Array(setup.stop)
const op = {
  ...startOperation(),
  check: () => {
    if (Atomics.load(stop, 0) === 1) throw baseError('CANCELLED', 'interrupted')
  },
}
const lane = new Lane({
  store: await openStore(setup.store, setup.grant.tag),
  grant: setup.grant,
  chunking: setup.chunking,
  onSealed: (pack) => send({ type: 'sealed', pack }),
})

let last: Promise<void> = Promise.resolve()
port.on('message', (message: ToLane) => {
  // `known` is taken in at once; the rest in order.
  if (message === END) last = last.then(() => port.close())
  else if (message.type === 'known') lane.known.adopt(message.memory)
  else last = last.then(() => act(message)).catch((error: unknown) => send({ type: 'failed', error: toPlainError(error) }))
})

async function act(message: Exclude<ToLane, typeof END | { type: 'known' }>): Promise<void> {
  if (message.type === 'flush') {
    await lane.flush(op)
    send({ type: 'flushed', number: message.number })
    return
  }
  const files = decodeBatch(message.files)
  const answer = encodeAnswer(files, await lane.process(op, files))
  port?.postMessage({ type: 'answer', number: message.number, answer } satisfies FromLane, [answer.buffer])
}
