/** §10.12: an agent is told to have an update, takes it, and is what was told. Over the real port, with files of agents as they are published. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { noise } from '../../../test/support/pool.ts'
import { bundleLine } from '../../wire/index.ts'
import { aControl, type TestControl } from '../jobs/control.fixture.ts'

/** More than one part of it goes over the line. */
const BYTES = 9_000_000

function aBundle(version: string, arch: string = process.arch): Buffer {
  return Buffer.concat([Buffer.from(`#!/bin/sh\n${bundleLine({ version, arch })}\nexit 0\n`), noise(`bundle ${version}`, BYTES)])
}

function publish(control: TestControl, name: string, content: Buffer): string {
  const folder = join(control.root, 'server', 'agent-bundles')
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, name), content)
  return join(folder, name)
}

test('§10.12: an older agent has an update, takes it over its port, replaces its file and ends to begin anew; then it is OK', async (t) => {
  const control = await aControl(t)
  const own = join(control.root, 'terp-agent')
  writeFileSync(own, aBundle('0.0.1'), { mode: 0o755 })
  const program = { version: '0.0.1', bundle: own }
  const agent = await control.agent('old', program)
  const about = async () => await control.ask('GET', `/agents/${agent.id}`)
  const ask = async (id: string) => {
    await control.admin.stepUp()
    return await control.admin.send(`/api/v1/agents/${id}/update`, { method: 'POST' })
  }
  const none = await ask(agent.id)
  assert.deepEqual([none.status, none.json.code], [404, 'AGENT_UPDATE_MISSING'])
  publish(control, 'for-others', aBundle('9.0.0', process.arch === 'x64' ? 'arm64' : 'x64'))
  publish(control, 'no-bundle', noise('nothing', 5000))
  assert.equal((await ask(agent.id)).json.code, 'AGENT_UPDATE_MISSING')
  publish(control, 'older', aBundle('0.0.2'))
  const wanted = aBundle('0.1.0')
  publish(control, 'newest', wanted)

  const plain = await control.agent('from npm', { version: '0.0.1' })
  const refused = await ask(plain.id)
  assert.deepEqual([refused.status, refused.json.code], [409, 'AGENT_UPDATE_NOT_TAKEN'])

  const job = await control.ended((await ask(agent.id)).json.id)
  assert.equal(job.state, 'completed', JSON.stringify(job))
  assert.deepEqual([job.result.version, job.result.sha256], ['0.1.0', createHash('sha256').update(wanted).digest('hex')])
  assert.equal(await agent.ended, 'replaced')
  assert.ok(readFileSync(own).equals(wanted))
  assert.equal(statSync(own).mode & 0o777, 0o755)
  assert.ok(!readdirSync(control.root).some((name) => name.endsWith('.new')))
  assert.equal((await about()).state, 'updating')
  // As the old one once more: what is published is news to it.
  agent.start()
  await control.until('it has an update', async () => (await about()).status === 'Update available')
  await agent.stop()
  program.version = '0.1.0'
  agent.start()
  await control.until('it is OK', async () => (await about()).state === 'ok')
  assert.equal((await ask(agent.id)).json.code, 'AGENT_UPDATE_MISSING')
})

test('§10.12: a file that is not what was told replaces nothing, and the agent is where it was', async (t) => {
  const control = await aControl(t)
  const own = join(control.root, 'terp-agent')
  const before = aBundle('0.0.1')
  writeFileSync(own, before, { mode: 0o755 })
  const agent = await control.agent('old', { version: '0.0.1', bundle: own })
  const path = publish(control, 'newest', aBundle('0.1.0'))
  // Changed on its way, again and again: the server tells the hash of one file and sends another.
  const { bundles } = control.control()
  const part = bundles.part.bind(bundles)
  bundles.part = async (sha256, offset) => {
    const bytes = await part(sha256, offset)
    if (bytes && offset > 0) bytes[0] = (bytes[0] as number) ^ 1
    return bytes
  }
  await control.admin.stepUp()
  const begun = await control.ask('POST', `/agents/${agent.id}/update`)
  const isTold = async () => (await control.ask('GET', `/jobs/${begun.id}`)).error?.code === 'AGENT_UPDATE_DAMAGED'
  await control.until('it is told', isTold)
  assert.ok(readFileSync(own).equals(before))
  assert.equal((await control.ask('GET', `/agents/${agent.id}`)).isConnected, true)
  assert.ok(statSync(path).size > 0)
  await control.ask('POST', `/jobs/${begun.id}/cancel`)
})
