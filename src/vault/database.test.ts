import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type TestContext, test } from 'node:test'
import { hasCode } from '../base/errors.ts'
import { openDatabase } from './database.ts'

async function aPath(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'terp-vault-db-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  return join(folder, 'vault.db')
}

test('a new database can be closed and opened again', async (t) => {
  const path = await aPath(t)
  const first = await openDatabase(path)
  await first.insertInto('settings').values({ name: 'public-key', value: 'x' }).execute()
  await first.destroy()
  const again = await openDatabase(path)
  assert.deepEqual({ ...(await again.selectFrom('settings').selectAll().executeTakeFirst()) }, { name: 'public-key', value: 'x' })
  await again.destroy()
})

test('a transaction that fails leaves nothing', async (t) => {
  const database = await openDatabase(await aPath(t))
  const failing = database.transaction().execute(async (transaction) => {
    await transaction.insertInto('settings').values({ name: 'public-key', value: 'x' }).execute()
    throw new Error('no')
  })
  await assert.rejects(failing)
  assert.deepEqual(await database.selectFrom('settings').selectAll().execute(), [])
  await database.destroy()
})

test('a database of a newer version is refused, and left alone', async (t) => {
  const path = await aPath(t)
  await (await openDatabase(path)).destroy()
  const sqlite = new DatabaseSync(path)
  sqlite.exec("insert into kysely_migration (name, timestamp) values ('9999-future', '2036-01-01')")
  sqlite.close()
  await assert.rejects(openDatabase(path), (error) => hasCode(error, 'VAULT_DATA_NEWER'))
})

test('a file that is no database is refused', async (t) => {
  const path = await aPath(t)
  await writeFile(path, 'this is not a database, but it is long enough to look at, and then some more text')
  await assert.rejects(openDatabase(path), (error) => hasCode(error, 'VAULT_DATA_INVALID'))
})
