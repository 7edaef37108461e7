/** The control plane as a part of the server: agents' port and desk, jobs, groups, schedules, retention, alerts, the gate, and the routes of all of it. */
import { createHash, X509Certificate } from 'node:crypto'
import { hostname } from 'node:os'
import { randomHex } from '../../base/random.ts'
import type { DataSource } from '../../catalog/index.ts'
import { type AgentPort, makeAgentPort } from '../agents/agent-port.ts'
import { agentRoutes } from '../agents/agent-routes.ts'
import { CommandQueue } from '../agents/command-queue.ts'
import { ControlDesk } from '../agents/control-desk.ts'
import { Questions } from '../agents/questions.ts'
import { AlertDesk } from '../alerts/alert-desk.ts'
import { alertRoutes } from '../alerts/alert-routes.ts'
import { channelRoutes } from '../alerts/channel-routes.ts'
import { Notifier } from '../alerts/notifier.ts'
import { statusRoutes } from '../alerts/status-routes.ts'
import { Watch } from '../alerts/watch.ts'
import type { ServerContext } from '../context.ts'
import { serverError } from '../errors.ts'
import { GateKeeper, offlineSetting } from '../gate/gate-keeper.ts'
import { GroupService } from '../groups/group-service.ts'
import { Repairs } from '../groups/repairs.ts'
import { groupRoutes } from '../groups/routes.ts'
import { sourceRoutes } from '../groups/source-routes.ts'
import { applyEvent } from '../groups/source-state.ts'
import type { ServerPart } from '../part.ts'
import { Ledger } from '../retention/ledger.ts'
import { Maintenance } from '../retention/maintenance.ts'
import { pointRoutes } from '../retention/point-routes.ts'
import { Retention } from '../retention/retention.ts'
import { retentionRoutes } from '../retention/retention-routes.ts'
import { Scheduler } from '../schedule/scheduler.ts'
import { readSetting } from '../settings/setting.ts'
import { backupKinds } from './backup-jobs.ts'
import { JobEngine } from './engine.ts'
import type { PoolWork } from './pool-work.ts'
import { JobPresenter } from './present.ts'
import { restoreKind } from './restore-jobs.ts'
import { jobRoutes } from './routes.ts'
import { deletionSetting, protectionSetting } from './settings.ts'

export interface ControlPlaneOptions {
  readonly pools: PoolWork
  /** Where the copy of the configuration goes. */
  readonly copyPath: string
  readonly agents: {
    readonly host: string
    /** 0: any free one. */
    readonly port: number
    /** PEM; the key by which agents know this server, so it stays what it is. */
    readonly certificate: string
    readonly privateKey: string
    /** As agents reach it, where that is not the host and port that it listens on. */
    readonly url?: string | undefined
  }
}

export interface ControlPlane extends ServerPart {
  readonly engine: JobEngine
  readonly alerts: AlertDesk
  readonly gate: GateKeeper
  readonly groups: GroupService
  /** Where agents call. */
  agentUrl(): string
}

const SERVER_ID = 'server-id'

export async function makeControlPlane(context: ServerContext, { pools, agents, copyPath }: ControlPlaneOptions): Promise<ControlPlane> {
  const { catalog, op } = context
  const queue = new CommandQueue(op.clock, op.random)
  const alerts = new AlertDesk(context)
  const gate = new GateKeeper(context, alerts)
  const questions = new Questions(op, queue)
  const engine = new JobEngine({
    context,
    line: queue,
    gate: (act) => gate.refusalOf(act),
    parallelJobs: async () => (await readSetting(context, protectionSetting)).value.parallelJobs,
  })
  queue.onCame = (agentId) => engine.agentCame(agentId)
  const ledger = new Ledger(context)
  const groups = new GroupService({
    context,
    engine,
    pools,
    giveUp: (records, source) => ledger.giveUp(records, source),
    changed: async () => scheduler.reload(),
  })
  const scheduler = new Scheduler({ context, engine, alerts })
  const retention = new Retention({ context, ledger, alerts })
  const maintenance = new Maintenance({ context, engine, pools, alerts, ledger, retention, copyPath })
  const repairs = new Repairs({ context, engine })
  engine.register(
    ...backupKinds({
      context,
      pools,
      alerts,
      afterPoint: async (source) => {
        await retention.plan(source.id)
        await maintenance.pointMade(source)
      },
      afterInconsistent: (source, job) => repairs.checkLater(source, job),
    }),
    restoreKind({ context, pools, alerts, afterRestoreToOriginal: (job) => repairs.restoredToOriginal(job) }),
    ...maintenance.kinds(),
  )
  const desk = new ControlDesk({ context, engine, queue, questions, alerts, serverId: await serverId(context) })
  const port = makeAgentPort(op, { desk, certificate: agents.certificate, privateKey: agents.privateKey, version: context.version })
  engine.endSessions = (jobId) => port.sessions.endJob(jobId)
  const watch = new Watch({ context, alerts, gate, queue, pools, sessions: port.sessions })
  const notifier = new Notifier(context)
  alerts.onDelivery = () => notifier.wake()
  const jobs = new JobPresenter(catalog, queue, () => op.clock.nowMs())
  const keySha256 = serverKeyOf(agents.certificate)
  let url: string | undefined
  const agentUrl = () => {
    if (url === undefined) throw serverError('SERVER_STOPPING', "the agents' port is not open")
    return url
  }
  const removeData = async (source: DataSource) => {
    await catalog.transaction(async (records) => {
      await applyEvent(records, source, 'remove')
      await ledger.giveUp(records, await records.sources.get(source.id))
    })
  }
  return {
    engine,
    alerts,
    gate,
    groups,
    agentUrl,
    settings: [protectionSetting, deletionSetting, offlineSetting],
    routes: [
      ...agentRoutes({ context, desk, queue, questions, alerts, port: () => ({ url: agentUrl(), server: keySha256 }) }),
      ...sourceRoutes({ context, engine, jobs, removeData }),
      ...groupRoutes(context, groups),
      ...jobRoutes(context, engine, jobs),
      ...pointRoutes({ context, retention, ledger }),
      ...retentionRoutes({ context, retention, ledger, maintenance, jobs }),
      ...alertRoutes(context, alerts),
      ...channelRoutes(context, notifier),
      ...statusRoutes({ context, queue, gate, scheduler, watch, retention }),
    ],
    async started() {
      await maintenance.reconcile()
      url = await listen(port, agents)
      await engine.start()
      await scheduler.start()
      await maintenance.start()
      await watch.start()
      await notifier.start()
    },
    async close() {
      await Promise.all([scheduler.close(), watch.close(), notifier.close(), maintenance.close()])
      await port.sessions.endAll()
      await port.app.close()
      await engine.close()
    },
  }
}

async function serverId({ catalog, op }: ServerContext): Promise<string> {
  const known = (await catalog.settings.find(SERVER_ID))?.value
  if (typeof known === 'string') return known
  const id = randomHex(op.random, 16)
  await catalog.settings.put(SERVER_ID, id, { by: 'server', expectedVersion: 0 })
  return id
}

async function listen({ app }: AgentPort, { host, port, url }: ControlPlaneOptions['agents']): Promise<string> {
  await app.listen({ host, port })
  const bound = app.server.address()
  const boundPort = typeof bound === 'object' && bound !== null ? bound.port : port
  const name = host === '0.0.0.0' || host === '::' ? hostname() : host
  return url ?? `https://${name.includes(':') ? `[${name}]` : name}:${boundPort}`
}

/** SHA-256 of the public key, as enrolment tokens have it. */
function serverKeyOf(certificate: string): string {
  return createHash('sha256')
    .update(new X509Certificate(certificate).publicKey.export({ type: 'spki', format: 'der' }))
    .digest('hex')
}
