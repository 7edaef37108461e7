/** The life of a group over the API: refused with all reasons, stopped, taken up again, moved; points stay what they are. */
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { aControl } from '../jobs/control.fixture.ts'

test('points stay through a stop that retains, a new start, and a move; a stop that deletes fills the ledger', async (t) => {
  const control = await aControl(t)
  const agent = await control.agent('srv1')
  const folder = join(control.root, 'files')
  mkdirSync(folder)
  writeFileSync(join(folder, 'a'), 'a')
  const member = { agentId: agent.id, path: folder }

  const refused = await control.admin.send('/api/v1/groups', {
    method: 'POST',
    body: { name: '', members: [member], shortTerm: { retentionDays: 0 } },
  })
  assert.equal(refused.status, 400)
  const codes = refused.json.context.refusals.map(({ code }: { code: string }) => code)
  assert.ok(codes.includes('GROUP_NAME_INVALID') && codes.includes('RETENTION_RANGE_INVALID'), String(codes))

  const { group } = await control.ask('POST', '/groups', { name: 'One', members: [member] })
  const [source] = (await control.ask('GET', '/sources')).items
  const isOk = async () => (await control.ask('GET', `/sources/${source.id}`)).state === 'ok'
  await control.until('the first copy', isOk)

  await control.ask('POST', `/groups/${group.id}/stop`, { data: 'retain' }, { 'if-match': '"1"' })
  const inactive = await control.ask('GET', `/sources/${source.id}`)
  assert.deepEqual([inactive.state, inactive.points, inactive.groupId], ['inactive', 1, undefined])

  // The same place again is the same data source (S-re-adding): its old point is there, and a check brings it up to date.
  const again = (await control.ask('POST', '/groups', { name: 'Two', members: [member] })).group
  await control.until('the check', isOk)
  assert.equal((await control.ask('GET', `/sources/${source.id}`)).points, 2)

  const other = join(control.root, 'other')
  mkdirSync(other)
  const three = (await control.ask('POST', '/groups', { name: 'Three', members: [{ agentId: agent.id, path: other }] })).group
  await control.ask('POST', `/groups/${three.id}/move-here`, { source: source.id })
  const moved = await control.ask('GET', `/sources/${source.id}`)
  assert.deepEqual([moved.groupName, moved.points], ['Three', 2])
  assert.equal((await control.admin.send(`/api/v1/groups/${again.id}`)).status, 404, 'a group without members is gone')

  await control.until('nothing runs', async () => (await control.ask('GET', '/jobs?state=in-progress,queued')).items.length === 0)
  await control.admin.stepUp()
  const now = await control.ask('GET', `/groups/${three.id}`)
  await control.ask('POST', `/groups/${three.id}/stop`, { data: 'delete', members: [source.id] }, { 'if-match': `"${now.version}"` })
  const ledger = (await control.ask('GET', `/retention/ledger?source=${source.id}`)).items
  assert.deepEqual(
    ledger.map(({ reason }: { reason: string }) => reason),
    ['protection-stopped', 'protection-stopped'],
  )
  const back = await control.ask('POST', `/recovery-points/${ledger[0].pointId}/undelete`)
  assert.equal(back.state, 'valid')
})
