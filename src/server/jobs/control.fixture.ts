/** A whole backup server with pools and a control plane, and agents that are the real ones, on one clock that runs and can be moved on. For tests. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { type AgentState, enroll, readIdentity, runAgent } from '../../agent/index.ts'
import { systemClock } from '../../base/clock.ts'
import { type Operation, startOperation } from '../../base/operation.ts'
import { makeCertificate } from '../../certificates/index.ts'
import { systemDisk } from '../../platform/index.ts'
import { type Discovered, filesWorkload, type Workload } from '../../workloads/index.ts'
import { dataPaths } from '../data-folder.ts'
import type { VaultLink } from '../gate/vault-link.ts'
import type { MakePart } from '../part.ts'
import { PoolKeeper } from '../pools/pool-keeper.ts'
import type { JobStarter } from '../recovery/job-starter.ts'
import { recoveryRoutes } from '../recovery/recovery-routes.ts'
import { aServer, type Got, type Person, type TestServer } from '../server.fixture.ts'
import { type ControlPlane, makeControlPlane } from './control-plane.ts'

export interface TestAgent {
  readonly id: string
  readonly name: string
  readonly folder: string
  readonly states: AgentState[]
  /** What it said at its end. */
  ended: Promise<unknown>
  /** It stops, as by a signal; and begins again, with the same identity. */
  stop(): Promise<void>
  start(): void
}

/** What an agent says that it is. */
export interface TestProgram {
  /** Looked at when it starts. */
  version?: string
  readonly bundle?: string
}

export interface TestControl {
  readonly server: TestServer
  readonly root: string
  readonly admin: Person
  control(): ControlPlane
  keeper(): PoolKeeper
  readonly poolId: string
  /** What its agents find besides what there is. */
  readonly alsoThere: Discovered[]
  agent(name: string, program?: TestProgram): Promise<TestAgent>
  /** What is asked must succeed. */
  // biome-ignore lint/suspicious/noExplicitAny: answers of many shapes
  ask(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<any>
  /** Time goes on in steps that no request outlasts, with what is due in between. */
  pass(ms: number): Promise<void>
  /** Waits in real time, while the clock runs as usual. */
  until<T>(what: string, look: () => Promise<T | undefined | false>): Promise<T>
  /** A job that has ended. */
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
const STEP_MS = 3 * 60_000
/** Of a machine that has much else to do. */
const PATIENCE_MS = 240_000

export interface ControlChange {
  readonly vault?: VaultLink
}

export async function aControl(t: Pick<TestContext, 'after'>, change: ControlChange = {}): Promise<TestControl> {
  const root = await mkdtemp(join(tmpdir(), 'terp-control-'))
  const real = systemClock()
  const stop = new AbortController()
  let keeper: PoolKeeper | undefined
  let control: ControlPlane | undefined
  const made = await makeCertificate({
    name: 'server',
    hosts: ['localhost', '127.0.0.1'],
    random: startOperation().random,
    nowMs: real.nowMs(),
    algorithm: 'p-256',
  })
  const disk = systemDisk()
  // Keys of pools lie apart from the server's folder, whose name is not known here.
  await mkdir(join(root, 'server', 'keys'), { recursive: true })
  await mkdir(join(root, 'server', 'tls'), { recursive: true })
  let port = 0
  const pools: MakePart = async (context) => {
    const opened = new PoolKeeper(context.op, { catalog: context.catalog, disk, paths: dataPaths(join(root, 'server')) })
    keeper = opened
    await opened.openAll()
    const engine = () => {
      if (!control) throw new Error('the server does not run')
      return control.engine
    }
    const jobs: JobStarter = { create: (request) => engine().create(request), cancel: (id, by) => engine().cancel(id, by) }
    return { routes: recoveryRoutes(context, { keeper: opened, jobs }), close: () => opened.close() }
  }
  const plane: MakePart = async (context) => {
    if (!keeper) throw new Error('pools come first')
    control = await makeControlPlane(context, {
      pools: keeper,
      agents: { host: '127.0.0.1', port, ...made },
      paths: dataPaths(join(root, 'server')),
      disk,
      vault: change.vault,
    })
    return control
  }
  const ends: (() => Promise<void>)[] = []
  const server = await aServer(
    {
      after: (work) => {
        ends.push(async () => await (work as () => Promise<void>)())
      },
    },
    { parts: [pools, plane] },
  )
  // After a restart agents find the server where it was.
  port = Number(new URL(control?.agentUrl() ?? '').port)
  const ticking = (async () => {
    for (let last = Math.floor(real.monotonicMs()); !stop.signal.aborted; ) {
      await real.sleep(TICK_MS)
      const now = Math.floor(real.monotonicMs())
      server.clock.advance(now - last)
      last = now
    }
  })()
  t.after(async () => {
    for (const end of ends.toReversed()) await end()
    stop.abort()
    await ticking
    await rm(root, { recursive: true, force: true })
  })
  const admin = await server.administrator()

  const ask: TestControl['ask'] = async (method, path, body, headers = {}) => {
    const got: Got = await admin.send(`/api/v1${path}`, { method, ...(body !== undefined && { body }), headers })
    if (got.status >= 300) throw new Error(`${method} ${path}: ${got.status} ${got.text}`)
    return got.json
  }
  const until: TestControl['until'] = async (what, look) => {
    for (const begin = real.monotonicMs(); ; await real.sleep(20)) {
      const found = await look()
      if (found) return found as never
      if (real.monotonicMs() - begin > PATIENCE_MS) throw new Error(`waited in vain: ${what}`)
    }
  }
  const current = () => {
    if (!control) throw new Error('the server does not run')
    return control
  }
  const alsoThere: Discovered[] = []
  const { pool } = await (keeper as unknown as PoolKeeper).createPool({ name: 'one', folder: join(root, 'pool') })
  return {
    server,
    root,
    admin,
    poolId: pool.id,
    alsoThere,
    control: current,
    keeper: () => keeper as PoolKeeper,
    ask,
    until,
    async agent(name, program = {}) {
      const { token } = await ask('POST', '/enrolments', { name })
      const folder = join(root, `agent-${name}`)
      const op: Operation = startOperation({ clock: server.clock })
      await enroll(op, { disk, folder, token, name, version: 'test', replace: false })
      const identity = await readIdentity(disk, folder)
      if (!identity) throw new Error('no identity')
      const states: AgentState[] = []
      let running: { readonly stop: AbortController; readonly ended: Promise<unknown> } | undefined
      const agent: TestAgent = {
        id: identity.agentId,
        name,
        folder,
        states,
        ended: Promise.resolve(),
        start() {
          const stopAgent = new AbortController()
          const agentOp = startOperation({ clock: server.clock, signal: stopAgent.signal })
          const ended: Promise<unknown> = runAgent(agentOp, {
            identity,
            folder,
            version: program.version ?? 'test',
            bundle: program.bundle,
            workloads: [{ ...onThisThread, discover: async (on) => [...(await filesWorkload.discover(on)), ...alsoThere] }],
            onState: (state) => states.push(state),
          }).catch((error: unknown) => {
            if (!stopAgent.signal.aborted) states.push({ kind: 'waiting', error: error as never, againInMs: 0 })
          })
          running = { stop: stopAgent, ended }
          agent.ended = ended
        },
        async stop() {
          running?.stop.abort()
          await running?.ended
          running = undefined
        },
      }
      agent.start()
      ends.push(() => agent.stop())
      await until(`agent ${name} is connected`, async () => (await ask('GET', `/agents/${agent.id}`)).isConnected)
      return agent
    },
    async pass(ms) {
      for (let left = ms; left > 0; left -= STEP_MS) {
        server.clock.advance(Math.min(left, STEP_MS))
        await real.sleep(10)
        // What an agent signed must arrive before time moves on.
        while ((await server.running().context.catalog.jobs.inProgress()).length > 0) await real.sleep(20)
      }
    },
    async ended(jobId) {
      return await until(`job ${jobId} ends`, async () => {
        const job = await ask('GET', `/jobs/${jobId}`)
        return ['completed', 'completed-with-warnings', 'failed', 'cancelled'].includes(job.state) ? job : undefined
      })
    },
  }
}
