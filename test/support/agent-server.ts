/** A backup server as agents see it: the real port over TLS, a real pool behind it, and a desk that tests look into. */
import { createPublicKey } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import { inlineReceivers, openBackupView, openRestoreView } from '../../src/archive/index.ts'
import { type Operation, startOperation, type Warning } from '../../src/base/operation.ts'
import { randomHex } from '../../src/base/random.ts'
import { makeCertificate } from '../../src/certificates/index.ts'
import { openPoolWriter, type PoolWriter, type RecoveryPoint, Repository } from '../../src/repository/index.ts'
import { type AgentPort, makeAgentPort } from '../../src/server/agents/agent-port.ts'
import type { AgentDesk, Enrolment, KnownAgent, OpenedSession } from '../../src/server/agents/desk.ts'
import { agentError } from '../../src/server/agents/errors.ts'
import { MemoryStore } from '../../src/storage/index.ts'
import { publicKeySha256 } from '../../src/storage/pinned-fetch.ts'
import {
  type AgentCommand,
  type AgentEvent,
  type AgentHello,
  type AgentReply,
  type AgentTask,
  encodeEnrolmentToken,
} from '../../src/wire/index.ts'
import { KEY_FILE, NO_LOCK, SMALL_CHUNKS, SMALL_PACK_BYTES } from './pool.ts'

export type BackupWish = Omit<Extract<AgentTask, { kind: 'backup' }>, 'jobId'>
export type RestoreWish = Omit<Extract<AgentTask, { kind: 'restore' }>, 'jobId'> & { readonly point: RecoveryPoint }

export interface TestJob {
  readonly id: string
  readonly agentId: string
  readonly task: BackupWish | RestoreWish
  readonly events: AgentEvent[]
  /** What `first` said, of each request. */
  readonly firsts: number[]
  point: RecoveryPoint | undefined
  isCancelled: boolean
  sessions: number
}

export class TestDesk implements AgentDesk {
  readonly agents = new Map<string, { known: KnownAgent; enrolment: Enrolment; hellos: AgentHello[] }>()
  /** Token to the time at which it ends. */
  readonly tokens = new Map<string, number>()
  readonly jobs = new Map<string, TestJob>()
  readonly replies = new Map<string, AgentReply>()
  readonly polls: { readonly agentId: string; readonly taken: readonly string[] }[] = []
  abandoned: string[] = []
  /** Told in place of an answer. */
  onEvents: ((job: TestJob, first: number, events: readonly AgentEvent[]) => void) | undefined
  readonly #op: Operation
  readonly #writer: PoolWriter
  readonly #queue: { readonly agentId: string; readonly command: AgentCommand }[] = []
  readonly #listeners = new Set<() => void>()

  constructor(op: Operation, writer: PoolWriter) {
    this.#op = op
    this.#writer = writer
  }

  get repository(): Repository {
    return this.#writer.repository
  }

  change(agentId: string, change: Partial<KnownAgent>): void {
    const agent = this.agents.get(agentId)
    if (agent) agent.known = { ...agent.known, ...change }
  }

  send(agentId: string, task: AgentTask, id = randomHex(this.#op.random, 16)): string {
    this.#queue.push({ agentId, command: { id, task } })
    this.#tell()
    return id
  }

  begin(agentId: string, wish: BackupWish | RestoreWish): TestJob {
    const id = randomHex(this.#op.random, 16)
    const job: TestJob = { id, agentId, task: wish, events: [], firsts: [], point: undefined, isCancelled: false, sessions: 0 }
    this.jobs.set(id, job)
    if (wish.kind === 'backup') this.send(agentId, { ...wish, jobId: id })
    else {
      const { point: _, ...task } = wish
      this.send(agentId, { ...task, jobId: id })
    }
    return job
  }

  /** Once it is so; looked at after each thing that an agent says. */
  async until<T>(what: () => T | undefined): Promise<T> {
    for (;;) {
      const found = what()
      if (found !== undefined) return found
      await new Promise<void>((resolve) => {
        const once = () => {
          this.#listeners.delete(once)
          resolve()
        }
        this.#listeners.add(once)
      })
    }
  }

  last(job: TestJob): Promise<Extract<AgentEvent, { type: 'finished' | 'failed' }>> {
    return this.until(() => job.events.find((event) => event.type === 'finished' || event.type === 'failed'))
  }

  #tell(): void {
    for (const listener of [...this.#listeners]) listener()
  }

  async find(agentId: string): Promise<KnownAgent | undefined> {
    return this.agents.get(agentId)?.known
  }

  async enrol(enrolment: Enrolment) {
    const until = this.tokens.get(enrolment.token)
    if (until === undefined || until < this.#op.clock.nowMs()) throw agentError('AGENT_TOKEN_INVALID', 'unknown, used or too old')
    this.tokens.delete(enrolment.token)
    const id = randomHex(this.#op.random, 16)
    const publicKey = createPublicKey({ key: Buffer.from(enrolment.publicKey, 'base64'), format: 'der', type: 'spki' })
    this.agents.set(id, { known: { id, publicKey, isEnabled: true, epoch: 0 }, enrolment, hellos: [] })
    return { agentId: id, serverId: '0'.repeat(32), name: enrolment.name }
  }

  async refused() {}

  async hello(agentId: string, hello: AgentHello) {
    const agent = this.agents.get(agentId)
    agent?.hellos.push(hello)
    const epoch = (agent?.known.epoch ?? 0) + 1
    this.change(agentId, { epoch })
    this.#tell()
    return { epoch, abandoned: this.abandoned }
  }

  async commands(agentId: string, taken: readonly string[], waitMs: number, signal: AbortSignal): Promise<readonly AgentCommand[]> {
    this.polls.push({ agentId, taken })
    const isTaken = (id: string) => this.polls.some((poll) => poll.taken.includes(id))
    const given = () => {
      const commands = this.#queue.filter((waiting) => waiting.agentId === agentId && !isTaken(waiting.command.id))
      return commands.length > 0 ? commands.map(({ command }) => command) : undefined
    }
    this.#tell()
    const over = new AbortController()
    const late = this.#op.clock.sleep(waitMs, AbortSignal.any([signal, over.signal])).then(
      () => [],
      () => [],
    )
    const commands = await Promise.race([this.until(given), late])
    over.abort()
    return commands
  }

  async reply(_agentId: string, commandId: string, reply: AgentReply): Promise<void> {
    this.replies.set(commandId, reply)
    this.#tell()
  }

  async events(agentId: string, jobId: string, first: number, events: readonly AgentEvent[]) {
    const job = this.jobs.get(jobId)
    if (job?.agentId !== agentId) return { next: first + events.length, cancel: true }
    this.onEvents?.(job, first, events)
    job.firsts.push(first)
    job.events.push(...events.slice(Math.max(0, job.events.length - first)))
    this.#tell()
    return { next: first + events.length, cancel: job.isCancelled }
  }

  async openSession(agentId: string, jobId: string): Promise<OpenedSession> {
    const job = this.jobs.get(jobId)
    if (job?.agentId !== agentId) throw agentError('SESSION_REFUSED', 'this agent has no such job')
    job.sessions++
    const { task } = job
    const view = task.kind === 'backup' ? await this.#backupView(job, task.source) : await this.#restoreView(job, task.point)
    const { bundle } = view.keys
    const text = (key: Uint8Array) => Buffer.from(key).toString('base64')
    return {
      answer: {
        kind: task.kind,
        masterKey: text(bundle.masterKey),
        idKey: text(bundle.idKey),
        chunkingKey: text(bundle.chunkingKey),
        ...(task.kind === 'restore' ? { point: task.point.id } : {}),
      },
      store: view.store,
      end: view.end,
    }
  }

  async #backupView(job: TestJob, source: string) {
    const session = await this.#writer.begin(this.#op)
    const view = await openBackupView(this.#op, {
      session,
      receivers: inlineReceivers(this.#writer.repository.store),
      scope: `${job.agentId} ${source}`,
      source,
      onCommitted: (point) => {
        job.point = point
      },
    })
    const end = async () => {
      view.end()
      await session.end()
    }
    return { ...view, end }
  }

  async #restoreView(job: TestJob, point: RecoveryPoint) {
    const repository = await Repository.open(this.#op, this.#writer.repository.store, KEY_FILE)
    const { index } = await repository.loadIndex(this.#op)
    const view = await openRestoreView(this.#op, { repository, index, scope: job.id, point })
    return { ...view, end: async () => view.end() }
  }

  seen(): void {}
}

export interface AgentServer {
  readonly op: Operation
  readonly warnings: Warning[]
  readonly desk: TestDesk
  readonly port: AgentPort
  readonly url: string
  /** SHA-256 of its key. */
  readonly key: string
  /** Made now, good for an hour. */
  token(): string
  tokenText(token: string): string
  /** The port is closed, with all that it holds open. */
  stop(): Promise<void>
  /** At the same address, with the same key, and without any session. */
  start(): Promise<void>
}

export async function anAgentServer(t: TestContext, { uploadBytes }: { readonly uploadBytes?: number } = {}): Promise<AgentServer> {
  const warnings: Warning[] = []
  const op = startOperation({ onWarning: (warning) => warnings.push(warning) })
  const store = new MemoryStore('a pool')
  const secrets = [{ secret: KEY_FILE, label: 'test' }]
  await Repository.create(op, store, { kind: 'pool', chunking: SMALL_CHUNKS, packBytes: SMALL_PACK_BYTES, secrets })
  const writer = await openPoolWriter(op, await Repository.open(op, store, KEY_FILE, 'write'), NO_LOCK, store)
  const desk = new TestDesk(op, writer)
  const hosts = ['127.0.0.1']
  const made = await makeCertificate({ name: 'server', hosts, random: op.random, nowMs: op.clock.nowMs(), algorithm: 'p-256' })
  const key = publicKeySha256(made.certificate)
  const server = { op, warnings, desk, key, port: undefined as unknown as AgentPort, url: '' }
  let isListening = false
  let number = 0
  const stop = async () => {
    if (!isListening) return
    isListening = false
    await server.port.sessions.endAll()
    await server.port.app.close()
  }
  const start = async () => {
    const parts = { desk, certificate: made.certificate, privateKey: made.privateKey, version: 'test' }
    server.port = makeAgentPort(op, uploadBytes === undefined ? parts : { ...parts, uploadBytes })
    await server.port.app.listen({ host: '127.0.0.1', port: number })
    number = (server.port.app.server.address() as AddressInfo).port
    server.url = `https://127.0.0.1:${number}`
    isListening = true
  }
  const token = () => {
    const made = Buffer.from(op.random.bytes(32)).toString('base64url')
    desk.tokens.set(made, op.clock.nowMs() + 3_600_000)
    return made
  }
  await start()
  t.after(stop)
  return Object.assign(server, {
    token,
    stop,
    start,
    tokenText: (token: string) => encodeEnrolmentToken({ url: server.url, server: key, token }),
  })
}

/** Of a group with nothing special. */
export function aBackup(path: string, source = 'a'.repeat(32)): BackupWish {
  return {
    kind: 'backup',
    workload: 'files',
    source,
    paths: [Buffer.from(path).toString('base64')],
    excludes: [],
    excludeCaches: false,
    oneFileSystem: false,
    forceRead: false,
    rereadPercent: 0,
    snapshot: 'if-possible',
  }
}
