/** What the agent says to its server: each request signed, over connections whose other end is known by its key, tried again while the server is away. */
import { hasCode } from '../base/errors.ts'
import type { Operation } from '../base/operation.ts'
import { pinnedFetch, type SessionAccess, type SharedThrottle } from '../storage/index.ts'
import {
  AGENT_PROTOCOLS,
  type AgentCommand,
  type AgentEvent,
  type AgentReply,
  type AgentSession,
  AgentSigner,
  type Answer,
  agentPaths,
  agentSessionShape,
  commandsShape,
  eventsAnswerShape,
  exchange,
  type Fetch,
  helloAnswerShape,
  type Platform,
  readAnswer,
  readSigningKey,
} from '../wire/index.ts'
import type { AgentIdentity } from './identity.ts'

/** Of a job's own requests: a server that is restarted is waited for, about ten minutes. */
const PATIENT_TRIES = 40

type Method = 'GET' | 'POST' | 'DELETE'

interface Shape<T> {
  safeParse(json: unknown): { success: true; data: T } | { success: false }
}

export class ServerConnection {
  readonly identity: AgentIdentity
  readonly #fetch: Fetch
  readonly #signer: AgentSigner
  /** Of its own: jobs go on to ask while a hello is under way. */
  readonly #greeter: AgentSigner

  constructor(identity: AgentIdentity) {
    const parts = { agentId: identity.agentId, key: readSigningKey(identity.privateKey), epoch: 0 }
    this.identity = identity
    this.#fetch = pinnedFetch(identity)
    this.#signer = new AgentSigner({ ...parts, lane: 'main' })
    this.#greeter = new AgentSigner({ ...parts, lane: 'hello' })
  }

  get epoch(): number {
    return this.#signer.epoch
  }

  /** Begins an epoch: whatever else runs with this identity is refused from now on. */
  async hello(op: Operation, about: { readonly version: string; readonly platform: Platform; readonly jobs: readonly string[] }) {
    const body = { protocols: AGENT_PROTOCOLS, ...about }
    const answer = this.#read(await this.#send(op, this.#greeter, 'POST', agentPaths.hello, body, 1), helloAnswerShape)
    this.#signer.beginEpoch(answer.epoch)
    return answer
  }

  /** Waits at the server until there is something to do, or for some time. */
  async commands(op: Operation, taken: readonly string[]): Promise<readonly AgentCommand[]> {
    return (await this.#post(op, agentPaths.commands, { taken }, commandsShape, 1)).commands
  }

  events(op: Operation, jobId: string, first: number, events: readonly AgentEvent[]) {
    return this.#post(op, agentPaths.events(jobId), { first, events }, eventsAnswerShape, PATIENT_TRIES)
  }

  async reply(op: Operation, commandId: string, reply: AgentReply): Promise<void> {
    await this.#ask(op, 'POST', agentPaths.replies(commandId), reply, 5)
  }

  async bundlePart(op: Operation, sha256: string, offset: number): Promise<Uint8Array<ArrayBuffer>> {
    return (await this.#ask(op, 'GET', agentPaths.bundle(sha256, offset), undefined, PATIENT_TRIES)).bytes
  }

  openSession(op: Operation, jobId: string): Promise<AgentSession> {
    return this.#post(op, agentPaths.sessions, { jobId }, agentSessionShape, PATIENT_TRIES)
  }

  async endSession(op: Operation, sessionId: string): Promise<void> {
    await this.#ask(op, 'DELETE', agentPaths.session(sessionId), undefined, 1)
  }

  /** For stores of a session, also those of other threads. */
  access(
    sessionId: string,
    use: SessionAccess['use'],
    { throttle: shared, isNarrow }: { readonly throttle: SharedThrottle | undefined; readonly isNarrow: boolean },
  ): SessionAccess {
    const { url, agentId, certificate, privateKey, server } = this.identity
    const throttle = shared ? { throttle: shared } : {}
    return { url, agentId, sessionId, epoch: this.#signer.epoch, use, identity: { certificate, privateKey, server }, isNarrow, ...throttle }
  }

  async #post<T>(op: Operation, path: string, body: object, shape: Shape<T>, tries: number): Promise<T> {
    return this.#read(await this.#ask(op, 'POST', path, body, tries), shape)
  }

  #read<T>(answer: Answer, shape: Shape<T>): T {
    return readAnswer(answer, this.identity.url, shape, 'server')
  }

  async #ask(op: Operation, method: Method, target: string, body: object | undefined, tries: number): Promise<Answer> {
    const { epoch } = this.#signer
    try {
      return await this.#send(op, this.#signer, method, target, body, tries)
    } catch (error) {
      // Another hello of this very process came in between.
      if (hasCode(error, 'AGENT_SUPERSEDED') && this.#signer.epoch !== epoch) return this.#ask(op, method, target, body, tries)
      throw error
    }
  }

  #send(op: Operation, signer: AgentSigner, method: Method, target: string, body: object | undefined, tries: number) {
    const bytes = body && new TextEncoder().encode(JSON.stringify(body))
    const headers = () => ({
      ...(bytes ? { 'content-type': 'application/json' } : {}),
      ...signer.headers(op, method, target, bytes),
    })
    return exchange(op, this.#fetch, {
      url: this.identity.url,
      method,
      target,
      headers,
      peer: 'server',
      tries,
      ...(bytes ? { body: bytes } : {}),
    })
  }
}
