/**
 * One request to a vault, or to a backup server, and its answer, tried again while that may help. Only `retry: 'later'` is tried again: the network is down, 429, a 5xx
 * that says nothing else. Every request of ours is safe to repeat, so a lost answer is no special case.
 */
import { TerpError } from '../base/errors.ts'
import type { Operation } from '../base/operation.ts'
import { type Peer, peerErrors } from './errors.ts'
import { fromProblem } from './problem.ts'

/** What is looked at of an answer. */
export type Fetched = Pick<Response, 'status' | 'headers' | 'arrayBuffer'>
export type Fetch = (input: string, init: RequestInit) => Promise<Fetched>

export interface ExchangeRequest {
  /** Scheme, host and port, without a `/` at the end. */
  readonly url: string
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE'
  /** Path and query. */
  readonly target: string
  /** Made anew for each try: a signature holds the time. */
  readonly headers: () => Record<string, string>
  readonly body?: Uint8Array<ArrayBuffer>
  /** At most so many; 5 unless told. */
  readonly tries?: number
  /** Who is asked: a vault unless told. */
  readonly peer?: Peer
}

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly bytes: Uint8Array<ArrayBuffer>
}

/** Waits before the second and later tries; the last one again and again. */
const WAITS_MS = [1000, 2000, 4000, 8000, 15_000]
/** In about 15 seconds. */
const USUAL_TRIES = 5

/** The answer if the vault granted the request; otherwise the vault's own error, or one of `wireError`. */
export async function exchange(op: Operation, fetch: Fetch, request: ExchangeRequest): Promise<Answer> {
  for (let tried = 0; ; tried++) {
    op.check()
    const result = await tryOnce(op, fetch, request)
    if (!(result instanceof Error)) return result
    const waitMs = WAITS_MS[Math.min(tried, WAITS_MS.length - 1)] as number
    if (result.retry !== 'later' || tried + 1 >= (request.tries ?? USUAL_TRIES)) throw result
    await sleep(op, waitMs)
  }
}

async function tryOnce(
  op: Operation,
  fetch: Fetch,
  { url, method, target, headers, body, peer = 'vault' }: ExchangeRequest,
): Promise<Answer | TerpError> {
  let answer: Answer
  try {
    const init: RequestInit = { method, headers: headers(), redirect: 'manual', signal: op.signal, ...(body && { body }) }
    const response = await fetch(url + target, init)
    answer = { status: response.status, headers: response.headers, bytes: new Uint8Array(await response.arrayBuffer()) }
  } catch (cause) {
    op.check()
    if (cause instanceof TerpError) return cause // who answers is not who was meant
    return peerErrors[peer].unreachable(`${url} does not answer`, { cause, context: { url } })
  }
  return answer.status >= 200 && answer.status < 300 ? answer : refusal(url, answer, peer)
}

function refusal(url: string, { status, headers, bytes }: Answer, peer: Peer): TerpError {
  const problem = fromProblem(bytes, peer)
  const errors = peerErrors[peer]
  if (problem) return problem
  const context = { url, status, code: headers.get('terp-code') ?? undefined }
  if (status === 429 || status >= 500) return errors.unreachable(`${url} answers with status ${status}`, { context })
  if (status === 401 || status === 403) return errors.refused(`${url} refuses with status ${status}`, { context })
  return errors.invalid(`${url} answers with status ${status} and no explanation`, { context })
}

async function sleep(op: Operation, ms: number): Promise<void> {
  // Clients that lost the same vault must not come back all at once.
  const spread = 0.75 + (op.random.bytes(1)[0] ?? 0) / 512
  try {
    await op.clock.sleep(ms * spread, op.signal)
  } catch (cause) {
    op.check()
    throw cause
  }
}

/** JSON of an answer, in the shape that is expected; VAULT_ANSWER_INVALID or SERVER_ANSWER_INVALID otherwise. */
export function readAnswer<T>(
  answer: Answer,
  url: string,
  shape: { safeParse(json: unknown): { success: true; data: T } | { success: false } },
  peer: Peer = 'vault',
): T {
  let json: unknown
  try {
    json = JSON.parse(new TextDecoder().decode(answer.bytes))
  } catch {
    // Judged below like any other answer that is not ours.
    json = undefined
  }
  const parsed = shape.safeParse(json)
  if (!parsed.success) throw peerErrors[peer].invalid(`${url} answers with something else than was asked for`, { context: { url } })
  return parsed.data
}
