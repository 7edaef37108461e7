import assert from 'node:assert/strict'
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { SimulatedDisk } from '../../test/support/simulated-disk.ts'
import { temporaryFolder } from '../../test/support/temporary-folder.ts'
import { startOperation } from '../base/operation.ts'
import { seededRandom } from '../base/random.ts'
import { systemDisk } from '../platform/index.ts'
import { createLocalDiskStore } from './create-local-disk.ts'
import { LocalDiskStore } from './local-disk.ts'
import { describeObjectStore } from './object-store.contract.ts'
import type { ObjectStore } from './object-store.ts'

const op = startOperation({ random: seededRandom('local-disk') })

describeObjectStore('LocalDiskStore', async (t) => createLocalDiskStore(op, systemDisk(), `${temporaryFolder(t)}/pool`))
describeObjectStore('LocalDiskStore on a simulated disk', async () => createLocalDiskStore(op, new SimulatedDisk(), '/pool'))

async function names(store: ObjectStore, prefix = ''): Promise<string[]> {
  const found: string[] = []
  for await (const { name } of store.list(op, prefix)) found.push(name)
  return found
}

test('a new store has all folders, for its owner only, and making it again harms nothing', async (t) => {
  const root = `${temporaryFolder(t)}/missing/parents/pool`
  const store = await createLocalDiskStore(op, systemDisk(), root)
  await store.put(op, 'FORMAT', Buffer.from('x'))
  assert.deepEqual(readdirSync(root).sort(), ['FORMAT', 'conf', 'epoch', 'index', 'keys', 'packs', 'points', 'quarantine', 'tmp'])
  assert.equal(readdirSync(`${root}/packs`).length, 256)
  assert.ok(existsSync(`${root}/packs/00`) && existsSync(`${root}/packs/ff`))
  assert.equal(lstatSync(`${root}/packs/ab`).mode & 0o777, 0o700)
  const again = await createLocalDiskStore(op, systemDisk(), root)
  assert.deepEqual(await names(again), ['FORMAT'])
})

test('objects are files of their names, and nothing stays in tmp', async (t) => {
  const root = temporaryFolder(t)
  const store = new LocalDiskStore(systemDisk(), root)
  await store.put(op, 'points/aa/1.point', Buffer.from('content'))
  await store.put(op, 'points/aa/1.point', Buffer.from('content'))
  await assert.rejects(store.put(op, 'points/aa/1.point', Buffer.from('other')))
  assert.equal(readFileSync(`${root}/points/aa/1.point`, 'utf8'), 'content')
  assert.deepEqual(readdirSync(`${root}/tmp`), [])
})

test('a list leaves out what is no object', async (t) => {
  const root = temporaryFolder(t)
  const store = await createLocalDiskStore(op, systemDisk(), root)
  await store.put(op, 'FORMAT', Buffer.from('x'))
  for (const name of ['LOCK', '.DS_Store', 'packs/ab/.x.swp', 'packs/ab/a b', 'tmp/1-aa', 'quarantine/packs_aa'])
    writeFileSync(`${root}/${name}`, '')
  mkdirSync(`${root}/lost+found`)
  writeFileSync(`${root}/lost+found/a`, '')
  assert.deepEqual(await names(store), ['FORMAT'])
})

test('a store whose folder is gone cannot be listed, and is not made anew by a write', async (t) => {
  const root = `${temporaryFolder(t)}/pool`
  const store = await createLocalDiskStore(op, systemDisk(), root)
  renameSync(root, `${root}-unmounted`)
  await assert.rejects(names(store), { code: 'STORAGE_IO' })
  await assert.rejects(names(store, 'points/'), { code: 'STORAGE_IO' })
  await assert.rejects(store.put(op, 'FORMAT', Buffer.from('x')), { code: 'STORAGE_IO' })
  assert.equal(existsSync(root), false)
})

test('a folder that cannot be read makes the list fail, not short', async () => {
  const disk = new SimulatedDisk()
  const store = await createLocalDiskStore(op, disk, '/pool')
  await store.put(op, 'index/a', Buffer.from('x'))
  const readFolder = disk.readFolder.bind(disk)
  disk.readFolder = async (path) => {
    if (path.endsWith('/packs/77')) throw Object.assign(new Error('bad sector'), { code: 'EIO' })
    return readFolder(path)
  }
  await assert.rejects(names(store), { code: 'STORAGE_IO', message: 'list packs/77: EIO' })
  assert.deepEqual(await names(store, 'index/'), ['index/a'])
})

test('quarantine keeps the bytes of every object that was moved there', async (t) => {
  const root = temporaryFolder(t)
  const store = await createLocalDiskStore(op, systemDisk(), root)
  for (const content of ['first', 'second']) {
    await store.put(op, 'packs/ab/x.pack', Buffer.from(content))
    await store.quarantine(op, 'packs/ab/x.pack')
    await store.quarantine(op, 'packs/ab/x.pack')
  }
  assert.deepEqual(await names(store), [])
  assert.equal(readFileSync(`${root}/quarantine/packs_ab_x.pack`, 'utf8'), 'first')
  assert.equal(readFileSync(`${root}/quarantine/packs_ab_x.pack.1`, 'utf8'), 'second')
})

test('removing is fine twice', async (t) => {
  const store = await createLocalDiskStore(op, systemDisk(), temporaryFolder(t))
  await store.put(op, 'epoch/000000000001', Buffer.alloc(0))
  await store.remove(op, 'epoch/000000000001')
  await store.remove(op, 'epoch/000000000001')
  assert.deepEqual(await names(store), [])
})

test('temporary files are named by the tag and removed unless kept', async () => {
  const disk = new SimulatedDisk()
  const store = await createLocalDiskStore(op, disk, '/pool', { tag: '6' })
  const created: string[] = []
  disk.onOperation((_, description) => {
    if (description.startsWith('createFile')) created.push(description.replace('createFile /pool/tmp/', ''))
  })
  await store.put(op, 'a', Buffer.from('x'))
  store.setTag('7')
  await store.put(op, 'b', Buffer.from('x'))
  assert.match(created[0] ?? '', /^6-[0-9a-f]{32}$/)
  assert.match(created[1] ?? '', /^7-[0-9a-f]{32}$/)
  for (const name of ['5-aa', '6-aa', '7-aa']) await (await disk.createFile(`/pool/tmp/${name}`)).close()
  assert.equal(await store.removeTemporary(op, (name) => Number(name.split('-')[0]) >= 7), 2)
  assert.deepEqual(await disk.readFolder('/pool/tmp'), [{ name: '7-aa', isFolder: false }])
})

test('only one has the lock of a store', async (t) => {
  const root = temporaryFolder(t)
  const [a, b] = [new LocalDiskStore(systemDisk(), root), new LocalDiskStore(systemDisk(), root)]
  const lock = await a.lock(op)
  assert.ok(lock)
  assert.equal(await b.lock(op), undefined)
  await lock.release()
  await (await b.lock(op))?.release()
  assert.ok((await a.freeBytes()) > 0)
})
