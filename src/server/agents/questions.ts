/** Questions that people ask an agent now: what there is, what lies in a folder. Its answer goes to who asked, or nobody waits any more. */

import { TerpError } from '../../base/errors.ts'
import type { Operation } from '../../base/operation.ts'
import type { AgentReply, AgentTask } from '../../wire/index.ts'
import { jobError } from '../jobs/errors.ts'
import type { CommandQueue } from './command-queue.ts'

const PATIENCE_MS = 30_000

type Question = Extract<AgentTask, { kind: 'browse' | 'discover' }>
type AnswerTo<Q extends Question> = Extract<AgentReply, { kind: Q['kind'] }>

export class Questions {
  readonly #op: Operation
  readonly #queue: CommandQueue
  readonly #waiting = new Map<string, { readonly agentId: string; readonly answer: (reply: AgentReply) => void }>()

  constructor(op: Operation, queue: CommandQueue) {
    this.#op = op
    this.#queue = queue
  }

  /** AGENT_AWAY, AGENT_SILENT, or what the agent says is wrong. */
  async ask<Q extends Question>(agentId: string, question: Q, signal: AbortSignal): Promise<AnswerTo<Q>> {
    if (!this.#queue.isConnected(agentId)) throw jobError('AGENT_AWAY', 'the agent is not connected')
    const id = this.#queue.send(agentId, question)
    const stop = new AbortController()
    const over = AbortSignal.any([stop.signal, signal, this.#op.signal])
    try {
      const reply = await Promise.race([
        new Promise<AgentReply>((answer) => this.#waiting.set(id, { agentId, answer })),
        this.#op.clock.sleep(PATIENCE_MS, over).then(
          () => undefined,
          () => undefined,
        ),
      ])
      if (!reply) throw jobError('AGENT_SILENT', 'the agent did not answer in time')
      if (reply.kind === 'error') {
        const { code, message, hint, context } = reply.error
        // Kinds that an agent makes up are none of ours: what it could not do, the request could not have.
        const kind = reply.error.kind === 'not-found' ? 'not-found' : reply.error.kind === 'invalid' ? 'invalid' : 'unavailable'
        throw new TerpError(code, { kind, hint }, message, { context })
      }
      if (reply.kind !== question.kind) throw jobError('AGENT_SILENT', 'the agent answered another question')
      return reply as AnswerTo<Q>
    } finally {
      this.#waiting.delete(id)
      this.#queue.withdrawCommand(agentId, id)
      stop.abort()
    }
  }

  /** Too late, or of another agent: passed over. */
  answered(agentId: string, commandId: string, reply: AgentReply): void {
    const waiting = this.#waiting.get(commandId)
    if (waiting?.agentId === agentId) waiting.answer(reply)
  }
}
