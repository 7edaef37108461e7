import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { zstdCompressSync } from 'node:zlib'
import {
  anOperation,
  aPool,
  aSourceTree,
  assertSameBytes,
  backUpPaths,
  damageIn,
  type Files,
  filesOf,
  KEY_FILE,
  NO_LOCK,
  namesIn,
  noise,
} from '../../test/support/pool.ts'
import type { Operation } from '../base/operation.ts'
import { type RecoveryPoint, Repository } from '../repository/index.ts'
import { FaultyStore, MemoryStore, storageError } from '../storage/index.ts'
import { uploadPoint } from './upload-point.ts'

const KNOWN_TEXT = 'a text that somebody may look for in the vault. '.repeat(40)
const FILES: Files = {
  'large.bin': noise('large', 900_000),
  'known.txt': KNOWN_TEXT,
  ...Object.fromEntries(Array.from({ length: 30 }, (_, n) => [`f${n}`, noise(`f${n}`, 5000)])),
}

interface Copies {
  readonly op: Operation
  readonly folder: string
  readonly poolStore: MemoryStore
  readonly vaultStore: MemoryStore
  readonly pool: Repository
  readonly vault: Repository
  readonly point: RecoveryPoint
}

/** A pool with one recovery point, and an empty copy in a vault with keys of its own. */
async function aPoolAndVault(t: TestContext): Promise<Copies> {
  const op = anOperation(t.name)
  const folder = aSourceTree(t, FILES)
  const poolStore = new MemoryStore('pool')
  const pool = await aPool(op, { store: poolStore, packBytes: 262_144 })
  const { point } = await backUpPaths(op, poolStore, [folder])
  const vaultStore = new MemoryStore('vault')
  const vault = await aPool(op, { store: vaultStore, kind: 'vault', packBytes: 131_072, shared: pool })
  return { op, folder, poolStore, vaultStore, pool, vault, point }
}

function upload({ op, pool, vault, point }: Copies, through?: FaultyStore) {
  const target = through ? new Repository(through, vault.format, vault.bundle) : vault
  return uploadPoint(op, { pool, vault: target, point, lock: NO_LOCK })
}

async function assertWhole({ op, folder, vaultStore }: Copies, id: string, files: Files = FILES): Promise<void> {
  assert.deepEqual(await damageIn(op, vaultStore), [])
  const vault = await Repository.open(op, vaultStore, KEY_FILE)
  const stored = await filesOf(op, vault, await vault.findPoint(op, id), folder)
  assert.deepEqual([...stored.keys()].sort(), Object.keys(files).sort())
  for (const [name, content] of Object.entries(files)) assertSameBytes(stored.get(name), content, name)
}

test('a recovery point that was uploaded is whole in the vault, under the same id and root', async (t) => {
  const copies = await aPoolAndVault(t)
  const report = await upload(copies)
  assert.equal(report.wasThere, false)
  assert.deepEqual([report.point.id, report.point.root], [copies.point.id, copies.point.root])
  assert.equal(report.point.finished, copies.point.finished)
  await assertWhole(copies, copies.point.id)
})

test('the same point again sends nothing', async (t) => {
  const copies = await aPoolAndVault(t)
  await upload(copies)
  const before = await namesIn(copies.op, copies.vaultStore, '')
  const again = await upload(copies)
  assert.deepEqual([again.wasThere, again.chunksSent], [true, 0])
  assert.deepEqual(await namesIn(copies.op, copies.vaultStore, ''), before)
})

test('the manifest names exactly the packs that the point needs', async (t) => {
  const copies = await aPoolAndVault(t)
  const { op, vaultStore } = copies
  const { point } = await upload(copies)
  const packs = (await namesIn(op, vaultStore, 'packs/')).map((name) => name.slice(9, -5))
  assert.deepEqual(point.publicPart.packs, packs.toSorted())
})

test('of a second point only what is new is sent, and it needs packs of the first', async (t) => {
  const copies = await aPoolAndVault(t)
  const { op, folder, poolStore, vaultStore } = copies
  const first = await upload(copies)
  const changed = noise('changed', 20_000)
  writeFileSync(join(folder, 'f3'), changed)
  rmSync(join(folder, 'f4'))
  const { point } = await backUpPaths(op, poolStore, [folder])
  const second = await upload({ ...copies, point })
  assert.ok(second.bytesSent < 60_000, `${second.bytesSent} of ${first.bytesSent} bytes`)
  const shared = second.point.publicPart.packs?.filter((pack) => first.point.publicPart.packs?.includes(pack)) ?? []
  assert.ok(shared.length > 3)
  assert.equal(second.point.publicPart.previous, first.point.object.slice(-70, -6))
  const { f4: _, ...rest } = FILES
  await assertWhole(copies, point.id, { ...rest, f3: changed })
  await assertWhole(copies, first.point.id)
  assert.ok((await namesIn(op, vaultStore, 'packs/')).length >= shared.length + 2)
})

test('packs in the vault have one size, but for the last ones', async (t) => {
  const copies = await aPoolAndVault(t)
  await upload(copies)
  const sizes: number[] = []
  for await (const { sizeBytes } of copies.vaultStore.list(copies.op, 'packs/')) sizes.push(sizeBytes)
  const full = sizes.filter((size) => size === 131_072).length
  assert.ok(sizes.length >= 6 && full >= sizes.length - 2, sizes.join())
  assert.ok(sizes.every((size) => size >= 65_536 && size <= 131_072))
})

test('nothing that is known can be found in the vault: no content, compressed or not, no names, no ids, no keys', async (t) => {
  const copies = await aPoolAndVault(t)
  const { op, pool, vault, vaultStore, point } = copies
  await upload(copies)
  const parts: Buffer[] = []
  for (const name of await namesIn(op, vaultStore, '')) parts.push(Buffer.from(name), await vaultStore.get(op, name))
  const everything = Buffer.concat(parts)
  const loaded = await pool.loadIndex(op)
  const secrets: [string, Uint8Array][] = [
    ['text', Buffer.from(KNOWN_TEXT.slice(0, 40))],
    ['compressed text', zstdCompressSync(Buffer.from(KNOWN_TEXT)).subarray(8, 40)],
    ['content', noise('f3', 5000).subarray(100, 116)],
    ['name', Buffer.from('known.txt')],
    ['path', Buffer.from(copies.folder)],
    ['host', Buffer.from('"host"')],
    ['root id', Buffer.from(point.root, 'hex')],
    ['root id as text', Buffer.from(point.root)],
    ...[...loaded.index.ids()].slice(0, 50).map((id): [string, Uint8Array] => ['chunk id', id]),
    ...Object.values({ ...pool.bundle, data: pool.keys.dataKey, meta: pool.keys.metaKey }).map((key): [string, Uint8Array] => [
      'key of the pool',
      key,
    ]),
    ...Object.values({ ...vault.bundle, data: vault.keys.dataKey, meta: vault.keys.metaKey }).map((key): [string, Uint8Array] => [
      'key',
      key,
    ]),
  ]
  for (const [what, bytes] of secrets) assert.equal(everything.indexOf(bytes), -1, what)
})

test('an upload that is cut off at any put goes on, and sends again at most what was not stored', async (t) => {
  const copies = await aPoolAndVault(t)
  const { op, vaultStore: empty } = copies
  const whole = (await upload({ ...copies, ...(await fresh(copies, empty.clone())) })).chunksSent
  let cuts = 0
  for (let n = 0; ; n++) {
    const vaultStore = empty.clone()
    const again = { ...copies, ...(await fresh(copies, vaultStore)), op: anOperation(`cut ${n}`) }
    const faulty = new FaultyStore(vaultStore, [{ verb: 'put', kind: 'error', skip: n, error: storageError('STORAGE_IO', 'cut off') }])
    const failed = await upload(again, faulty).then(
      () => false,
      (error: unknown) => {
        assert.equal((error as { code?: string }).code, 'STORAGE_IO')
        return true
      },
    )
    if (!failed) break
    assert.deepEqual(await namesIn(op, vaultStore, 'points/'), [])
    const arrived = (await again.vault.loadIndex(op, { whole: true })).index.size
    const rest = await upload(again)
    assert.equal(rest.chunksSent, whole - arrived, `put ${n}`)
    if (n % 4 === 0) await assertWhole(again, copies.point.id)
    cuts++
  }
  assert.ok(cuts >= 10)
})

async function fresh({ op }: Copies, vaultStore: MemoryStore) {
  return { vaultStore, vault: await Repository.open(op, vaultStore, KEY_FILE, 'write') }
}

test('a manifest that arrived though its reply was lost is found by the next upload', async (t) => {
  const copies = await aPoolAndVault(t)
  await assert.rejects(upload(copies, new FaultyStore(copies.vaultStore, [{ verb: 'put', kind: 'lost-reply', name: /^points\// }])))
  assert.equal((await upload(copies)).wasThere, true)
  await assertWhole(copies, copies.point.id)
})

test('a damaged chunk in the pool stops the upload, and no point is left in the vault', async (t) => {
  const copies = await aPoolAndVault(t)
  const { op, poolStore } = copies
  for (const name of await namesIn(op, poolStore, 'packs/')) {
    const damaged = poolStore.clone()
    const vaultStore = copies.vaultStore.clone()
    damaged.tamper(name, (bytes) => {
      bytes[200] = (bytes[200] as number) ^ 1
      return bytes
    })
    const pool = await Repository.open(op, damaged, KEY_FILE)
    const interrupted = { ...copies, ...(await fresh(copies, vaultStore)) }
    await assert.rejects(upload({ ...interrupted, pool }), { kind: 'corrupt' })
    assert.deepEqual(await namesIn(op, vaultStore, 'points/'), [])
    assert.deepEqual(await damageIn(op, vaultStore), [])
    await upload(interrupted)
    await assertWhole(interrupted, copies.point.id)
  }
})

test('two uploads at once: the later one wins, the earlier one commits nothing', async (t) => {
  const copies = await aPoolAndVault(t)
  const { vaultStore } = copies
  const put = vaultStore.put.bind(vaultStore)
  let isSecond = false
  vaultStore.put = async (...given) => {
    if (given[1].startsWith('index/') && !isSecond) {
      isSecond = true
      await upload({ ...copies, op: anOperation('the other') })
    }
    return put(...given)
  }
  await assert.rejects(upload(copies), { code: 'REPOSITORY_WRITER_SUPERSEDED' })
  assert.equal((await namesIn(copies.op, vaultStore, 'points/')).length, 1)
  await assertWhole(copies, copies.point.id)
})
