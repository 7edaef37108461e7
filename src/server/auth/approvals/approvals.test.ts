/** Two people for acts that take protection away, with routes that exist here only. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { serverError } from '../../errors.ts'
import { administrators, type Route, route } from '../../http/route.ts'
import { aServer } from '../../server.fixture.ts'

function purgeRoutes(done: unknown[]): Route[] {
  return [
    route({
      method: 'POST',
      path: '/purge/:id',
      name: 'thing.purge',
      summary: 'For a test.',
      tag: 'Test',
      access: { who: 'roles', roles: administrators, scope: 'server', stepUp: true },
      params: z.object({ id: z.string() }),
      body: z.object({ days: z.int() }),
      answer: z.object({ days: z.int() }),
      status: 200,
      needsSecond: ({ body }) => body.days < 30,
      async handle({ params, body, caller, record }) {
        if (body.days === 13) throw serverError('API_REQUEST_INVALID', 'not today')
        done.push({ id: params.id, days: body.days, by: caller.account.name })
        await record({ action: 'thing.purge', subject: { kind: 'server', id: '' }, details: { days: body.days } })
        return { body: { days: body.days, secret: 'not in the shape' } as { days: number } }
      },
    }),
  ]
}

async function twoPeople(t: Parameters<typeof aServer>[0]) {
  const done: unknown[] = []
  const server = await aServer(t, { parts: [async () => ({ routes: purgeRoutes(done) })] })
  const admin = await server.administrator()
  const bob = await server.person('bob', ['backup-admin'])
  await admin.stepUp()
  const purge = (days: number) => admin.send('/api/v1/purge/x', { method: 'POST', body: { days } })
  const approve = (who: typeof admin, id: string) => who.send(`/api/v1/approvals/${id}/approve`, { method: 'POST' })
  return { server, admin, bob, done, purge, approve }
}

test('alone it is done at once; as soon as there are two, another one has to agree, and then it is done in both names', async (t) => {
  const done: unknown[] = []
  const single = await aServer(t, { parts: [async () => ({ routes: purgeRoutes(done) })] })
  const only = await single.administrator()
  assert.equal((await only.send('/api/v1/purge/x', { method: 'POST', body: { days: 3 } })).status, 200)
  assert.equal(done.length, 1)

  const { admin, bob, done: after, purge, approve } = await twoPeople(t)
  const asked = await purge(3)
  assert.equal(asked.status, 202)
  const { id } = asked.json.approval
  assert.equal(asked.headers.location, `/api/v1/approvals/${id}`)
  assert.deepEqual(asked.json.approval.request, { params: { id: 'x' }, body: { days: 3 } })
  assert.deepEqual(after, [])
  assert.equal((await approve(admin, id)).json.code, 'AUTH_SAME_PERSON')
  const { items } = (await bob.send('/api/v1/approvals?waiting=true')).json
  assert.deepEqual([items.length, items[0].act, items[0].requestedBy.name, items[0].state], [1, 'thing.purge', 'admin', 'waiting'])
  await bob.stepUp()
  const approved = await approve(bob, id)
  assert.equal(approved.status, 200, approved.text)
  assert.deepEqual(approved.json.result, { days: 3 })
  assert.deepEqual([approved.json.approval.state, approved.json.approval.decidedBy.name], ['done', 'bob'])
  assert.deepEqual(after, [{ id: 'x', days: 3, by: 'bob' }])
  assert.equal((await approve(bob, id)).json.code, 'CATALOG_STATE_CONFLICT')
  assert.equal(after.length, 1)
  const audit = (await admin.send('/api/v1/audit')).json.items as { action: string; actor: { name: string }; details: object }[]
  const told = audit.slice(0, 8).map(({ action, actor }) => `${actor.name} ${action}`)
  for (const line of ['admin approval.request', 'bob approval.approve', 'bob thing.purge']) assert.ok(told.includes(line), told.join(', '))
  const act = audit.find(({ action }) => action === 'thing.purge')
  assert.deepEqual(act?.details, { days: 3, approval: id, requestedBy: admin.id })
})

test('what takes nothing away needs nobody', async (t) => {
  const { purge, done } = await twoPeople(t)
  assert.equal((await purge(30)).status, 200)
  assert.equal(done.length, 1)
})

test('agreeing needs a fresh proof, the role of the act, and a session', async (t) => {
  const { server, bob, purge, approve } = await twoPeople(t)
  const { id } = (await purge(3)).json.approval
  server.clock.advance(6 * 60_000)
  assert.equal((await approve(bob, id)).json.code, 'AUTH_STEP_UP_REQUIRED')
  const cyd = await server.person('cyd', ['security-admin'])
  await cyd.stepUp()
  assert.equal((await approve(cyd, id)).json.code, 'AUTH_FORBIDDEN')
  const dan = await server.person('dan', ['operator'])
  assert.equal((await approve(dan, id)).json.code, 'AUTH_FORBIDDEN')
  assert.equal((await dan.send('/api/v1/approvals')).json.code, 'AUTH_FORBIDDEN')
})

test('of two who agree at once one does it', async (t) => {
  const { server, bob, purge, approve, done } = await twoPeople(t)
  const eve = await server.person('eve', ['backup-admin'])
  await eve.stepUp()
  await bob.stepUp()
  const admin = await server.administrator()
  await admin.stepUp()
  const { id } = (await purge(3)).json.approval
  const codes = (await Promise.all([approve(bob, id), approve(eve, id)])).map((got) => got.json.code ?? 'done')
  assert.deepEqual(codes.sort(), ['CATALOG_STATE_CONFLICT', 'done'])
  assert.equal(done.length, 1)
})

test('refused, taken back, too late, or asked by somebody who left: it is not done', async (t) => {
  const { server, admin, bob, purge, approve, done } = await twoPeople(t)
  const refuse = (who: typeof admin, id: string) =>
    who.send(`/api/v1/approvals/${id}/refuse`, { method: 'POST', body: { reason: 'no need' } })
  await bob.stepUp()
  const one = (await purge(1)).json.approval
  assert.deepEqual((await refuse(bob, one.id)).json.reason, 'no need')
  const two = (await purge(2)).json.approval
  assert.equal((await refuse(admin, two.id)).json.state, 'refused')
  for (const { id } of [one, two]) assert.equal((await approve(bob, id)).json.code, 'CATALOG_STATE_CONFLICT')

  const three = (await purge(3)).json.approval
  server.clock.advance(24 * 3_600_000)
  await bob.signIn()
  assert.equal((await bob.send(`/api/v1/approvals/${three.id}`)).json.state, 'expired')
  assert.equal((await approve(bob, three.id)).json.code, 'CATALOG_STATE_CONFLICT')

  await admin.signIn()
  const four = (await purge(4)).json.approval
  const { catalog } = server.running().context
  const asker = await catalog.accounts.get(admin.id)
  await catalog.accounts.change(admin.id, { roles: ['reader'] }, asker.version)
  assert.equal((await approve(bob, four.id)).json.code, 'AUTH_APPROVAL_STALE')
  assert.deepEqual(done, [])
})

test('an act that fails says so, and is not tried again', async (t) => {
  const { bob, purge, approve, done } = await twoPeople(t)
  const { id } = (await purge(13)).json.approval
  await bob.stepUp()
  assert.equal((await approve(bob, id)).json.code, 'API_REQUEST_INVALID')
  const told = (await bob.send(`/api/v1/approvals/${id}`)).json
  assert.deepEqual([told.state, told.failureCode], ['failed', 'API_REQUEST_INVALID'])
  assert.equal((await approve(bob, id)).json.code, 'CATALOG_STATE_CONFLICT')
  assert.deepEqual(done, [])
})

test('the rule itself is loosened by two only, and what is asked does not lie in the catalog for all to read', async (t) => {
  const { server, admin, purge } = await twoPeople(t)
  const put = (rule: string, version: string) =>
    admin.send('/api/v1/settings/second-person', { method: 'PUT', body: { rule }, headers: { 'if-match': version } })
  assert.equal((await put('on', '"0"')).status, 200)
  // Of security administrators there is one: with `on` nobody loosens it alone.
  assert.equal((await put('off', '"1"')).status, 202)
  assert.equal((await put('auto', '"1"')).status, 202)
  const { id } = (await purge(7)).json.approval
  const { catalog } = server.running().context
  const { requestSealed } = await catalog.approvals.get(id)
  assert.ok(!Buffer.from(requestSealed).includes('days'))
})
