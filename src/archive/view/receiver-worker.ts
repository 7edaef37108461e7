/** The worker thread of a receiver: packs come in, one after the other; what became of them goes out. */
import { parentPort, workerData } from 'node:worker_threads'
import { invariant, toPlainError } from '../../base/errors.ts'
import { startOperation } from '../../base/operation.ts'
import { openStore } from '../../storage/index.ts'
import { END } from '../end-workers.ts'
import { PackReceiver } from './receiver.ts'
import type { FromReceiver, ReceiverSetup, ToReceiver } from './receivers.ts'

const port = parentPort
invariant(port, 'this file runs as a worker')
const setup = workerData as ReceiverSetup
const receiver = new PackReceiver(await openStore(setup.store, setup.tag))
const op = startOperation()

let last: Promise<void> = Promise.resolve()
port.on('message', (message: ToReceiver) => {
  if (message === END) last = last.then(() => port.close())
  else if (message.type === 'forget') last = last.then(() => receiver.forget(message.session))
  else last = last.then(() => take(message))
})

async function take({ number, sent }: Extract<ToReceiver, { type: 'take' }>): Promise<void> {
  try {
    const { ids, sealed } = await receiver.take(op, {
      ...sent,
      bytes: Buffer.from(sent.bytes.buffer, sent.bytes.byteOffset, sent.bytes.length),
    })
    port?.postMessage({ type: 'taken', number, ids, sealed } satisfies FromReceiver, [ids.buffer as ArrayBuffer])
  } catch (error) {
    port?.postMessage({ type: 'refused', number, error: toPlainError(error) } satisfies FromReceiver)
  }
}
