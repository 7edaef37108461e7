/** Options of a group (§3.2, §3.10), from the API to what the agent does, with real agents over TLS. */
import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { noise } from '../../../test/support/pool.ts'
import { toTimestamp } from '../../base/clock.ts'
import { MINUTE_MS } from '../../protection/index.ts'
import { aControl, type TestControl } from '../jobs/control.fixture.ts'

const MEGABYTE = 1_000_000

function aFolder(control: TestControl, name: string, files: Readonly<Record<string, Buffer>>): string {
  const folder = join(control.root, name)
  mkdirSync(folder)
  for (const [file, content] of Object.entries(files)) writeFileSync(join(folder, file), content)
  return folder
}

test('§3.10: scripts of a group run with their arguments, before and after, and compression on the wire sends fewer bytes', async (t) => {
  const control = await aControl(t)
  const agent = await control.agent('srv1')
  const scripts = join(agent.folder, 'scripts')
  mkdirSync(scripts, { recursive: true, mode: 0o755 })
  const said = join(control.root, 'said')
  for (const name of ['freeze', 'thaw']) {
    writeFileSync(join(scripts, name), `#!/bin/sh\necho "${name} [$1] [$2] [$TERP_SUCCEEDED]" >> ${said}\n`)
    chmodSync(join(scripts, name), 0o755)
  }
  const program = readFileSync(process.execPath)
  const part = (at: number) => program.subarray(at * MEGABYTE, (at + 6) * MEGABYTE)
  const stored: number[] = []
  for (const isCompressedOnWire of [false, true]) {
    // As alike as two parts of one program are, and nothing in common.
    const member = {
      agentId: agent.id,
      path: aFolder(control, `compressed-${isCompressedOnWire}`, {
        program: isCompressedOnWire ? Buffer.concat([Buffer.from('x'), part(40)]) : part(40),
      }),
      preScript: { path: '/any/freeze', arguments: ['--db', 'a b'] },
      postScript: { path: '/any/thaw', arguments: ['last'] },
    }
    const name = `group ${isCompressedOnWire}`
    await control.ask('POST', '/groups', { name, members: [member], isCompressedOnWire })
    const { id } = (await control.ask('GET', '/sources')).items.find(({ groupName }: { groupName: string }) => groupName === name)
    const job = await control.ended((await control.ask('GET', `/jobs?source=${id}`)).items[0].id)
    assert.equal(job.state, 'completed', JSON.stringify(job))
    stored.push(job.result.storedBytes)
  }
  const lines = readFileSync(said, 'utf8').trim().split('\n')
  assert.deepEqual(lines.slice(0, 2), ['freeze [--db] [a b] []', 'thaw [last] [true] [true]'])
  const [usual = 0, hard = 0] = stored
  assert.ok(hard > 0 && hard < usual * 0.97, `${hard} and ${usual} bytes for the same content`)
})

test('§3.2: a first copy that is to be made later waits for its time, 3119, and is made then', async (t) => {
  const control = await aControl(t)
  const agent = await control.agent('srv1')
  const path = aFolder(control, 'later', { a: noise('a', 1000) })
  const at = toTimestamp(control.server.clock.nowMs() + 60 * MINUTE_MS)
  await control.ask('POST', '/groups', { name: 'Later', members: [{ agentId: agent.id, path }], replicaCreation: { method: 'later', at } })
  const [{ id }] = (await control.ask('GET', '/sources')).items
  const state = async () => (await control.ask('GET', `/sources/${id}`)).state
  const isTold = async () =>
    (await control.ask('GET', '/alerts')).items.some(
      (alert: { code: string; state: string }) => alert.code === 'replica-scheduled' && alert.state === 'active',
    )
  assert.deepEqual([await state(), await isTold()], ['scheduled', true])
  await control.pass(45 * MINUTE_MS)
  await control.admin.signIn()
  assert.equal(await state(), 'scheduled')
  await control.pass(20 * MINUTE_MS)
  await control.admin.signIn()
  await control.until('the first copy', async () => (await state()) === 'ok')
  assert.equal(await isTold(), false)
  const { items } = await control.ask('GET', `/jobs?source=${id}&type=replica-creation`)
  assert.equal(items.length, 1)
  assert.ok(items[0].started >= at, `${items[0].started} and not before ${at}`)
})

test('§3.10, 140: the throttle of an agent holds for its jobs, in work hours and out of them', async (t) => {
  const control = await aControl(t)
  const agent = await control.agent('srv1')
  const bytes = 3 * MEGABYTE
  const path = aFolder(control, 'throttled', { a: noise('throttled', bytes) })
  const hours = { agentId: agent.id, workDays: ['mon'], workFrom: '08:00', workTo: '18:00' }
  // The same in both, so that it holds whenever this is run.
  const throttles = [{ ...hours, workMegabitsPerSecond: 4, otherMegabitsPerSecond: 4 }]
  await control.ask('POST', '/groups', { name: 'Slow', members: [{ agentId: agent.id, path }], throttles })
  const [{ id }] = (await control.ask('GET', '/sources')).items
  const job = await control.ended((await control.ask('GET', `/jobs?source=${id}`)).items[0].id)
  assert.equal(job.state, 'completed', JSON.stringify(job))
  // 500 000 bytes a second: six seconds for what nothing can compress. A slow machine takes longer, never shorter.
  const least = (bytes * 8) / 4_000_000 - 1
  const took = (Date.parse(job.finished) - Date.parse(job.started)) / 1000
  assert.ok(took >= least, `${took} s for ${bytes} bytes at 4 Mbit/s`)
})
