/** The engine itself is the agent here: it works on a view as on any repository. */
import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import {
  anOperation,
  aPool,
  aSession,
  aSourceTree,
  assertSameBytes,
  type BackupSettings,
  backUpPaths,
  damageIn,
  type Files,
  filesOf,
  KEY_FILE,
  NO_LOCK,
  namesIn,
  noise,
  type TestOperation,
} from '../../../test/support/pool.ts'
import { hasCode } from '../../base/errors.ts'
import { openWriteSession, PACK_CLASS, type RecoveryPoint, Repository } from '../../repository/index.ts'
import { MemoryStore, type ObjectStore } from '../../storage/index.ts'
import { backUp } from '../acts.ts'
import { findEntry, openPoint, readFileContent } from '../browse.ts'
import { type AgentView, openBackupView, openRestoreView } from './agent-view.ts'
import { inlineReceivers } from './receivers.ts'

const FILES: Files = {
  'large.bin': noise('large', 300_000),
  'text.txt': 'a text that is long enough to be compressed. '.repeat(80),
  ...Object.fromEntries(Array.from({ length: 40 }, (_, n) => [`many/f${n}`, noise(`f${n}`, 3000)])),
}

interface Server {
  readonly op: TestOperation
  readonly store: MemoryStore
}

async function aServer(t: TestContext): Promise<Server> {
  const op = anOperation(`${t.name} server`)
  const store = new MemoryStore('pool')
  await aPool(op, { store })
  return { op, store }
}

interface Backup {
  readonly source?: string
  readonly scope?: string
  readonly sentBefore?: Iterable<Buffer>
  readonly sent?: Buffer[]
  readonly settings?: BackupSettings
  /** Between the agent and the view. */
  readonly through?: (store: ObjectStore) => ObjectStore
}

/** One session: the server opens a view, the agent backs up to it. */
async function backUpByView(
  { op, store }: Server,
  folder: string,
  options: Backup = {},
): Promise<{ point: RecoveryPoint; view: AgentView }> {
  const session = await aSession(op, store)
  let committed: RecoveryPoint | undefined
  const source = options.source ?? 'src'
  const view = await openBackupView(op, {
    session,
    scope: options.scope ?? 'agent a',
    source,
    ...(options.sentBefore ? { sentBefore: options.sentBefore } : {}),
    receivers: inlineReceivers(store),
    onSent: async (_, ids) => {
      for (let at = 0; at < ids.length; at += 32) options.sent?.push(Buffer.from(ids.subarray(at, at + 32)))
    },
    onCommitted: (point) => {
      committed = point
    },
  })
  try {
    const agent = anOperation('agent')
    const through = options.through?.(view.store) ?? view.store
    const repository = await Repository.openWithBundle(agent, through, view.keys.bundle, 'write')
    await backUp(agent, {
      host: 'host',
      excludes: [],
      excludeCaches: false,
      oneFileSystem: false,
      forceRead: false,
      skipFolders: [],
      program: 'agent',
      source,
      ...options.settings,
      session: await openWriteSession(agent, repository, NO_LOCK),
      paths: [Buffer.from(folder)],
    })
  } finally {
    await session.end()
  }
  assert.ok(committed)
  return { point: committed, view }
}

async function assertHolds({ op, store }: Server, point: RecoveryPoint, folder: string, files: Files): Promise<void> {
  assert.deepEqual(await damageIn(op, store), [])
  const stored = await filesOf(op, await Repository.open(op, store, KEY_FILE), point, folder)
  assert.deepEqual([...stored.keys()].sort(), Object.keys(files).sort())
  for (const [name, content] of Object.entries(files)) assertSameBytes(stored.get(name), content, name)
}

test('what an agent backs up to its view is whole in the pool, with the ids that the pool itself would give', async (t) => {
  const server = await aServer(t)
  const folder = aSourceTree(t, FILES)
  const { point } = await backUpByView(server, folder)
  await assertHolds(server, point, folder, FILES)
  const other = new MemoryStore('the same, without a view')
  const pool = await Repository.open(server.op, server.store, KEY_FILE)
  await aPool(server.op, { store: other, shared: pool })
  const direct = await backUpPaths(anOperation('direct'), other, [folder])
  const chunksOf = async (op: TestOperation, repository: Repository, of: RecoveryPoint) => {
    const entry = await findEntry(op, await openPoint(op, repository, of), Buffer.from(join(folder, 'large.bin')))
    return entry.extents.flatMap((extent) => (extent.kind === 'hole' ? [] : [extent.chunk.toString('hex')]))
  }
  const expected = await chunksOf(server.op, await Repository.open(server.op, other, KEY_FILE), direct.point)
  assert.ok(expected.length > 10)
  assert.deepEqual(await chunksOf(server.op, pool, point), expected)
})

test('the second backup knows the first: what is unchanged is neither read nor sent', async (t) => {
  const server = await aServer(t)
  const folder = aSourceTree(t, FILES)
  await backUpByView(server, folder)
  writeFileSync(join(folder, 'many/f7'), 'changed')
  rmSync(join(folder, 'many/f8'))
  const sent: Buffer[] = []
  const { point } = await backUpByView(server, folder, { sent })
  const { 'many/f8': _, ...left } = FILES
  await assertHolds(server, point, folder, { ...left, 'many/f7': 'changed' })
  assert.ok(sent.length < 10, `${sent.length} chunks were sent`)
})

test('forced to read everything, it sends nothing that its last recovery point holds', async (t) => {
  const server = await aServer(t)
  const folder = aSourceTree(t, FILES)
  const first = await backUpByView(server, folder)
  const sent: Buffer[] = []
  const second = await backUpByView(server, folder, { sent, settings: { forceRead: true } })
  assert.equal(second.point.root, first.point.root)
  assert.deepEqual(sent, [])
})

test('a view opens nothing of the pool, and nothing of another view', async (t) => {
  const server = await aServer(t)
  const folder = aSourceTree(t, FILES)
  const { view } = await backUpByView(server, folder)
  const pool = await Repository.open(server.op, server.store, KEY_FILE)
  assert.notDeepEqual(view.keys.bundle.masterKey, pool.bundle.masterKey)
  const agent = new Repository(server.store, view.keys.format, view.keys.bundle)
  assert.equal((await agent.listPoints(server.op)).points.length, 0, 'manifests of the pool do not open')
  const other = await backUpByView(server, folder, { source: 'other', scope: 'agent b' })
  const foreign = new Repository(other.view.store, view.keys.format, view.keys.bundle)
  assert.equal((await foreign.listPoints(server.op)).points.length, 0)
})

test('a view shows nothing of another source, even where the content is the same', async (t) => {
  const server = await aServer(t)
  const folder = aSourceTree(t, FILES)
  await backUpByView(server, folder, { source: 'other', scope: 'agent b' })
  const session = await aSession(server.op, server.store)
  const view = await openBackupView(server.op, {
    session,
    receivers: inlineReceivers(server.store),
    scope: 'agent a',
    source: 'src',
    onCommitted: () => {},
  })
  const names: string[] = []
  for await (const { name } of view.store.list(server.op, '')) names.push(name)
  assert.deepEqual(names, ['FORMAT', 'FORMAT.copy'])
  await session.end()
  const sent: Buffer[] = []
  const { point } = await backUpByView(server, folder, { sent })
  assert.ok(sent.length > 40, 'so it sends what the pool has')
  await assertHolds(server, point, folder, FILES)
})

test('a recovery point that names chunks which its source never had is refused', async (t) => {
  const server = await aServer(t)
  const folder = aSourceTree(t, FILES)
  const victim = await backUpByView(server, folder, { source: 'victim', scope: 'agent b' })
  const session = await aSession(server.op, server.store)
  const committed: RecoveryPoint[] = []
  const view = await openBackupView(server.op, {
    session,
    receivers: inlineReceivers(server.store),
    scope: 'agent a',
    source: 'src',
    onCommitted: (point) => committed.push(point),
  })
  const agent = anOperation('thief')
  const thief = await openWriteSession(agent, await Repository.openWithBundle(agent, view.store, view.keys.bundle, 'write'), NO_LOCK)
  const { root, level, paths, statistics } = victim.point
  const stolen = {
    source: 'src',
    started: victim.point.started,
    host: 'h',
    paths,
    excludes: [],
    level,
    program: 'p',
    statistics,
    warnings: 0,
    previousPoint: null,
  }
  await assert.rejects(thief.commit(agent, { ...stolen, root: Buffer.from(root, 'hex') }), (error) => hasCode(error, 'VIEW_UNPROVEN_CHUNK'))
  const foreign = { ...stolen, source: 'victim', root: Buffer.from(root, 'hex') }
  const again = await openWriteSession(agent, await Repository.openWithBundle(agent, view.store, view.keys.bundle, 'write'), NO_LOCK)
  await assert.rejects(again.commit(agent, foreign), (error) => hasCode(error, 'VIEW_FOREIGN_SOURCE'))
  assert.deepEqual(committed, [])
  await session.end()
  const pool = await Repository.open(server.op, server.store, KEY_FILE)
  assert.deepEqual(
    (await pool.listPoints(server.op)).points.map(({ source }) => source),
    ['victim'],
  )
})

test('content under a false id, a cut-off pack and a flipped bit are refused, and nothing of them is stored', async (t) => {
  const server = await aServer(t)
  const { op, store } = server
  const session = await aSession(op, store)
  const view = await openBackupView(op, {
    session,
    receivers: inlineReceivers(store),
    scope: 'agent a',
    source: 'src',
    onCommitted: () => {},
  })
  const agent = anOperation('forger')
  const packs: { name: string; bytes: Buffer }[] = []
  const repository = new Repository(new MemoryStore('forged'), view.keys.format, view.keys.bundle)
  const forger = await openWriteSession(agent, repository, NO_LOCK)
  const writer = forger.chunkWriter(PACK_CLASS.data)
  const good = noise('good', 4000)
  const bad = noise('bad', 4000)
  const { id } = await writer.write(agent, 1, good)
  await writer.copy(
    agent,
    { id: Buffer.from(id).fill(9, 0, 4), offset: 0, storedBytes: 0, contentBytes: bad.length, type: 1, compression: 0 },
    bad,
  )
  await writer.flush(agent)
  for await (const { name } of repository.store.list(agent, 'packs/')) packs.push({ name, bytes: await repository.store.get(agent, name) })
  const [pack] = packs
  assert.ok(pack)
  const refuse = (name: string, bytes: Buffer, code: string) =>
    assert.rejects(view.store.put(op, name, bytes), (error) => hasCode(error, code))
  await refuse(pack.name, pack.bytes, 'CHUNK_DAMAGED')
  await refuse(pack.name, pack.bytes.subarray(0, -1), 'PACK_DAMAGED')
  const flipped = Buffer.from(pack.bytes)
  flipped.writeUInt8(flipped.readUInt8(200) ^ 1, 200)
  await refuse(pack.name, flipped, 'PACK_DAMAGED')
  await session.end()
  assert.deepEqual(await namesIn(op, store, 'packs/'), [])
})

test('what an interrupted session sent is not sent again', async (t) => {
  const server = await aServer(t)
  const folder = aSourceTree(t, FILES)
  const sent: Buffer[] = []
  const failing = (store: ObjectStore): ObjectStore => ({
    description: store.description,
    get: (op, name, range) => store.get(op, name, range),
    head: (op, name) => store.head(op, name),
    list: (op, prefix) => store.list(op, prefix),
    async put(op, name, bytes) {
      if (name.startsWith('points/')) throw new Error('cut off')
      return store.put(op, name, bytes)
    },
  })
  await assert.rejects(backUpByView(server, folder, { sent, through: failing }), /cut off/)
  const again: Buffer[] = []
  const { point } = await backUpByView(server, folder, { sentBefore: sent, sent: again })
  assert.equal(again.length, 0)
  await assertHolds(server, point, folder, FILES)
})

test('a view to restore shows what was granted and no content beside it', async (t) => {
  const server = await aServer(t)
  const { op, store } = server
  const folder = aSourceTree(t, FILES)
  const { point } = await backUpByView(server, folder)
  const repository = await Repository.open(op, store, KEY_FILE)
  const { index } = await repository.loadIndex(op)
  const view = await openRestoreView(op, { repository, index, scope: 'restore 1', point, paths: [Buffer.from(`${folder}/many`)] })
  await assert.rejects(view.store.put(op, 'epoch/000000000001', Buffer.alloc(1)), (error) => hasCode(error, 'STORAGE_READ_ONLY'))
  const agent = await Repository.openWithBundle(op, view.store, view.keys.bundle, 'read')
  const shown = await agent.findPoint(op, 'latest')
  assert.equal(shown.id, point.id)
  const opened = await openPoint(op, agent, shown)
  const read = async (name: string) => {
    const entry = await findEntry(op, opened, Buffer.from(join(folder, name)))
    const pieces: Buffer[] = []
    for await (const piece of readFileContent(op, opened, entry)) pieces.push(Buffer.from(piece))
    return Buffer.concat(pieces)
  }
  for (let n = 0; n < 40; n++) assertSameBytes(await read(`many/f${n}`), FILES[`many/f${n}`] as Buffer, `many/f${n}`)
  await assert.rejects(read('large.bin'), (error) => hasCode(error, 'CHUNK_MISSING'))
})
