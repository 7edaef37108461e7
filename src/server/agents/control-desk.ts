/** The desk of the agents' port, over the catalog: who they are, what they shall do, and what becomes of what they tell (§10.12). */
import { createHash, createPublicKey } from 'node:crypto'
import type { Operation } from '../../base/operation.ts'
import { randomHex } from '../../base/random.ts'
import type { Agent, Catalog, JsonObject } from '../../catalog/index.ts'
import { AGENT_PROTOCOLS, type AgentCommand, type AgentEvent, type AgentHello, type AgentReply } from '../../wire/index.ts'
import type { AlertDesk } from '../alerts/alert-desk.ts'
import { sha256Of } from '../auth/tokens.ts'
import type { ServerContext } from '../context.ts'
import type { JobEngine } from '../jobs/engine.ts'
import { greetAgent, moveAgent } from './agent-state.ts'
import type { AgentBundles } from './bundles.ts'
import type { CommandQueue } from './command-queue.ts'
import type { AgentDesk, Enrolment, KnownAgent, OpenedSession } from './desk.ts'
import { agentError } from './errors.ts'
import type { Questions } from './questions.ts'

export interface ControlDeskParts {
  readonly context: ServerContext
  readonly engine: JobEngine
  readonly queue: CommandQueue
  readonly questions: Questions
  readonly alerts: AlertDesk
  readonly serverId: string
  readonly bundles: AgentBundles
}

/** How often it is written that an agent was heard of. */
const WRITE_SEEN_MS = 60_000

export class ControlDesk implements AgentDesk {
  readonly #parts: ControlDeskParts
  readonly #op: Operation
  readonly #catalog: Catalog
  /** Read with every request; changed only here and by `forget`. */
  readonly #known = new Map<string, KnownAgent | null>()
  readonly #writtenMs = new Map<string, number>()

  constructor(parts: ControlDeskParts) {
    this.#parts = parts
    this.#op = parts.context.op
    this.#catalog = parts.context.catalog
  }

  /** Its record was changed: it is read anew. */
  forget(agentId: string): void {
    this.#known.delete(agentId)
    this.#writtenMs.delete(agentId)
  }

  async find(agentId: string): Promise<KnownAgent | undefined> {
    const known = this.#known.get(agentId)
    if (known !== undefined) return known ?? undefined
    const agent = await this.#catalog.agents.find(agentId)
    // Strangers must not fill the memory with ids that they make up.
    if (!agent || agent.revokedMs !== undefined) return undefined
    const found = knownOf(agent)
    this.#known.set(agentId, found)
    return found
  }

  async enrol({ token, name, version, platform, publicKey }: Enrolment) {
    const agentId = randomHex(this.#op.random, 16)
    const { random } = this.#op
    const enrolled = await this.#catalog.transaction(async (records) => {
      const used = await records.enrolmentTokens.use(sha256Of(token), agentId)
      if (!used) throw agentError('AGENT_TOKEN_INVALID', 'the enrolment token is unknown, used, revoked or too old')
      const wanted = used.agentName ?? name
      const isTaken = (await records.agents.findByName(wanted)) !== undefined
      const agent = await records.agents.enrol({
        id: agentId,
        // Two machines may call themselves alike; whoever chose a name for this one is told that it is taken.
        name: isTaken && used.agentName === undefined ? `${wanted}-${randomHex(random, 3)}` : wanted,
        publicKey,
        publicKeySha256: createHash('sha256').update(Buffer.from(publicKey, 'base64')).digest('hex'),
        programVersion: version,
        protocolVersion: Math.max(...AGENT_PROTOCOLS),
        platform: { ...platform },
      })
      await records.audit.append({
        actor: { kind: 'agent', id: agentId, name: agent.name },
        address: '',
        action: 'agent.enrol',
        subject: { kind: 'agent', id: agentId },
        outcome: 'done',
        details: { name: agent.name, token: used.id },
      })
      return agent
    })
    this.#parts.context.events.publish('agent', { id: agentId, name: enrolled.name, state: enrolled.state })
    return { agentId, serverId: this.#parts.serverId, name: enrolled.name }
  }

  async hello(agentId: string, hello: AgentHello) {
    const { agents } = this.#catalog
    const agent = await agents.get(agentId)
    const epoch = await agents.beginEpoch(agentId)
    this.#known.set(agentId, { ...knownOf(agent), epoch })
    const protocolVersion = Math.max(...AGENT_PROTOCOLS.filter((version) => hello.protocols.includes(version)))
    const platform = JSON.parse(JSON.stringify(hello.platform)) as JsonObject
    await agents.seen(agentId, { programVersion: hello.version, protocolVersion, platform })
    await this.#isThere(agent, hello.version)
    const abandoned = await this.#parts.engine.hello(agentId, hello.jobs)
    return { epoch, abandoned }
  }

  /** 3121 */
  async refused(agentId: string, { protocols, version }: Pick<AgentHello, 'protocols' | 'version'>): Promise<void> {
    const agent = await this.#catalog.agents.get(agentId)
    await moveAgent(this.#parts.context, agent, 'find-incompatible')
    const message = `the agent (${version}) speaks protocol ${protocols.join(', ')}, this server ${AGENT_PROTOCOLS.join(', ')}`
    await this.#parts.alerts.raise('agent-incompatible', { id: agentId, name: agent.name, message })
  }

  async #isThere(agent: Agent, version = agent.programVersion ?? ''): Promise<void> {
    const { platform } = await this.#catalog.agents.get(agent.id)
    const update = platform?.takesUpdates === true ? await this.#parts.bundles.newerFor(String(platform.arch), version) : undefined
    await greetAgent(this.#parts.context, agent, version, update?.version)
    await this.#parts.alerts.resolve('agent-unreachable', agent.id)
    await this.#parts.alerts.resolve('agent-incompatible', agent.id)
    this.#parts.context.metrics.agentUp.set({ agent: agent.name }, 1)
  }

  async commands(agentId: string, taken: readonly string[], waitMs: number, signal: AbortSignal): Promise<readonly AgentCommand[]> {
    return await this.#parts.queue.take(agentId, taken, waitMs, signal)
  }

  async reply(agentId: string, commandId: string, reply: AgentReply): Promise<void> {
    this.#parts.questions.answered(agentId, commandId, reply)
  }

  events(agentId: string, jobId: string, first: number, events: readonly AgentEvent[]) {
    return this.#parts.engine.events(agentId, jobId, first, events)
  }

  openSession(agentId: string, jobId: string): Promise<OpenedSession> {
    return this.#parts.engine.openSession(agentId, jobId)
  }

  bundlePart(sha256: string, offset: number): Promise<Buffer | undefined> {
    return this.#parts.bundles.part(sha256, offset)
  }

  seen(agentId: string): void {
    this.#parts.queue.seen(agentId)
    const nowMs = this.#op.clock.monotonicMs()
    if (nowMs - (this.#writtenMs.get(agentId) ?? Number.NEGATIVE_INFINITY) < WRITE_SEEN_MS) return
    this.#writtenMs.set(agentId, nowMs)
    void this.#write(agentId).catch((error: unknown) => {
      if (!this.#op.signal.aborted) this.#op.warn({ code: 'INTERNAL', message: String(error), item: 'agents' })
    })
  }

  async #write(agentId: string): Promise<void> {
    await this.#catalog.agents.seen(agentId)
    const agent = await this.#catalog.agents.get(agentId)
    if (agent.state === 'unreachable') await this.#isThere(agent)
  }
}

function knownOf(agent: Agent): KnownAgent {
  return {
    id: agent.id,
    publicKey: createPublicKey({ key: Buffer.from(agent.publicKey, 'base64'), format: 'der', type: 'spki' }),
    isEnabled: agent.state !== 'disabled' && agent.state !== 'revoked',
    epoch: agent.epoch,
  }
}
