/** The whole server as `runServer` starts it, with an administrator and real agents, on one clock that runs as usual and can be moved on. For tests. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { enroll, readIdentity, runAgent } from '../agent/index.ts'
import { ManualClock, systemClock } from '../base/clock.ts'
import { type Operation, startOperation, type Warning } from '../base/operation.ts'
import { systemDisk } from '../platform/index.ts'
import { filesWorkload, type Workload } from '../workloads/index.ts'
import { type RunServerOptions, runServer, type WholeServer } from './run-server.ts'
import { GOOD_PASSWORD, type Got, Person, sendTo, type TestServer } from './server.fixture.ts'

export interface WholeTest {
  readonly root: string
  readonly dataFolder: string
  readonly clock: ManualClock
  readonly warnings: Warning[]
  readonly admin: Person
  server(): WholeServer
  stop(): Promise<void>
  /** On another folder, where one is named. */
  start(dataFolder?: string): Promise<void>
  agent(name: string): Promise<{ readonly id: string; stop(): Promise<void>; start(): void }>
  // biome-ignore lint/suspicious/noExplicitAny: answers of many shapes
  ask(method: string, path: string, body?: unknown): Promise<any>
  send(method: string, path: string, body?: unknown): Promise<Got>
  /** The answer of a pool that was made. */
  pool(name: string): Promise<{ readonly id: string; readonly folder: string; readonly recoveryWords: string }>
  until<T>(what: string, look: () => Promise<T | undefined | false>): Promise<T>
  // biome-ignore lint/suspicious/noExplicitAny: answers of many shapes
  ended(jobId: string): Promise<any>
}

/** Threads have the clock of the machine, and the server would refuse what they sign once time was moved on. */
const onThisThread: Workload = {
  ...filesWorkload,
  backUp: (op, parts) => filesWorkload.backUp(op, { ...parts, workerStore: undefined }),
  restore: (op, parts) => filesWorkload.restore(op, { ...parts, workerStore: undefined }),
}
const TICK_MS = 10
const PATIENCE_MS = 300_000

export async function aWhole(t: Pick<TestContext, 'after'>, change: Partial<RunServerOptions> = {}): Promise<WholeTest> {
  const root = await mkdtemp(join(tmpdir(), 'terp-whole-'))
  const real = systemClock()
  const clock = new ManualClock(real.nowMs())
  const stopTicking = new AbortController()
  const ticking = (async () => {
    for (let last = Math.floor(real.monotonicMs()); !stopTicking.signal.aborted; ) {
      await real.sleep(TICK_MS)
      const now = Math.floor(real.monotonicMs())
      clock.advance(now - last)
      last = now
    }
  })()
  const warnings: Warning[] = []
  const op = startOperation({ clock, onWarning: (warning) => warnings.push(warning) })
  const disk = systemDisk()
  const options = {
    host: '127.0.0.1',
    port: 0,
    disk,
    version: '0.0.0-test',
    passwordCosts: { memoryKib: 1024, passes: 1 },
    copyAfterMs: 500,
    ...change,
  }
  const dataFolder = join(root, 'data')
  let agentPort = 0
  let running: WholeServer | undefined
  const whole = (): WholeServer => {
    if (!running) throw new Error('the server does not run')
    return running
  }
  const start = async (folder = dataFolder) => {
    running = await runServer(op, { ...options, dataFolder: folder, agentPort })
    // Agents find the server where it was.
    agentPort = Number(new URL(running.agentAddress).port)
  }
  const stop = async () => {
    await running?.close()
    running = undefined
  }
  const ends: (() => Promise<void>)[] = [stop]
  t.after(async () => {
    for (const end of ends.toReversed()) await end()
    stopTicking.abort()
    await ticking
    await rm(root, { recursive: true, force: true })
  })
  await start()
  const face = {
    clock,
    running: whole,
    send: (path: string, sent?: Parameters<typeof sendTo>[2]) => sendTo(whole().address, path, sent),
  } as unknown as TestServer
  const admin = new Person(face, 'admin', GOOD_PASSWORD)
  const secret = (await readFile(join(dataFolder, 'setup-secret'), 'utf8')).trim()
  const got = await admin.send('/api/v1/setup', { method: 'POST', body: { secret, name: admin.name, password: admin.password } })
  if (got.status !== 201) throw new Error(got.text)
  await admin.enrolTotp()
  await admin.stepUp()

  const send: WholeTest['send'] = (method, path, body) => admin.send(`/api/v1${path}`, { method, ...(body !== undefined && { body }) })
  const ask: WholeTest['ask'] = async (method, path, body) => {
    const answer = await send(method, path, body)
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`)
    return answer.json
  }
  const until: WholeTest['until'] = async (what, look) => {
    for (const begin = real.monotonicMs(); ; await real.sleep(50)) {
      const found = await look()
      if (found) return found as never
      if (real.monotonicMs() - begin > PATIENCE_MS) throw new Error(`waited in vain: ${what}`)
    }
  }
  return {
    ...{ root, dataFolder, clock, warnings, admin, server: whole, stop, start, ask, send, until },
    async pool(name) {
      const folder = join(root, `pool-${name}`)
      const { pool, recoveryWords } = await ask('POST', '/pools', { name, folder, confirm: folder })
      return { id: pool.id, folder, recoveryWords }
    },
    async agent(name) {
      const { token } = await ask('POST', '/enrolments', { name })
      const folder = join(root, `agent-${name}`)
      await enroll(startOperation({ clock }), { disk, folder, token, name, version: 'test', replace: false })
      const identity = await readIdentity(disk, folder)
      if (!identity) throw new Error('no identity')
      let work: { readonly stop: AbortController; readonly ended: Promise<unknown> } | undefined
      const agent = {
        id: identity.agentId,
        start() {
          const stopAgent = new AbortController()
          const agentOp: Operation = startOperation({ clock, signal: stopAgent.signal })
          const parts = { identity, folder, version: 'test', workloads: [onThisThread], onState: () => {} }
          work = { stop: stopAgent, ended: runAgent(agentOp, parts).catch(() => undefined) }
        },
        async stop() {
          work?.stop.abort()
          await work?.ended
          work = undefined
        },
      }
      agent.start()
      ends.push(() => agent.stop())
      await until(`agent ${name} is connected`, async () => (await ask('GET', `/agents/${agent.id}`)).isConnected)
      return agent
    },
    async ended(jobId) {
      return await until(`job ${jobId} ends`, async () => {
        const job = await ask('GET', `/jobs/${jobId}`)
        return ['completed', 'completed-with-warnings', 'failed', 'cancelled'].includes(job.state) ? job : undefined
      })
    },
  }
}
