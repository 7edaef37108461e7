/** Agents that were taken over, or whose network fails in the middle: what they send must neither stop the pool nor be believed. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { zstdCompressSync } from 'node:zlib'
import {
  anOperation,
  aPool,
  aSession,
  aSourceTree,
  backUpPaths,
  filesOf,
  KEY_FILE,
  NO_LOCK,
  namesIn,
  noise,
  type TestOperation,
} from '../../../test/support/pool.ts'
import { ByteWriter } from '../../base/bytes.ts'
import { hasCode } from '../../base/errors.ts'
import type { Operation } from '../../base/operation.ts'
import {
  CHUNK_TYPE,
  ChunkReader,
  type ChunkType,
  ChunkWriter,
  KnownChunks,
  locate,
  openPoolWriter,
  openWriteSession,
  PACK_CLASS,
  type PackClass,
  packName,
  type RecoveryPoint,
  Repository,
} from '../../repository/index.ts'
import { chunkId, sourceId } from '../../repository/keys/hierarchy.ts'
import { encodeManifest } from '../../repository/manifest/manifest.ts'
import { MemoryStore, type ObjectStore } from '../../storage/index.ts'
import { backUp, prunePool } from '../acts.ts'
import { findEntry, openPoint } from '../browse.ts'
import { type AgentView, openBackupView, openRestoreView } from './agent-view.ts'
import { inlineReceivers } from './receivers.ts'

const DEFAULTS = { dryRun: false, keepTrashMs: 0, waitMs: 0, acceptUnexplained: false }

async function aPlace(t: TestContext) {
  const op = anOperation(`${t.name} server`)
  const store = new MemoryStore('pool')
  await aPool(op, { store })
  return { op, store }
}

type Session = Awaited<ReturnType<typeof aSession>>

async function aView(op: TestOperation, store: MemoryStore, session: Session, source = 'src', through: ObjectStore = store) {
  const committed: RecoveryPoint[] = []
  const view = await openBackupView(op, {
    session,
    receivers: inlineReceivers(through),
    scope: `agent of ${source}`,
    source,
    onCommitted: (point) => void committed.push(point),
  })
  return { view, committed }
}

interface Chunk {
  readonly type: ChunkType
  readonly content: Buffer
  /** What stands for it in the pack; the content itself unless told. */
  readonly stored?: Buffer
  readonly id?: Buffer
}

let forgers = 0
/** A pack as an agent's own program could make it. */
async function packOf(view: AgentView, packClass: PackClass, chunks: readonly Chunk[]) {
  const op = anOperation(`forger ${forgers++}`)
  const store = new MemoryStore('forged')
  const { keys } = view.keys
  const known = KnownChunks.withRoomFor(100)
  const writer = new ChunkWriter({ store, keys, known, packClass, packBytes: 1 << 20, padding: 'none', onSealed: () => {} })
  const ids: Buffer[] = []
  for (const { type, content, stored, id = chunkId(keys, type, content) } of chunks) {
    ids.push(id)
    const record = { id, offset: 0, storedBytes: 0, contentBytes: content.length, type, compression: stored ? 1 : 0 } as const
    await writer.copy(op, record, stored ?? content)
  }
  await writer.flush(op)
  const [name] = await namesIn(op, store, 'packs/')
  assert.ok(name)
  return { name, bytes: await store.get(op, name), ids }
}

function manifestOf(op: Operation, view: AgentView, root: string, change: Record<string, unknown> = {}) {
  const { keys } = view.keys
  const publicPart = { id: 'ab'.repeat(16), source: sourceId(keys, 'src'), sequence: 1, previous: null }
  const body = {
    ...publicPart,
    source: 'src',
    started: '2100-01-01T00:00:00.000Z',
    finished: '2100-01-01T00:00:00.000Z',
    host: 'h',
    paths: [],
    excludes: [],
    root,
    level: 0,
    epoch: 1,
    program: 'p',
    statistics: { files: 0, folders: 0, others: 0, total_bytes: 0, data_added: 0, data_added_packed: 0 },
    warnings: 0,
    previous_point: null,
    ...change,
  }
  return encodeManifest(op.random, keys, publicPart, body as never)
}

/** A leaf without entries; its table names these chunks. */
function emptyLeaf(table: readonly Buffer[] = []): Buffer {
  const writer = new ByteWriter().u8(1).u8(0).varint(0).varint(0).varint(table.length)
  for (const id of table) writer.raw(id)
  return writer.finish()
}

test('a chunk that takes more room than an index can say is refused before it is stored', async (t) => {
  const { op, store } = await aPlace(t)
  const writer = await openPoolWriter(op, await Repository.open(op, store, KEY_FILE, 'write'), NO_LOCK, store)
  const session = await writer.begin(op)
  const { view } = await aView(op, store, session)
  const content = Buffer.alloc(1000, 1)
  // A frame of zstd that is passed over when it is decompressed.
  const skipped = Buffer.alloc(17_000_000)
  skipped.writeUInt32LE(0x184d2a50, 0)
  skipped.writeUInt32LE(skipped.length - 8, 4)
  const pack = await packOf(view, PACK_CLASS.data, [
    { type: CHUNK_TYPE.data, content, stored: Buffer.concat([zstdCompressSync(content), skipped]) },
  ])
  const answer = await view.store.put(op, pack.name, pack.bytes).then(
    () => 'taken',
    (error: { code?: string }) => String(error.code),
  )
  await session.end()
  // Whoever comes next works.
  const next = await writer.begin(op)
  await next.end()
  assert.notEqual(answer, 'taken')
  assert.deepEqual(await namesIn(op, store, 'packs/'), [])
})

test('a manifest whose fields are not what they should be is refused', async (t) => {
  const { op, store } = await aPlace(t)
  const session = await aSession(op, store)
  const { view, committed } = await aView(op, store, session)
  const page = await packOf(view, PACK_CLASS.tree, [{ type: CHUNK_TYPE.page, content: emptyLeaf() }])
  await view.store.put(op, page.name, page.bytes)
  const manifest = manifestOf(op, view, (page.ids[0] as Buffer).toString('hex'), { id: 5, paths: 7, started: {} })
  await assert.rejects(view.store.put(op, manifest.name, manifest.bytes))
  assert.deepEqual(committed, [])
  await session.end()
  const pool = await Repository.open(op, store, KEY_FILE)
  await assert.rejects(pool.findPoint(op, 'abc'), (error) => hasCode(error, 'POINT_NOT_FOUND'))
})

test('a page that names chunks of which none of its entries is cannot stop a prune', async (t) => {
  const { op, store } = await aPlace(t)
  const session = await aSession(op, store)
  const { view } = await aView(op, store, session)
  const page = await packOf(view, PACK_CLASS.tree, [{ type: CHUNK_TYPE.page, content: emptyLeaf([noise('no chunk', 32)]) }])
  await view.store.put(op, page.name, page.bytes)
  const manifest = manifestOf(op, view, (page.ids[0] as Buffer).toString('hex'))
  await view.store.put(op, manifest.name, manifest.bytes).catch(() => undefined)
  await session.end()
  const repository = await Repository.open(op, store, KEY_FILE, 'write')
  await prunePool(op, { repository, store, ...DEFAULTS })
})

for (const [what, isIt] of [
  ['a pack of content', (isTree: boolean) => !isTree],
  ['the pages of its tree', (isTree: boolean) => isTree],
] as const) {
  for (const how of ['is gone', 'has rotted'] as const) {
    test(`a source is backed up again, and whole, when ${what} of its last recovery point ${how}`, async (t) => {
      const { op, store } = await aPlace(t)
      const folder = aSourceTree(t)
      const { point } = await backUpPaths(op, store, [folder])
      const { index } = await (await Repository.open(op, store, KEY_FILE)).loadIndex(op)
      const root = index.find(Buffer.from(point.root, 'hex'))
      assert.ok(root)
      const name = (await namesIn(op, store, 'packs/')).find((one) => isIt(one.includes(root.pack)))
      assert.ok(name)
      const bytes = await store.get(op, name)
      await store.remove(op, name)
      if (how === 'has rotted') {
        bytes.writeUInt8(bytes.readUInt8(root.record.offset + 3) ^ 1, root.record.offset + 3)
        await store.put(op, name, bytes)
      }
      const session = await aSession(op, store)
      const { view, committed } = await aView(op, store, session)
      const agent = anOperation('agent')
      const repository = await Repository.openWithBundle(agent, view.store, view.keys.bundle, 'write')
      await backUp(agent, {
        source: 'src',
        host: 'host',
        excludes: [],
        excludeCaches: false,
        oneFileSystem: false,
        forceRead: true,
        skipFolders: [],
        program: 'agent',
        session: await openWriteSession(agent, repository, NO_LOCK),
        paths: [Buffer.from(folder)],
      })
      await session.end()
      const [made] = committed
      assert.ok(made)
      // What is rotten in content is found by a verification, and stored again once that has noted it.
      if (how === 'has rotted' && what === 'a pack of content') return
      const stored = await filesOf(op, await Repository.open(op, store, KEY_FILE), made, folder)
      assert.ok(stored.size > 4)
    })
  }
}

test('a manifest that is put twice at once is one recovery point', async (t) => {
  const { op, store } = await aPlace(t)
  const session = await aSession(op, store)
  const { view, committed } = await aView(op, store, session)
  const page = await packOf(view, PACK_CLASS.tree, [{ type: CHUNK_TYPE.page, content: emptyLeaf() }])
  await view.store.put(op, page.name, page.bytes)
  const manifest = manifestOf(op, view, (page.ids[0] as Buffer).toString('hex'))
  await Promise.allSettled([view.store.put(op, manifest.name, manifest.bytes), view.store.put(op, manifest.name, manifest.bytes)])
  await session.end()
  assert.equal((await namesIn(op, store, 'points/')).length, 1)
  assert.equal(committed.length, 1)
})

test('what failed on its way to the disk is not said to be stored when it is sent again', async (t) => {
  const { op, store } = await aPlace(t)
  const session = await aSession(op, store)
  let fails = true
  const failing = Object.assign(Object.create(store) as MemoryStore, {
    put: async (...args: Parameters<MemoryStore['put']>) => {
      if (args[1].startsWith('packs/') && fails) {
        fails = false
        throw new Error('the disk is away')
      }
      return store.put(...args)
    },
  })
  const { view } = await aView(op, store, session, 'src', failing)
  const pack = await packOf(view, PACK_CLASS.data, [{ type: CHUNK_TYPE.data, content: noise('content', 3000) }])
  await assert.rejects(view.store.put(op, pack.name, Buffer.from(pack.bytes)), /away/)
  const answer = await view.store.put(op, pack.name, Buffer.from(pack.bytes)).catch(() => 'refused')
  assert.ok(answer === 'refused' || session.index.find(pack.ids[0] as Buffer), 'what is said to be stored is there')
  await session.end()
  // In a session that begins anew, it goes through.
  const next = await aSession(op, store)
  const { view: again } = await aView(op, store, next)
  await again.store.put(op, pack.name, Buffer.from(pack.bytes))
  assert.ok(next.index.find(pack.ids[0] as Buffer))
  await next.end()
})

test('a chunk that is damaged in the pool takes nothing else with it out of a view to restore', async (t) => {
  const { op, store } = await aPlace(t)
  const files = Object.fromEntries(Array.from({ length: 8 }, (_, n) => [`f${n}`, noise(`file ${n}`, 6000)]))
  const folder = aSourceTree(t, files)
  const { point } = await backUpPaths(op, store, [folder])
  const repository = await Repository.open(op, store, KEY_FILE)
  const { index } = await repository.loadIndex(op)
  const before = await openPoint(op, repository, point)
  const broken = (await findEntry(op, before, Buffer.from(`${folder}/f3`))).extents[0]
  assert.ok(broken?.kind === 'data')
  const place = index.find(broken.chunk)
  assert.ok(place)
  const bytes = await store.get(op, packName(place.pack))
  bytes.writeUInt8(bytes.readUInt8(place.record.offset + 5) ^ 1, place.record.offset + 5)
  await store.remove(op, packName(place.pack))
  await store.put(op, packName(place.pack), bytes)
  const view = await openRestoreView(op, { repository, index, scope: 'restore', point })
  const agent = await Repository.openWithBundle(op, view.store, view.keys.bundle, 'read')
  const { index: seen } = await agent.loadIndex(op)
  const ids = [...seen.ids()]
  const reader = new ChunkReader(view.store, agent.keys)
  const failed: string[] = []
  for await (const { location, content } of reader.readMany(
    op,
    ids.map((id) => locate(seen, id)),
  )) {
    if (content instanceof Error) failed.push(location.record.id.toString('hex'))
  }
  assert.deepEqual(failed, [broken.chunk.toString('hex')])
})

test('the index that an agent makes of what it sends does not fill its session', async (t) => {
  const { op, store } = await aPlace(t)
  const session = await aSession(op, store)
  const { view, committed } = await aView(op, store, session)
  // Of a million and a half chunks.
  for (const digit of 'abc') await view.store.put(op, `index/${digit.repeat(64)}.idx`, Buffer.alloc(24_000_000))
  const page = await packOf(view, PACK_CLASS.tree, [{ type: CHUNK_TYPE.page, content: emptyLeaf() }])
  await view.store.put(op, page.name, page.bytes)
  const manifest = manifestOf(op, view, (page.ids[0] as Buffer).toString('hex'))
  await view.store.put(op, manifest.name, manifest.bytes)
  assert.equal(committed.length, 1)
  await session.end()
})
