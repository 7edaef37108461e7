import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { aCatalog } from './catalog.fixture.ts'
import type { Records } from './catalog.ts'

async function write(catalog: Records, n: number): Promise<void> {
  const actor = { kind: 'account', id: 'a1', name: 'ada' } as const
  const subject = { kind: 'group', id: `g${n}` } as const
  await catalog.audit.append({
    actor,
    address: '10.0.0.1',
    action: 'group.change',
    subject,
    outcome: 'done',
    details: { n, b: [1, 'x'], a: null },
  })
}

/** Changes the file as somebody would who can write to the data folder. */
async function tampered(path: string, sql: string): Promise<void> {
  const sqlite = new DatabaseSync(path)
  sqlite.exec(`drop trigger audit_no_update; drop trigger audit_no_delete; ${sql}`)
  sqlite.close()
}

test('entries follow each other, and the log verifies', async (t) => {
  const { catalog } = await aCatalog(t)
  // More than one batch of the verification.
  await catalog.transaction(async (records) => {
    for (let n = 1; n <= 1100; n++) await write(records, n)
  })
  const verdict = await catalog.audit.verify()
  assert.equal(verdict.broken, undefined)
  assert.equal(verdict.entries, 1100)
  assert.deepEqual(verdict.head, await catalog.audit.head())
})

test('the program itself can not change or remove an entry', async (t) => {
  const { catalog, path } = await aCatalog(t)
  await write(catalog, 1)
  const sqlite = new DatabaseSync(path)
  assert.throws(() => sqlite.exec("update audit set action = 'x'"), /append-only/)
  assert.throws(() => sqlite.exec('delete from audit'), /append-only/)
  sqlite.close()
})

const tampering: readonly (readonly [what: string, sql: string, sequence: number])[] = [
  ['a changed detail', `update audit set details_json = '{"n":7}' where sequence = 3`, 3],
  ['a changed actor', `update audit set actor_name = 'eve' where sequence = 2`, 2],
  ['a changed time', 'update audit set at_ms = at_ms + 1 where sequence = 5', 5],
  ['a changed hash', `update audit set sha256 = '${'0'.repeat(64)}' where sequence = 4`, 4],
  ['a removed entry', 'delete from audit where sequence = 3', 3],
  ['a removed beginning', 'delete from audit where sequence = 1', 1],
  [
    'two that changed places',
    'update audit set sequence = -sequence where sequence in (2, 3); update audit set sequence = 5 + sequence where sequence < 0',
    2,
  ],
]
for (const [what, sql, sequence] of tampering) {
  test(`${what} is found`, async (t) => {
    const { catalog, path } = await aCatalog(t)
    for (let n = 1; n <= 6; n++) await write(catalog, n)
    await tampered(path, sql)
    assert.equal((await catalog.audit.verify()).broken?.sequence, sequence)
  })
}

test('an end that was cut off is found by a head that was noted elsewhere', async (t) => {
  const { catalog, path } = await aCatalog(t)
  for (let n = 1; n <= 6; n++) await write(catalog, n)
  const noted = await catalog.audit.head()
  assert.equal((await catalog.audit.verify(noted)).broken, undefined)
  await tampered(path, 'delete from audit where sequence > 4')
  assert.equal((await catalog.audit.verify()).broken, undefined)
  assert.equal((await catalog.audit.verify(noted)).broken?.sequence, 5)
  await write(catalog, 5)
  await write(catalog, 66)
  assert.equal((await catalog.audit.verify(noted)).broken?.sequence, 6)
})

test('entries are listed, the newest first, by pages and filters', async (t) => {
  const { catalog } = await aCatalog(t)
  for (let n = 1; n <= 5; n++) await write(catalog, n)
  const first = await catalog.audit.list({ limit: 2 })
  assert.deepEqual(
    first.items.map((entry) => entry.sequence),
    [5, 4],
  )
  const second = await catalog.audit.list({ limit: 3, cursor: first.next })
  assert.deepEqual(
    second.items.map((entry) => entry.sequence),
    [3, 2, 1],
  )
  assert.equal(second.next, undefined)
  const about = await catalog.audit.list({ limit: 9 }, { subject: { kind: 'group', id: 'g4' } })
  assert.deepEqual(
    about.items.map((entry) => entry.details),
    [{ n: 4, a: null, b: [1, 'x'] }],
  )
})
