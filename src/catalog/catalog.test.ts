import assert from 'node:assert/strict'
import { open, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { systemClock } from '../base/clock.ts'
import { hasCode } from '../base/errors.ts'
import { seededRandom } from '../base/random.ts'
import { aCatalog, aSource } from './catalog.fixture.ts'
import { openCatalog } from './catalog.ts'

const op = { clock: systemClock(), random: seededRandom('copy') }

test('what was written is there after a restart', async (t) => {
  const at = await aCatalog(t)
  await at.catalog.settings.put('server', { name: 'main' }, { by: 'me' })
  const catalog = await at.reopen()
  assert.deepEqual((await catalog.settings.find('server'))?.value, { name: 'main' })
})

test('a transaction that fails leaves nothing, and one that succeeds all', async (t) => {
  const { catalog } = await aCatalog(t)
  const failing = catalog.transaction(async (records) => {
    await records.settings.put('server', 1, { by: 'me' })
    await records.audit.append(event('settings.change'))
    throw new Error('no')
  })
  await assert.rejects(failing)
  assert.equal(await catalog.settings.find('server'), undefined)
  assert.equal((await catalog.audit.head()).sequence, 0)
  await catalog.transaction(async (records) => {
    await records.settings.put('server', 1, { by: 'me' })
    await records.audit.append(event('settings.change'))
  })
  assert.equal((await catalog.audit.head()).sequence, 1)
})

test('a copy is whole, and made while others write', async (t) => {
  const { catalog, folder } = await aCatalog(t)
  const { sourceId } = await aSource(catalog)
  const path = join(folder, 'copy.db')
  const copied = catalog.backupTo(path)
  await catalog.settings.put('server', 1, { by: 'me' })
  await copied
  const copy = await openCatalog(op, path)
  assert.equal((await copy.sources.get(sourceId)).name, 'srv1:/home')
  await copy.close()
})

test('damage is found when it is opened', async (t) => {
  const { catalog, path } = await aCatalog(t)
  for (let n = 0; n < 200; n++) await catalog.settings.put(`s${n}`, 'x'.repeat(200), { by: 'me' })
  const copy = `${path}.copy`
  await catalog.backupTo(copy)
  const size = (await readFile(copy)).length
  const file = await open(copy, 'r+')
  await file.write(Buffer.alloc(2000, 0x5a), 0, 2000, size - 6000)
  await file.close()
  await assert.rejects(openCatalog(op, copy), (error) => hasCode(error, 'DATABASE_INVALID'))
})

test('a file that is none is refused, and one of a newer version is left alone', async (t) => {
  const { catalog, folder } = await aCatalog(t)
  const none = join(folder, 'none.db')
  await writeFile(none, 'this is not a database, but it is long enough to look at, and then some more text')
  await assert.rejects(openCatalog(op, none), (error) => hasCode(error, 'DATABASE_INVALID'))
  const newer = join(folder, 'newer.db')
  await catalog.backupTo(newer)
  const sqlite = new DatabaseSync(newer)
  sqlite.exec("insert into kysely_migration (name, timestamp) values ('9999-future', '2036-01-01')")
  sqlite.close()
  await assert.rejects(openCatalog(op, newer), (error) => hasCode(error, 'DATABASE_NEWER'))
})

function event(action: string) {
  const actor = { kind: 'server', id: '', name: 'server' } as const
  return { actor, address: '', action, subject: { kind: 'settings', id: 'server' }, outcome: 'done' } as const
}
