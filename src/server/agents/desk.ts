/** What the agent's port asks of those who know: who an agent is, what it shall do, what becomes of what it tells. */
import type { KeyObject } from 'node:crypto'
import type { ViewStore } from '../../repository/index.ts'
import type { AgentCommand, AgentEvent, AgentHello, AgentReply, AgentSession, Platform } from '../../wire/index.ts'

export interface KnownAgent {
  readonly id: string
  readonly publicKey: KeyObject
  readonly isEnabled: boolean
  /** Of its last hello; 0 before the first. */
  readonly epoch: number
}

export interface Enrolment {
  readonly token: string
  readonly name: string
  readonly version: string
  readonly platform: Platform
  /** SPKI in base64, as in the certificate with which the connection was made. */
  readonly publicKey: string
}

export interface OpenedSession {
  readonly answer: Omit<AgentSession, 'sessionId'>
  readonly store: ViewStore
  /** Lets go of all that it holds; the job goes on or fails elsewhere. */
  end(): Promise<void>
}

export interface AgentDesk {
  /** By the id, or undefined. */
  find(agentId: string): Promise<KnownAgent | undefined>
  /** AGENT_TOKEN_INVALID. The token is used up. */
  enrol(enrolment: Enrolment): Promise<{ readonly agentId: string; readonly serverId: string; readonly name: string }>
  /** Begins the agent's next epoch. `abandoned`: of its jobs, those that the server no longer runs. */
  hello(agentId: string, hello: AgentHello): Promise<{ readonly epoch: number; readonly abandoned: readonly string[] }>
  /** It said hello in protocols that this server does not speak. */
  refused(agentId: string, hello: Pick<AgentHello, 'protocols' | 'version'>): Promise<void>
  /** Waits for one at most `waitMs`. */
  commands(agentId: string, taken: readonly string[], waitMs: number, signal: AbortSignal): Promise<readonly AgentCommand[]>
  reply(agentId: string, commandId: string, reply: AgentReply): Promise<void>
  /** Numbers from `first` on; what was told before is passed over. */
  events(
    agentId: string,
    jobId: string,
    first: number,
    events: readonly AgentEvent[],
  ): Promise<{ readonly next: number; readonly cancel: boolean }>
  /** SESSION_REFUSED unless the job is the agent's and runs. */
  openSession(agentId: string, jobId: string): Promise<OpenedSession>
  /** A part of the agent's own program, from that byte on; undefined: there is no such file. */
  bundlePart?(sha256: string, offset: number): Promise<Buffer | undefined>
  /** It asked for something just now. */
  seen(agentId: string): void
}
