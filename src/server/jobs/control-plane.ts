/** The control plane as a part of the server: agents' port and desk, jobs, groups, schedules, retention, alerts, the gate, and the routes of all of it. */
import { createHash, X509Certificate } from 'node:crypto'
import { hostname } from 'node:os'
import { randomHex } from '../../base/random.ts'
import type { DataSource } from '../../catalog/index.ts'
import type { Disk } from '../../platform/index.ts'
import { type AgentPort, makeAgentPort } from '../agents/agent-port.ts'
import { agentRoutes } from '../agents/agent-routes.ts'
import { AgentBundles } from '../agents/bundles.ts'
import { CommandQueue } from '../agents/command-queue.ts'
import { ControlDesk } from '../agents/control-desk.ts'
import { discoveryKind } from '../agents/discovery.ts'
import { Questions } from '../agents/questions.ts'
import { AgentUpdates } from '../agents/update-jobs.ts'
import { AlertDesk } from '../alerts/alert-desk.ts'
import { alertRoutes } from '../alerts/alert-routes.ts'
import { channelRoutes } from '../alerts/channel-routes.ts'
import { RECOVERY_ENDED } from '../alerts/letters.ts'
import { Notifier } from '../alerts/notifier.ts'
import { ReplicaAlerts } from '../alerts/replica-alerts.ts'
import { statusRoutes } from '../alerts/status-routes.ts'
import { Watch } from '../alerts/watch.ts'
import { ConfigurationCopy } from '../configuration-copy/configuration-copy.ts'
import type { ServerContext } from '../context.ts'
import type { DataPaths } from '../data-folder.ts'
import { serverError } from '../errors.ts'
import { GateKeeper, offlineSetting } from '../gate/gate-keeper.ts'
import { onlineKind } from '../gate/online-jobs.ts'
import type { VaultLink } from '../gate/vault-link.ts'
import { FirstCopies } from '../groups/first-copies.ts'
import { GroupService } from '../groups/group-service.ts'
import { Inventory } from '../groups/inventory.ts'
import { pointOfReplicaKind } from '../groups/point-of-replica.ts'
import { Repairs } from '../groups/repairs.ts'
import { groupRoutes } from '../groups/routes.ts'
import { sourceRoutes } from '../groups/source-routes.ts'
import { applyEvent } from '../groups/source-state.ts'
import type { ServerPart } from '../part.ts'
import { testRestoreRoutes } from '../recovery/test-restore-routes.ts'
import { TestRestores } from '../recovery/test-restores.ts'
import { Ledger } from '../retention/ledger.ts'
import { Maintenance } from '../retention/maintenance.ts'
import { pointRoutes } from '../retention/point-routes.ts'
import { Retention } from '../retention/retention.ts'
import { retentionRoutes } from '../retention/retention-routes.ts'
import { Scheduler } from '../schedule/scheduler.ts'
import { CatalogCheck } from '../self-check/catalog-check.ts'
import { selfCheckRoutes } from '../self-check/routes.ts'
import { readSetting } from '../settings/setting.ts'
import { backupKinds } from './backup-jobs.ts'
import { JobEngine } from './engine.ts'
import type { PoolWork } from './pool-work.ts'
import { JobPresenter } from './present.ts'
import { recoveryLetterOf, restoreKind } from './restore-jobs.ts'
import { jobRoutes } from './routes.ts'
import { savedFilterRoutes } from './saved-filters.ts'
import { deletionSetting, protectionSetting } from './settings.ts'

export interface ControlPlaneOptions {
  readonly pools: PoolWork
  /** Of the data folder, which is copied into the pools. */
  readonly paths: Pick<DataPaths, 'folder' | 'catalog' | 'keys' | 'tls'>
  readonly disk: Disk
  /** Other than usual only in tests. */
  readonly copyAfterMs?: number | undefined
  /** The client of the vault that this server is registered with; undefined while there is none. */
  readonly vault?: VaultLink | undefined
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
  readonly check: CatalogCheck
  readonly bundles: AgentBundles
  /** Where agents call. */
  agentUrl(): string
}

const SERVER_ID = 'server-id'

export async function makeControlPlane(context: ServerContext, options: ControlPlaneOptions): Promise<ControlPlane> {
  const { pools, agents, vault, paths, disk } = options
  const { catalog, op } = context
  const queue = new CommandQueue(op.clock, op.random)
  const notifier = new Notifier(context)
  const alerts = new AlertDesk(context)
  const replicas = new ReplicaAlerts(context, alerts, (sourceId) => firstCopies.placeOf(sourceId))
  const gate = new GateKeeper(context, alerts, vault)
  const questions = new Questions(op, queue)
  const engine = new JobEngine({
    context,
    line: queue,
    gate: (act) => gate.refusalOf(act),
    parallelJobs: async () => (await readSetting(context, protectionSetting)).value.parallelJobs,
  })
  queue.onCame = (agentId) => engine.agentCame(agentId)
  const ledger = new Ledger(context)
  const inventory = new Inventory(context, queue, questions)
  const groups = new GroupService({
    context,
    engine,
    pools,
    inventory,
    gate,
    giveUp: (records, source) => ledger.giveUp(records, source),
    changed: async () => {
      scheduler.reload()
      await firstCopies.prepare()
      await replicas.follow()
    },
  })
  const followReplica = (sourceId: string) => replicas.follow(sourceId)
  const firstCopies = new FirstCopies({ context, engine, pools, dataFolder: paths.folder, followReplica })
  const scheduler = new Scheduler({ context, engine, alerts })
  const retention = new Retention({ context, ledger, alerts })
  const testRestores = new TestRestores({ context, engine, pools, alerts })
  const check = new CatalogCheck({ context, engine, pools, alerts })
  const copy = new ConfigurationCopy({ context, engine, pools, alerts, paths, disk, afterMs: options.copyAfterMs })
  const maintenance = new Maintenance({
    context,
    engine,
    pools,
    alerts,
    ledger,
    retention,
    check,
    alsoNightly: async () => {
      await testRestores.night()
      await engine.createOnce({ type: 'discovery', createdBy: 'server' })
    },
  })
  const bundles = new AgentBundles(paths.folder)
  const updates = new AgentUpdates({ context, engine, bundles })
  const repairs = new Repairs({ context, engine })
  engine.register(
    ...backupKinds({
      context,
      pools,
      alerts,
      followReplica,
      afterPoint: async (source) => {
        await retention.plan(source.id)
      },
      afterInconsistent: (source, job) => repairs.checkLater(source, job),
    }),
    restoreKind({
      context,
      pools,
      alerts,
      tell: async (to, job) => await notifier.mail(to, RECOVERY_ENDED, await recoveryLetterOf(catalog, job)),
      afterRestoreToOriginal: async (job) => {
        await repairs.restoredToOriginal(job)
        await replicas.follow(job.sourceId)
      },
    }),
    testRestores.kind(),
    discoveryKind({ context, questions, queue, alerts }),
    onlineKind({ context, gate, alerts }),
    pointOfReplicaKind(context),
    firstCopies.kind(),
    updates.kind(),
    ...maintenance.kinds(),
    check.kind(),
    copy.kind(),
  )
  const desk = new ControlDesk({ context, bundles, engine, queue, questions, alerts, serverId: await serverId(context) })
  const port = makeAgentPort(op, { desk, certificate: agents.certificate, privateKey: agents.privateKey, version: context.version })
  engine.endSessions = (jobId) => port.sessions.endJob(jobId)
  const watch = new Watch({
    context,
    alerts,
    replicas,
    engine,
    gate,
    queue,
    pools,
    sessions: port.sessions,
    catalogPath: paths.catalog,
    volumeBack: (source) => repairs.checkNow(source),
  })
  notifier.isWell = () => watch.isWell()
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
    check,
    bundles,
    agentUrl,
    settings: [protectionSetting, deletionSetting, offlineSetting],
    routes: [
      ...agentRoutes({ context, desk, queue, questions, alerts, updates, jobs, port: () => ({ url: agentUrl(), server: keySha256 }) }),
      ...sourceRoutes({ context, engine, jobs, gate, firstCopies, removeData }),
      ...groupRoutes(context, groups),
      ...jobRoutes(context, engine, jobs),
      ...savedFilterRoutes(context),
      ...testRestoreRoutes({ context, testRestores, jobs }),
      ...pointRoutes({ context, retention, ledger }),
      ...selfCheckRoutes({ context, check, copy, jobs }),
      ...retentionRoutes({ context, retention, ledger, maintenance, jobs }),
      ...alertRoutes(context, alerts),
      ...channelRoutes(context, notifier),
      ...statusRoutes({ context, queue, gate, scheduler, watch, retention }),
    ],
    isReady: async () => watch.problems(),
    async started() {
      await check.reconcile()
      await firstCopies.prepare()
      url = await listen(port, agents)
      await engine.start()
      await scheduler.start()
      await maintenance.start()
      await copy.start()
      await watch.start()
      await gate.start()
      await notifier.start()
    },
    async close() {
      await Promise.all([scheduler.close(), watch.close(), notifier.close(), maintenance.close(), copy.close(), gate.close()])
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
