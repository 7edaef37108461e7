/**
 * Ed25519 on every request of an agent, so that neither a fault of TLS nor a proxy is enough to speak in its name. The text covers method, path with query, time, the
 * body's hash, who asks, the epoch that `hello` gave, and a counter that rises within a lane: a request that comes a second time is refused.
 */
import { type KeyObject, sign, verify } from 'node:crypto'
import { toTimestamp } from '../base/clock.ts'
import type { Operation } from '../base/operation.ts'
import { agentHeaders } from './agent-api.ts'
import { sha256Hex } from './signature.ts'

export interface AgentRequest {
  readonly method: string
  /** Path and query, exactly as they are sent. */
  readonly target: string
  readonly time: string
  readonly content: string
  readonly agentId: string
  readonly epoch: number
  readonly lane: string
  readonly counter: number
}

function requestText({ method, target, time, content, agentId, epoch, lane, counter }: AgentRequest): Buffer {
  return Buffer.from(['terp/1/agent-request', method, target, time, content, agentId, epoch, lane, counter].join('\n'))
}

export function verifyAgentRequest(request: AgentRequest, signature: string, publicKey: KeyObject): boolean {
  return verify(null, requestText(request), publicKey, Buffer.from(signature, 'base64'))
}

/** Signs the requests of one thread of an agent. */
export class AgentSigner {
  readonly #agentId: string
  readonly #key: KeyObject
  readonly #lane: string
  #epoch: number
  #counter = 0

  /** `lane`: a name that no other signer of this epoch has. */
  constructor(parts: { readonly agentId: string; readonly key: KeyObject; readonly lane: string; readonly epoch: number }) {
    this.#agentId = parts.agentId
    this.#key = parts.key
    this.#lane = parts.lane
    this.#epoch = parts.epoch
  }

  get epoch(): number {
    return this.#epoch
  }

  beginEpoch(epoch: number): void {
    this.#epoch = epoch
    this.#counter = 0
  }

  /** As of now, and for one request. `isNamed`: the target ends with the name of the body's hash. */
  headers(op: Operation, method: string, target: string, body: Uint8Array | undefined, isNamed = false): Record<string, string> {
    const request: AgentRequest = {
      method,
      target,
      time: toTimestamp(op.clock.nowMs()),
      content: isNamed ? 'name' : sha256Hex(body ?? new Uint8Array(0)),
      agentId: this.#agentId,
      epoch: this.#epoch,
      lane: this.#lane,
      counter: ++this.#counter,
    }
    return {
      [agentHeaders.agent]: request.agentId,
      [agentHeaders.epoch]: String(request.epoch),
      [agentHeaders.lane]: request.lane,
      [agentHeaders.counter]: String(request.counter),
      [agentHeaders.time]: request.time,
      [agentHeaders.content]: request.content,
      [agentHeaders.signature]: sign(null, requestText(request), this.#key).toString('base64'),
    }
  }
}
