/** The body of a request of an agent, in memory of its own, read no faster than the budget has room. */
import type { ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'
import type { Clock } from '../../base/clock.ts'
import { baseError } from '../../base/errors.ts'
import type { UploadShare } from './upload-budget.ts'

const PIECE_BYTES = 1_048_576
/** Less than the time after which an agent takes a silent connection for dead. */
const SIGN_OF_LIFE_MS = 20_000
/** Without a byte that was not waited for, whoever sends is gone: what it holds, others wait for. The slowest line that an agent may be told to use brings some in less. */
const SILENCE_MS = 120_000

export interface BodyParts {
  readonly share: UploadShare
  /** As the header says it. */
  readonly length: number
  readonly clock: Clock
  /** Where the answer will go: told now and then that its sender is not forgotten. */
  readonly answer: ServerResponse
}

/** The share is complete then; whoever is done with the bytes ends it. It is ended here when the body does not come. */
export async function readBody(payload: Readable, { share, length, clock, answer }: BodyParts): Promise<Buffer> {
  const gone = new AbortController()
  const leave = () => gone.abort()
  // Also when nobody reads: a body that waits for its turn would not notice. One that came whole closes too, and waits on.
  const cutOff = () => {
    if (!payload.readableEnded) leave()
  }
  payload.once('close', cutOff)
  answer.once('close', leave)
  const heard = { atMs: clock.monotonicMs(), isWaiting: false }
  void endSilent(payload, heard, clock, gone.signal)
  try {
    // Memory that nobody has written to is not there yet.
    const body = Buffer.allocUnsafeSlow(length)
    let [at, granted] = [0, 0]
    for await (const part of payload as AsyncIterable<Buffer>) {
      while (granted < at + part.length) {
        const piece = Math.min(PIECE_BYTES, length - granted)
        heard.isWaiting = true
        await withSignsOfLife(share.take(piece, gone.signal), clock, answer)
        heard.isWaiting = false
        granted += piece
      }
      heard.atMs = clock.monotonicMs()
      body.set(part, at)
      at += part.length
    }
    share.complete()
    return at === length ? body : body.subarray(0, at)
  } catch (error) {
    share.end()
    throw error
  } finally {
    payload.off('close', cutOff)
    answer.off('close', leave)
    leave()
  }
}

interface Heard {
  atMs: number
  isWaiting: boolean
}

async function endSilent(payload: Readable, heard: Heard, clock: Clock, over: AbortSignal): Promise<void> {
  while (!over.aborted) {
    const silentMs = heard.isWaiting ? 0 : clock.monotonicMs() - heard.atMs
    if (silentMs >= SILENCE_MS) return void payload.destroy(baseError('CANCELLED', 'whoever sent it has gone silent'))
    await clock.sleep(SILENCE_MS - silentMs, over).catch(() => undefined)
  }
}

async function withSignsOfLife(taken: Promise<void>, clock: Clock, answer: ServerResponse): Promise<void> {
  const over = new AbortController()
  const stop = () => over.abort()
  taken.then(stop, stop)
  await Promise.resolve()
  while (!over.signal.aborted) {
    const waited = clock.sleep(SIGN_OF_LIFE_MS, over.signal).then(
      () => true,
      () => false,
    )
    if ((await Promise.race([waited, taken.then(() => false)])) && !answer.headersSent) answer.writeProcessing()
  }
  await taken
}
