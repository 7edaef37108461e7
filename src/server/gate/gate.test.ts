/** The gate through the server: a vault in this process is there or not, its subscription changes, and what the API, the jobs and the alerts say of it. */
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { VaultInProcess } from '../../../test/support/vault-link.ts'
import { DAY_MS } from '../../protection/index.ts'
import { AlertDesk } from '../alerts/alert-desk.ts'
import { memoryOf } from '../groups/source-memory.ts'
import { aControl, type TestAgent, type TestControl } from '../jobs/control.fixture.ts'
import { aServer } from '../server.fixture.ts'
import { GateKeeper } from './gate-keeper.ts'

const RETENTION = { daily: { days: 30, times: ['12:00'] } }
const MARGIN_MS = 3_600_000

async function protectedBy(t: TestContext, vault: VaultInProcess) {
  const control = await aControl(t, { vault })
  const agent = await control.agent('srv1')
  const folder = join(control.root, 'files')
  mkdirSync(folder)
  writeFileSync(join(folder, 'a'), 'a')
  await control.control().gate.register(vault)
  // Schedules far away: what runs is what the test asks for.
  const shortTerm = {
    recoveryPoints: { kind: 'calendar', expression: '*-12-31 23:00' },
    synchronisation: { kind: 'before-recovery-point' },
    retentionDays: 400,
  }
  const online = { schedule: { kind: 'weekly', times: ['12:00'] }, retention: RETENTION }
  const { group } = await control.ask('POST', '/groups', {
    name: 'Files',
    members: [{ agentId: agent.id, path: folder, isOnline: true }],
    shortTerm,
    online,
  })
  const [source] = (await control.ask('GET', '/sources')).items
  await control.until('the first copy', async () => (await control.ask('GET', `/sources/${source.id}`)).state === 'ok')
  return { control, agent, folder, groupId: group.id as string, sourceId: source.id as string }
}

/** Nobody is asked anything meanwhile: the agent is away, and signs in anew. */
async function daysGoBy(control: TestControl, agent: TestAgent, ms: number): Promise<void> {
  await agent.stop()
  control.server.clock.advance(ms)
  await control.admin.signIn()
  agent.start()
  await control.until('the agent is back', async () => (await control.ask('GET', `/agents/${agent.id}`)).isConnected)
  await control.control().gate.ask()
}

test('S-100 to S-105, S-109 to S-113: every row of the matrix stops and lets through the jobs that it says', async (t) => {
  const vault = new VaultInProcess()
  const { control, agent, groupId, sourceId } = await protectedBy(t, vault)
  const { engine } = control.control()
  const { catalog } = control.server.running().context
  const [point] = (await control.ask('GET', `/recovery-points?source=${sourceId}`)).items
  const base = { sourceId, groupId, createdBy: 'test' }
  const job = async (type: 'recovery-point' | 'online-point' | 'recovery') => {
    const where = type === 'online-point' ? { poolId: control.poolId } : { agentId: agent.id, poolId: control.poolId }
    const restore = {
      pointId: point.id,
      parameters: { target: Buffer.from(join(control.root, 'target')).toString('base64'), overwrite: 'always', dryRun: true },
    }
    const made = await engine.create({ ...base, ...where, type, ...(type === 'recovery' && restore) })
    const { state, error } = await control.ended(made.id)
    return state === 'failed' ? (error.domainCode ?? error.code) : 'ran'
  }
  const answer = async (act: string) => {
    const got = await control.admin.send(`/api/v1/sources/${sourceId}/recovery-points`, { method: 'POST', body: { kind: act } })
    return got.status < 300 ? (await control.ended(got.json.id)).state : got.json.context.domain_code
  }
  const verdicts = async () => {
    const status = await control.ask('GET', '/cloud/status')
    const acts = ['backupCloud', 'backupDisk', 'restoreCloud', 'restoreDisk'].map((act) => status[act].domainCode ?? status[act].isAllowed)
    return [status.connection, status.subscription, ...acts]
  }

  // S-100, S-046: each online job makes a point in the vault, of the newest on disk.
  assert.deepEqual(await verdicts(), ['connected', 'active', true, true, true, true])
  assert.deepEqual([await job('recovery-point'), await job('online-point'), await job('recovery')], ['ran', 'ran', 'ran'])
  assert.equal(vault.copied.length, 1)

  // S-101, S-112: expired; backups stop, restores go on.
  vault.subscription = 'expired'
  await control.control().gate.ask()
  assert.deepEqual(await verdicts(), ['connected', 'expired', 50005, 50005, true, true])
  assert.deepEqual([await job('recovery-point'), await job('online-point'), await job('recovery')], [50005, 50005, 'ran'])
  assert.deepEqual([await answer('synchronise-and-point'), await answer('online')], [50005, 50005])

  // S-104: lost for more than 15 days, and expired.
  vault.isReachable = false
  await daysGoBy(control, agent, 15 * DAY_MS + MARGIN_MS)
  assert.deepEqual(await verdicts(), ['disconnected-long', 'expired', 50005, 50005, 100050, true])
  assert.deepEqual([await job('recovery-point'), await job('recovery')], [50005, 'ran'])

  // S-113, S-110: the link is back, and the subscription alone decides; expired becomes active.
  vault.isReachable = true
  vault.subscription = 'active'
  await control.control().gate.ask()
  assert.deepEqual(await verdicts(), ['connected', 'active', true, true, true, true])
  assert.equal(await job('recovery-point'), 'ran')

  // S-103, S-109: lost for more than 15 days; backups to disk stop too.
  vault.isReachable = false
  await daysGoBy(control, agent, 15 * DAY_MS + MARGIN_MS)
  assert.deepEqual(await verdicts(), ['disconnected-long', 'active', 50004, 50004, 100050, true])
  assert.deepEqual([await job('recovery-point'), await job('online-point'), await job('recovery')], [50004, 50004, 'ran'])
  await control.admin.stepUp()
  await control.ask('PUT', '/settings/offline', { policy: 'keep-local' }, { 'if-match': '"0"' })
  assert.deepEqual([await job('recovery-point'), await job('online-point')], ['ran', 50004])

  // S-102, S-111: deprovisioned; nothing runs, and what the vault held is gone from that moment on, once.
  vault.isReachable = true
  vault.subscription = 'deprovisioned'
  const inVault = async () => memoryOf(await catalog.sources.get(sourceId)).online
  assert.ok(await inVault())
  await control.control().gate.ask()
  assert.deepEqual(await verdicts(), ['connected', 'deprovisioned', 50006, 50006, 50006, 50006])
  assert.equal(await inVault(), undefined)
  await control.control().gate.ask()
  const purges = (await catalog.audit.list({ limit: 100 }, { action: 'vault.purged' })).items
  assert.equal(purges.length, 1)
  assert.deepEqual([await job('recovery-point'), await job('recovery')], [50006, 50006])

  // S-105: and lost.
  vault.isReachable = false
  await daysGoBy(control, agent, 15 * DAY_MS + MARGIN_MS)
  assert.deepEqual(await verdicts(), ['disconnected-long', 'deprovisioned', 50006, 50006, 50006, 50006])

  // S-110, S-111: active again; points on disk are usable, the vault begins anew.
  vault.isReachable = true
  vault.subscription = 'active'
  await control.control().gate.ask()
  assert.deepEqual([await job('recovery-point'), await job('recovery')], ['ran', 'ran'])
  assert.equal(await job('online-point'), 'ran')
  assert.equal((await inVault())?.points, 1)
})

test('complaint 13, 33411: a warning and a countdown from the first day, over a restart too, that end with the next contact', async (t) => {
  const vault = new VaultInProcess()
  const control = await aControl(t, { vault })
  assert.deepEqual((await control.ask('GET', '/cloud/status')).registration.state, 'unregistered')
  const gate = () => control.control().gate
  await gate().register(vault)
  const status = async () => await control.ask('GET', '/cloud/status')
  const alert = async () => (await control.ask('GET', '/alerts')).items.find(({ code }: { code: string }) => code === 'cloud-unreachable')
  assert.deepEqual([(await status()).isConnected, (await status()).registration.vault, await alert()], [true, 'vault-1', undefined])

  vault.isReachable = false
  control.server.clock.advance(DAY_MS)
  await control.until('the server asks by itself', async () => (await gate().state()).connection === 'disconnected-grace')
  await control.admin.signIn()
  // S-106: disk goes on, the vault is tried and is not there.
  const first = await status()
  assert.deepEqual(
    [first.connection, first.isConnected, first.backupDisk.isAllowed, first.backupCloud.domainCode, first.countdown.urgency],
    ['disconnected-grace', false, true, 100050, 'warning'],
  )
  assert.equal((await alert()).domainCode, 33411)
  assert.match((await alert()).message, /all backups stop, to disk too, in 1[34] days/)

  await control.server.restart()
  control.server.clock.advance(12 * DAY_MS)
  await control.admin.signIn()
  await gate().ask()
  assert.equal((await status()).countdown.urgency, 'urgent')
  assert.match((await alert()).message, /in (1 day|2 days|\d+ h)/)

  vault.isReachable = true
  await gate().ask()
  assert.deepEqual([(await status()).isConnected, (await status()).countdown, await alert()], [true, undefined, undefined])
})

test('§13: at fifteen days to the millisecond disk backups are still allowed, and stopped one later', async (t) => {
  const server = await aServer(t)
  const { context } = server.running()
  const vault = new VaultInProcess()
  const gate = new GateKeeper(context, new AlertDesk(context))
  await gate.register(vault)
  vault.isReachable = false
  await gate.ask()
  server.clock.advance(15 * DAY_MS)
  assert.equal(await gate.refusalOf('backupDisk'), undefined)
  server.clock.advance(1)
  const refusal = await gate.refusalOf('backupDisk')
  assert.deepEqual([refusal?.code, refusal?.domainCode], ['CLOUD_DISCONNECTED_TOO_LONG', 50004])
  assert.ok(refusal?.hint)
})

test('§10.4: a server belongs to one vault; a policy that the vault does not know (33413) and a certificate that it refuses (100087) are told', async (t) => {
  const server = await aServer(t)
  const { context } = server.running()
  const vault = new VaultInProcess()
  const gate = new GateKeeper(context, new AlertDesk(context))
  await gate.register(vault)
  const other = Object.assign(new VaultInProcess(), { vaultName: 'vault-2' })
  await assert.rejects(gate.register(other), { code: 'VAULT_REGISTERED_ELSEWHERE' })
  const open = async () => (await context.catalog.alerts.open()).map(({ code, domainCode }) => `${domainCode ?? ''} ${code}`)

  vault.isPolicyOutOfSync = true
  await gate.ask()
  assert.deepEqual([(await gate.registration()).state, await open()], ['policy-out-of-sync', ['33413 policy-out-of-sync']])
  vault.isPolicyOutOfSync = false
  await gate.ask()
  assert.deepEqual([(await gate.registration()).state, await open()], ['registered', []])

  vault.knowsServer = false
  await gate.ask()
  assert.equal((await gate.registration()).state, 'certificate-invalid')
  const [alert] = await context.catalog.alerts.open()
  assert.match(alert?.message ?? '', /register it again/)
  vault.knowsServer = true
  await gate.register(vault)
  assert.deepEqual([(await gate.registration()).state, await open()], ['registered', []])

  vault.subscription = 'expired'
  await gate.unregister()
  assert.equal((await gate.state()).connection, 'unregistered')
  await assert.rejects(gate.register(vault), { code: 'SUBSCRIPTION_EXPIRED', context: { domain_code: 50005 } })
})

test('§3.7: without a vault an online point is refused with its code, on demand and as a job; 31205, 31265, 33344 where there is one', async (t) => {
  const vault = new VaultInProcess()
  const { control, agent, folder, groupId, sourceId } = await protectedBy(t, vault)
  const { catalog } = control.server.running().context
  const online = async () => {
    const made = await control
      .control()
      .engine.create({ type: 'online-point', sourceId, groupId, poolId: control.poolId, createdBy: 'schedule' })
    return await control.ended(made.id)
  }
  assert.equal((await online()).state, 'completed')
  const alerts = async () => (await control.ask('GET', '/alerts')).items.map(({ domainCode }: { domainCode: number }) => domainCode)

  // 33344, 3190: it is there already, which is no failure.
  const again = await online()
  assert.deepEqual([again.state, again.result.domainCode, vault.copied.length], ['completed', 33344, 1])
  assert.ok((await alerts()).includes(3190))

  // 31205, 3187: of an inconsistent replica no copy is made.
  const source = await catalog.sources.get(sourceId)
  await catalog.sources.setState(sourceId, 'inconsistent')
  assert.deepEqual((await online()).error.domainCode, 31205)
  assert.ok((await alerts()).includes(3187))
  await catalog.sources.setState(sourceId, source.state)

  // 31265: nor before there is one on disk.
  await catalog.sources.setState(sourceId, 'creating')
  assert.deepEqual((await online()).error.domainCode, 31265)
  await catalog.sources.setState(sourceId, source.state)

  writeFileSync(join(folder, 'b'), 'b')
  const made = await control.ask('POST', `/sources/${sourceId}/recovery-points`, {})
  const done = await control.ended(made.id)
  assert.equal((await online()).pointId, done.pointId)
  assert.ok(!(await alerts()).includes(3187))

  await control.control().gate.unregister()
  const refused = await control.admin.send(`/api/v1/sources/${sourceId}/recovery-points`, { method: 'POST', body: { kind: 'online' } })
  assert.deepEqual([refused.status, refused.json.code], [400, 'CLOUD_NOT_REGISTERED'])
  assert.equal((await online()).error.code, 'CLOUD_NOT_REGISTERED')
  const group = await control.admin.send('/api/v1/groups/check', {
    method: 'POST',
    body: { name: 'Other', members: [{ agentId: agent.id, path: control.root, isOnline: true }], online: { retention: RETENTION } },
  })
  assert.deepEqual(
    group.json.refusals.map(({ code }: { code: string }) => code),
    ['ONLINE_NEEDS_REGISTRATION'],
  )
})
