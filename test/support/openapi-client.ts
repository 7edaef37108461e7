/**
 * Uses nothing of Terp but a client that was generated from the description of its API: protects a folder, makes a recovery point, and gets the data
 * back in two ways. A process of its own, since trust in a certificate is given to Node at its start. Prints one line of JSON.
 *
 * Arguments: the folder of the client, the server's address, a token, the agent's name, the folder to protect, the folder to restore to.
 */
import { registerHooks } from 'node:module'
import { pathToFileURL } from 'node:url'

const [client = '', address = '', token = '', agentName = '', source = '', target = ''] = process.argv.slice(2)

// Generated files name each other without an ending, as bundlers want it.
registerHooks({
  resolve(specifier, context, next) {
    const isBare = specifier.startsWith('.') && !/\.[a-z]+$/.test(specifier)
    return next(isBare ? `${specifier}.ts` : specifier, context)
  },
})

// The client is made when the test runs: nothing here can know its types.
// biome-ignore lint/suspicious/noExplicitAny: see above
const api: any = await import(pathToFileURL(`${client}/index.ts`).href)
const { OpenAPI, AgentsService, ProtectionGroupsService, DataSourcesService, JobsService, RecoveryPointsService, RecoveryService } = api
OpenAPI.BASE = address
OpenAPI.TOKEN = token

const AGAIN_MS = 300
async function ended(id: string) {
  for (;;) {
    const job = await JobsService.jobGet(id)
    if (job.finished !== undefined) return job
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS))
  }
}

const agents = await AgentsService.agentList()
// biome-ignore lint/suspicious/noExplicitAny: as above
const agent = agents.items.find(({ name }: any) => name === agentName)
const { group } = await ProtectionGroupsService.groupCreate({ name: 'generated', members: [{ agentId: agent.id, path: source }] })

const jobs = await JobsService.jobList(undefined, undefined, undefined, 'replica-creation')
const first = await ended(jobs.items[0].id)
const sources = await DataSourcesService.sourceList(undefined, undefined, agent.id)
const backup = await ended((await DataSourcesService.sourceMakePoint(sources.items[0].id, { kind: 'synchronise-and-point' })).id)
const points = await RecoveryPointsService.recoveryPointList(undefined, undefined, sources.items[0].id)
const point = points.items[0]
const planned = await RecoveryService.recoveryPointPlan(point.id, {})
const restore = await ended((await RecoveryService.recoveryStart(point.id, { target: Buffer.from(target).toString('base64') })).jobId)
const file = await RecoveryService.recoveryPointDownloadFile(point.id, Buffer.from(`${source}/a.txt`).toString('base64'))
const missing = await RecoveryPointsService.recoveryPointGet('0'.repeat(32)).catch(
  (error: { status: number; body: { code: string } }) => error,
)

console.log(
  JSON.stringify({
    group: group.name,
    states: [first.state, backup.state, restore.state],
    planned: planned.files,
    file: typeof file === 'string' ? file : await file.text(),
    missing: [missing.status, missing.body.code],
  }),
)
