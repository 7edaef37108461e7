/** Agents' states (§10.12), on a real catalog. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AlertDesk } from '../alerts/alert-desk.ts'
import { aServer } from '../server.fixture.ts'
import { greetAgent, isOlder, moveAgent } from './agent-state.ts'

test('a version is older by its numbers; what is none is as new as any', () => {
  assert.deepEqual(
    [
      isOlder('0.9.0', '0.10.0'),
      isOlder('1.0.0', '1.0.0'),
      isOlder('2.0.0', '1.9.9'),
      isOlder('1.2.3-rc', '1.2.4'),
      isOlder('test', '1.0.0'),
      isOlder('1.0.0', 'dev'),
    ],
    [true, false, false, true, false, false],
  )
})

test('§10.12: an agent is OK, unreachable and OK again; one with an older program is told to have an update, until it has it', async (t) => {
  const server = await aServer(t)
  const context = { ...server.running().context, version: '1.2.0' }
  const { catalog } = context
  const alerts = new AlertDesk(context)
  assert.ok(alerts)
  const { id } = await catalog.agents.enrol({ name: 'srv1', publicKey: 'key', publicKeySha256: 'a'.repeat(64) })
  const now = () => catalog.agents.get(id)
  const greet = async (version: string) => await greetAgent(context, await now(), version)
  assert.equal(await greet('1.2.0'), 'ok')
  assert.equal(await moveAgent(context, await now(), 'lose'), 'unreachable')
  assert.equal(await greet('1.1.9'), 'update-available')
  assert.equal(await moveAgent(context, await now(), 'lose'), 'unreachable')
  assert.equal(await greet('1.1.9'), 'update-available')
  assert.equal(await greet('1.2.0'), 'ok')
  assert.equal(await moveAgent(context, await now(), 'find-incompatible'), 'incompatible')
  assert.equal(await greet('1.2.0'), 'ok')
  await moveAgent(context, await now(), 'disable')
  assert.equal(await moveAgent(context, await now(), 'lose'), 'disabled', 'what leads nowhere changes nothing')
})
