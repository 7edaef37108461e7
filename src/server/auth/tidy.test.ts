import assert from 'node:assert/strict'
import { test } from 'node:test'
import { aServer } from '../server.fixture.ts'
import { DAY_MS } from './policy.ts'
import { tidyAccess } from './tidy.ts'

test('what ended is removed, and what still limits somebody stays', async (t) => {
  const server = await aServer(t)
  const admin = await server.administrator()
  const { context } = server.running()
  const wrong = () => server.send('/api/v1/session', { method: 'POST', body: { name: 'admin', password: 'wrong password' } })
  for (let n = 0; n < 6; n++) await wrong()
  await tidyAccess(context)
  assert.equal((await wrong()).json.code, 'AUTH_TOO_OFTEN')
  assert.equal((await admin.send('/api/v1/session')).status, 200)
  server.clock.advance(DAY_MS + 1)
  await tidyAccess(context)
  assert.deepEqual(await context.catalog.sessions.listOf(admin.id, { idleMs: 10 * DAY_MS }), [])
  assert.equal((await wrong()).json.code, 'AUTH_FAILED')
})
