/**
 * Which agent asks. Three things must agree: the key of the client's certificate, the key that was enrolled, and a signature by it on this very request, made in the epoch
 * that the last hello began and with a counter that was not seen before. Judged before a body is read.
 */
import { createPublicKey, type X509Certificate } from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import type { FastifyRequest } from 'fastify'
import { type Clock, fromTimestamp, toTimestamp } from '../../base/clock.ts'
import { agentHeaders, agentLimits, idShape, sha256Shape, verifyAgentRequest } from '../../wire/index.ts'
import type { AgentDesk } from './desk.ts'
import { agentError } from './errors.ts'

export interface Asker {
  readonly agentId: string
  /** SHA-256 of the body, or `name`. */
  readonly content: string
}

/** Counters that may still come although a higher one was there: requests of one lane may overtake each other. */
const WINDOW = 1024
/** Before lanes that are no longer used are let go of: an agent has one for each thread of each job. */
const MANY_LANES = 1024
const LANE = /^[A-Za-z0-9-]{1,64}$/

interface Lane {
  lastMs: number
  highest: number
  readonly seen: Set<number>
}

/**
 * A server that was rebuilt from a copy does not know which epochs were given after that: it goes on so far above. An agent that works in one of before says hello anew; it
 * is no second process of the same identity.
 */
export const EPOCHS_SKIPPED = 1_000_000

export class AgentGuard {
  readonly #desk: AgentDesk
  readonly #clock: Clock
  readonly #hellos = new Map<string, number>()
  readonly #keys = new WeakMap<object, string>()
  readonly #lanes = new Map<string, { readonly epoch: number; readonly lanes: Map<string, Lane> }>()

  constructor(desk: AgentDesk, clock: Clock) {
    this.#desk = desk
    this.#clock = clock
  }

  /** `isHello`: the request that begins an epoch is made in none. */
  async authenticate(request: FastifyRequest, isHello: boolean): Promise<Asker> {
    const id = idShape.safeParse(header(request, agentHeaders.agent))
    const agent = id.success ? await this.#desk.find(id.data) : undefined
    const key = clientKey(request)
    // The same answer for an agent that there is not and for a wrong key: nobody learns which ids there are.
    if (!agent || !key || key !== this.#spki(agent.publicKey)) throw agentError('AGENT_UNKNOWN', 'this agent is not enrolled here')
    const epoch = count(header(request, agentHeaders.epoch))
    const counter = count(header(request, agentHeaders.counter))
    const lane = header(request, agentHeaders.lane) ?? ''
    const time = header(request, agentHeaders.time) ?? ''
    const content = header(request, agentHeaders.content) ?? ''
    const signed = { method: request.method, target: request.raw.url ?? '', time, content, agentId: agent.id, epoch, lane, counter }
    const isShaped = LANE.test(lane) && (content === 'name' || sha256Shape.safeParse(content).success)
    if (!isShaped || !verifyAgentRequest(signed, header(request, agentHeaders.signature) ?? '', agent.publicKey)) {
      throw agentError('AGENT_SIGNATURE_INVALID', 'the signature of the request is wrong')
    }
    if (!(Math.abs(fromTimestamp(time) - this.#clock.nowMs()) <= agentLimits.clockSkewMs)) {
      throw agentError('AGENT_CLOCK_SKEWED', `the agent says it is ${time}, here it is ${toTimestamp(this.#clock.nowMs())}`)
    }
    if (!agent.isEnabled) throw agentError('AGENT_DISABLED', 'this agent was disabled on the server')
    if (!isHello && agent.epoch - epoch >= EPOCHS_SKIPPED / 2)
      throw agentError('AGENT_EPOCH_UNKNOWN', `the request is of epoch ${epoch}, which was before this server was rebuilt`)
    if (!isHello && epoch !== agent.epoch)
      throw agentError('AGENT_SUPERSEDED', `the request is of epoch ${epoch}, the agent is in ${agent.epoch}`)
    if (isHello) this.#checkHello(agent.id, fromTimestamp(time))
    else this.#checkCounter(agent.id, epoch, lane, counter)
    this.#desk.seen(agent.id)
    return { agentId: agent.id, content }
  }

  #spki(publicKey: X509Certificate['publicKey']): string {
    const known = this.#keys.get(publicKey) ?? spki(publicKey)
    this.#keys.set(publicKey, known)
    return known
  }

  /** It is made in no epoch, so it is its time that must rise. */
  #checkHello(agentId: string, timeMs: number): void {
    if (timeMs <= (this.#hellos.get(agentId) ?? 0)) throw agentError('AGENT_REPLAYED', 'this hello was there before')
    this.#hellos.set(agentId, timeMs)
  }

  #checkCounter(agentId: string, epoch: number, lane: string, counter: number): void {
    let known = this.#lanes.get(agentId)
    if (known?.epoch !== epoch) {
      known = { epoch, lanes: new Map() }
      this.#lanes.set(agentId, known)
    }
    let state = known.lanes.get(lane)
    if (!state) {
      if (known.lanes.size >= MANY_LANES) forget(known.lanes, this.#clock.nowMs())
      state = { lastMs: 0, highest: 0, seen: new Set() }
      known.lanes.set(lane, state)
    }
    if (counter <= state.highest - WINDOW || state.seen.has(counter))
      throw agentError('AGENT_REPLAYED', `request ${counter} of lane ${lane} was there before`)
    state.lastMs = this.#clock.nowMs()
    state.seen.add(counter)
    state.highest = Math.max(state.highest, counter)
    if (state.seen.size > 2 * WINDOW) for (const old of state.seen) if (old <= state.highest - WINDOW) state.seen.delete(old)
  }
}

/** SPKI in base64 of the certificate with which the client made the connection. */
export function clientKey(request: FastifyRequest): string | undefined {
  const socket = request.raw.socket as TLSSocket
  const known = keysOfSockets.get(socket)
  if (known !== undefined) return known
  const certificate = socket.getPeerX509Certificate?.()
  const key = certificate && spki(certificate.publicKey)
  if (key !== undefined) keysOfSockets.set(socket, key)
  return key
}

/** A connection has one certificate for as long as it lives: TLS 1.3 without authentication after the handshake. */
const keysOfSockets = new WeakMap<TLSSocket, string>()

export function spki(key: X509Certificate['publicKey']): string {
  return key.export({ format: 'der', type: 'spki' }).toString('base64')
}

export function keyOf(text: string) {
  return createPublicKey({ key: Buffer.from(text, 'base64'), format: 'der', type: 'spki' })
}

function header(request: FastifyRequest, name: string): string | undefined {
  const value = request.headers[name]
  return typeof value === 'string' ? value : undefined
}

function count(text: string | undefined): number {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : -1
}

/** What they sent is too old to be taken again, whatever its counter. */
function forget(lanes: Map<string, Lane>, nowMs: number): void {
  for (const [name, { lastMs }] of lanes) if (nowMs - lastMs > 2 * agentLimits.clockSkewMs) lanes.delete(name)
}
