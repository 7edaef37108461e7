import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { anOperation, aPool, aSourceTree, damageIn, filesOf, KEY_FILE, NO_LOCK, namesIn, noise } from '../../../test/support/pool.ts'
import { backUp, expirePoints, prunePool } from '../../archive/index.ts'
import { ManualClock } from '../../base/clock.ts'
import { hasCode } from '../../base/errors.ts'
import type { Operation } from '../../base/operation.ts'
import { type Fault, FaultyStore, MemoryStore } from '../../storage/index.ts'
import {
  CHUNK_TYPE,
  KnownChunks,
  type NewPoint,
  openPoolWriter,
  PACK_CLASS,
  type PoolWriter,
  packName,
  Repository,
  repositoryError,
  type SealedPack,
  type WriteSession,
} from '../index.ts'

interface Place {
  readonly store: MemoryStore
  readonly writer: PoolWriter
  readonly clock: ManualClock
  /** Of one actor: two of one seed would draw the same names. */
  op(actor: string): Operation
}

async function aPlace(name: string, script: readonly Fault[] = []): Promise<Place> {
  const clock = new ManualClock(4_102_444_800_000)
  const op = (actor: string) => anOperation(`${name} ${actor}`, { clock })
  const store = new MemoryStore()
  await aPool(op('pool'), { store })
  const faulty = new FaultyStore(store, script)
  const repository = await Repository.open(op('open'), faulty, KEY_FILE, 'write')
  return { store, clock, op, writer: await openPoolWriter(op('writer'), repository, NO_LOCK, faulty) }
}

/** Whether it was stored now. It is durable when this returns. */
async function put(op: Operation, session: WriteSession, text: string): Promise<boolean> {
  const writer = session.chunkWriter(PACK_CLASS.data)
  const { addedBytes } = await writer.write(op, CHUNK_TYPE.data, noise(text, 3000))
  await writer.flush(op)
  return addedBytes > 0
}

function aPoint(source: string): NewPoint {
  const statistics = { files: 0, folders: 0, others: 0, total_bytes: 0, data_added: 0, data_added_packed: 0 }
  const rest = { host: 'h', paths: [], excludes: [], program: 'test', statistics, warnings: 0, previousPoint: null }
  return { ...rest, source, started: '2100-01-01T00:00:00.000Z', root: Buffer.alloc(32), level: 0 }
}

async function backUpOn(op: Operation, session: WriteSession, source: string, folder: string) {
  const settings = {
    host: 'h',
    excludes: [],
    excludeCaches: false,
    oneFileSystem: false,
    forceRead: false,
    skipFolders: [],
    program: 'test',
  }
  return (await backUp(op, { ...settings, session, source, paths: [Buffer.from(folder)] })).point
}

async function pruneIn({ op, store }: Place, actor: string) {
  const repository = await Repository.open(op(`${actor} opens`), store, KEY_FILE, 'write')
  return prunePool(op(actor), { repository, store, dryRun: false, keepTrashMs: 0, waitMs: 0, acceptUnexplained: true })
}

async function expireIn({ op, store }: Place, actor: string, point: string) {
  const repository = await Repository.open(op(`${actor} opens`), store, KEY_FILE, 'write')
  return expirePoints(op(actor), { repository, store, points: [point], allowLast: true, dryRun: false })
}

test('what a session stored is its own until it is listed, and then everybody’s, also of those that began before', async () => {
  const { writer, op } = await aPlace('listed')
  const [a, b] = [await writer.begin(op('a')), await writer.begin(op('b'))]
  assert.equal(await put(op('a1'), a, 'one'), true)
  assert.equal(await put(op('a2'), a, 'one'), false)
  // Durable, but listed by nobody: were the first to end now, only it could have listed it.
  assert.equal(await put(op('b1'), b, 'one'), true)
  assert.equal(await put(op('a3'), a, 'two'), true)
  await a.commit(op('a4'), aPoint('a'))
  assert.equal(await put(op('b2'), b, 'two'), false)
  const c = await writer.begin(op('c'))
  assert.equal(await put(op('c1'), c, 'two'), false)
  // As in another thread: it sees what was listed after it began, without being told.
  const inThread = new KnownChunks(a.grant.known)
  for (const id of b.index.ids()) assert.ok(inThread.has(Buffer.from(id)))
  await c.end()
  await b.commit(op('b3'), aPoint('b'))
  await writer.close(op('close'))
})

test('a point that was committed beside a session which came to nothing is whole', async (t) => {
  const place = await aPlace('beside')
  const { writer, op, store } = place
  const folder = aSourceTree(t, { 'a.bin': noise('same', 20_000), b: 'text' })
  const a = await writer.begin(op('a'))
  const chunks = a.chunkWriter(PACK_CLASS.data)
  // Claimed, and not even in a pack that could be seen.
  await chunks.write(op('a1'), CHUNK_TYPE.data, noise('same', 20_000).subarray(0, 9000))
  const b = await writer.begin(op('b'))
  const point = await backUpOn(op('b1'), b, 'b', folder)
  await a.end()
  assert.deepEqual(await damageIn(op('verify'), store), [])
  const found = await filesOf(op('read'), writer.repository, point, folder)
  assert.ok(found.get('a.bin')?.equals(noise('same', 20_000)))
})

test('packs of a session that came to nothing are listed and used by the next one', async () => {
  const { writer, op, store } = await aPlace('abandoned')
  const a = await writer.begin(op('a'))
  await put(op('a1'), a, 'one')
  await a.end()
  assert.deepEqual(await namesIn(op('list'), store, 'index/'), [])
  const b = await writer.begin(op('b'))
  assert.equal(await put(op('b1'), b, 'one'), false)
  await b.commit(op('b2'), aPoint('b'))
  assert.equal((await namesIn(op('list'), store, 'index/')).length, 1)
  const c = await writer.begin(op('c'))
  assert.equal(await put(op('c1'), c, 'one'), false)
  await c.end()
})

test('and so are those of which nobody was told, when all who may have stored them have ended', async () => {
  const { writer, op, store } = await aPlace('strays')
  const a = await writer.begin(op('a'))
  const lost = new Map<string, SealedPack>()
  // Like a thread that was ended before it could tell.
  const accept = a.accept.bind(a)
  a.accept = (pack) => void lost.set(pack.sha256, pack)
  await put(op('a1'), a, 'one')
  a.accept = accept
  await a.end()
  assert.equal(lost.size, 1)
  const beside = await writer.begin(op('beside'))
  const commitOne = async (actor: string) => {
    const session = await writer.begin(op(actor))
    await put(op(`${actor} puts`), session, actor)
    await session.commit(op(`${actor} commits`), aPoint(actor))
  }
  await commitOne('looks')
  await commitOne('may not yet')
  await beside.end()
  await commitOne('finds')
  const b = await writer.begin(op('b'))
  assert.equal(await put(op('b1'), b, 'one'), false)
  await b.commit(op('b2'), aPoint('b'))
  const { index } = await writer.repository.loadIndex(op('load'))
  for (const pack of lost.keys()) assert.ok(index.packs.has(pack))
  for (const name of await namesIn(op('names'), store, 'packs/'))
    assert.ok([...index.packs.entries()].some(([pack]) => packName(pack) === name))
})

test('a session stays with what it began with when packs get tombstones; those that begin later do without them', async (t) => {
  const place = await aPlace('tombstones')
  const { writer, op, store } = place
  const folder = aSourceTree(t, { 'a.bin': noise('a', 20_000) })
  const first = await backUpOn(op('first'), await writer.begin(op('begin first')), 's', folder)
  await expireIn(place, 'expire', first.id)
  const older = await writer.begin(op('older'))
  const report = await pruneIn(place, 'prune')
  assert.ok(report.packsWaiting > 0 || report.sessionsAwaited > 0)
  const later = await writer.begin(op('later'))
  const content = noise('a', 20_000)
  const probe = async (actor: string, session: WriteSession) => {
    const chunks = session.chunkWriter(PACK_CLASS.data)
    const ids = [...older.index.ids()].map((id) => Buffer.from(id))
    const known = ids.filter((id) => session.known.has(id)).length
    await chunks.flush(op(actor))
    return [known, ids.length] as const
  }
  const [knownToOlder, all] = await probe('probe older', older)
  assert.equal(knownToOlder, all)
  assert.equal((await probe('probe later', later))[0], 0)
  // It may rely on them, and its point is whole whatever the prune does then.
  const [x, y] = await Promise.all([backUpOn(op('back up older'), older, 's', folder), backUpOn(op('back up later'), later, 't', folder)])
  await pruneIn(place, 'prune again')
  await pruneIn(place, 'prune once more')
  assert.deepEqual(await damageIn(op('verify'), store), [])
  for (const point of [x, y]) {
    const found = await filesOf(op(`read ${point.id}`), await Repository.open(op('open again'), store, KEY_FILE), point, folder)
    assert.ok(found.get('a.bin')?.equals(content))
  }
})

test('what a prune deleted is forgotten, and what it wrote anew is known', async (t) => {
  const place = await aPlace('forgotten')
  const { writer, op, store } = place
  const folder = aSourceTree(t, { 'a.bin': noise('a', 20_000), 'b.bin': noise('b', 20_000), 'c.bin': noise('c', 20_000) })
  const first = await backUpOn(op('first'), await writer.begin(op('begin first')), 's', folder)
  for (const name of ['a.bin', 'b.bin']) writeFileSync(join(folder, name), 'short')
  const second = await backUpOn(op('second'), await writer.begin(op('begin second')), 's', folder)
  await expireIn(place, 'expire', first.id)
  const report = await pruneIn(place, 'prune')
  assert.ok(report.packsRepacked > 0, 'packs were written anew')
  const session = await writer.begin(op('after'))
  const before = (await namesIn(op('names'), store, 'packs/')).length
  const point = await backUpOn(op('third'), session, 's', folder)
  assert.equal(point.previous_point, second.id)
  assert.equal(point.statistics.data_added, 0)
  assert.equal((await namesIn(op('names again'), store, 'packs/')).length, before)
  for (const name of ['a.bin', 'b.bin']) writeFileSync(join(folder, name), noise(name.slice(0, 1), 20_000))
  const fourth = await backUpOn(op('fourth'), await writer.begin(op('begin fourth')), 's', folder)
  assert.ok(fourth.statistics.data_added >= 40_000, 'what was deleted is stored again')
  assert.deepEqual(await damageIn(op('verify'), store), [])
})

test('points of one source that are committed at once have numbers that follow, each with the hash of the one before', async () => {
  const { writer, op } = await aPlace('one source')
  const sessions = await Promise.all(['a', 'b', 'c', 'd'].map((actor) => writer.begin(op(actor))))
  const points = await Promise.all(sessions.map((session, n) => session.commit(op(`commit ${n}`), aPoint('same'))))
  points.sort((a, b) => a.sequence - b.sequence)
  assert.deepEqual(
    points.map(({ sequence }) => sequence),
    [1, 2, 3, 4],
  )
  for (const [n, point] of points.entries()) {
    const hash = points[n - 1]?.object.split('-').at(-1)?.replace(/\..*$/, '')
    assert.equal(point.publicPart.previous ?? undefined, hash)
  }
})

test('damage that one session meets is stored again by the others too, and noted by whoever commits first', async () => {
  const { writer, op, store } = await aPlace('damage')
  const first = await writer.begin(op('first'))
  await put(op('first puts'), first, 'one')
  await first.commit(op('first commits'), aPoint('s'))
  const [a, b] = [await writer.begin(op('a')), await writer.begin(op('b'))]
  const [id] = [...a.index.ids()].map((one) => Buffer.from(one))
  const location = a.index.find(id as Buffer)
  assert.ok(id && location)
  const context = { chunk: id.toString('hex'), pack: location.pack }
  a.distrust(repositoryError('CHUNK_DAMAGED', 'it is damaged', { context }))
  assert.equal(b.known.has(id), false)
  assert.ok(b.hasGaps)
  await a.end()
  assert.equal(await put(op('b puts'), b, 'one'), true)
  await b.commit(op('b commits'), aPoint('t'))
  assert.equal((await namesIn(op('names'), store, 'conf/')).filter((name) => name.includes('damage')).length, 1)
  const c = await writer.begin(op('c'))
  assert.equal(await put(op('c puts'), c, 'one'), false)
  assert.notEqual(c.index.find(id)?.pack, location.pack)
  await c.end()
})

test('the index does not grow with the number of sessions, and is merged now and then', async () => {
  const { writer, op, store, clock } = await aPlace('many')
  for (let n = 0; n < 150; n++) {
    const session = await writer.begin(op(`begin ${n}`))
    assert.equal(await put(op(`put ${n}`), session, `content ${n}`), true)
    assert.equal(await put(op(`put ${n} again`), session, `content ${Math.max(0, n - 1)}`), false)
    await session.commit(op(`commit ${n}`), aPoint(`source ${n % 7}`))
    clock.advance(60_000)
  }
  assert.ok((await namesIn(op('names'), store, 'index/')).length < 45)
  const last = await writer.begin(op('last'))
  assert.equal([...last.index.ids()].length, 150)
  // Opened anew each hour: what was listed since is little.
  assert.ok([...last.generation.index.addedIds()].length <= 60)
  await last.end()
  await writer.close(op('close'))
})

test('a session that others took for ended commits nothing, and the others go on', async () => {
  const { writer, op, store } = await aPlace('lapsed')
  const [a, b] = [await writer.begin(op('a')), await writer.begin(op('b'))]
  const [name] = (await store.sessions.live(op('live'))).map((session) => session.name)
  store.sessions.lapse(name as string)
  await put(op('a puts'), a, 'one')
  await assert.rejects(a.commit(op('a commits'), aPoint('a')), (error) => hasCode(error, 'REPOSITORY_WRITER_SUPERSEDED'))
  await b.commit(op('b commits'), aPoint('b'))
  // What the first one listed is in the index all the same, and found there.
  const c = await writer.begin(op('c'))
  assert.equal(await put(op('c puts'), c, 'one'), false)
  await c.end()
})

test('a writer whose epoch is over commits nothing in any session', async () => {
  const { writer, op, store } = await aPlace('superseded')
  const [a, b] = [await writer.begin(op('a')), await writer.begin(op('b'))]
  const repository = await Repository.open(op('other opens'), store, KEY_FILE, 'write')
  const other = await openPoolWriter(op('other'), repository, NO_LOCK, store)
  for (const [n, session] of [a, b].entries())
    await assert.rejects(session.commit(op(`commit ${n}`), aPoint('s')), (error) => hasCode(error, 'REPOSITORY_WRITER_SUPERSEDED'))
  const c = await other.begin(op('c'))
  await c.commit(op('c commits'), aPoint('s'))
})

test('a segment that became visible although it failed, and a prune that deleted by it, mislead nobody', async () => {
  const place = await aPlace('lost reply', [{ verb: 'put', name: /^index\//, kind: 'lost-reply' }])
  const { writer, op, store } = place
  const kept = await writer.begin(op('kept'))
  const a = await writer.begin(op('a'))
  await put(op('a puts'), a, 'one')
  await assert.rejects(a.publishIndex(op('a lists')))
  await a.end()
  await kept.end()
  assert.equal((await namesIn(op('names'), store, 'packs/')).length, 1)
  await pruneIn(place, 'prune')
  assert.deepEqual(await namesIn(op('names'), store, 'packs/'), [])
  const b = await writer.begin(op('b'))
  assert.equal(await put(op('b puts'), b, 'one'), true)
  await b.commit(op('b commits'), aPoint('b'))
  const { listed } = await writer.repository.loadIndex(op('load'))
  for (const [pack] of listed.entries()) assert.ok(await store.head(op('look'), packName(pack)), 'what is listed is there')
  const c = await writer.begin(op('c'))
  assert.equal(await put(op('c puts'), c, 'one'), false)
  await c.end()
})

test('a session that could not list its packs leaves them to the next one, and one that can not begin to the one after', async () => {
  const faults: Fault[] = [
    { verb: 'put', name: /^index\//, kind: 'error' },
    { verb: 'head', name: /^packs\//, kind: 'error' },
  ]
  const { writer, op, store } = await aPlace('not listed', faults)
  const a = await writer.begin(op('a'))
  await put(op('a puts'), a, 'one')
  await assert.rejects(a.commit(op('a commits'), aPoint('a')))
  await assert.rejects(writer.begin(op('b')))
  assert.deepEqual(await store.sessions.live(op('live')), [])
  const c = await writer.begin(op('c'))
  assert.equal(await put(op('c puts'), c, 'one'), false)
  await c.commit(op('c commits'), aPoint('c'))
  assert.equal((await writer.repository.loadIndex(op('load'))).listed.size, 1)
})

test('a session is not over before its last segment is visible or failed', async () => {
  const { writer, op, store, clock } = await aPlace('listing', [{ verb: 'put', name: /^index\//, kind: 'delay', delayMs: 50 }])
  const a = await writer.begin(op('a'))
  await put(op('a puts'), a, 'one')
  const listing = a.publishIndex(op('a lists'))
  const ending = a.end()
  for (let n = 0; n < 50; n++) await Promise.resolve()
  assert.equal((await store.sessions.live(op('live'))).length, 1)
  clock.advance(50)
  await Promise.all([listing, ending])
  assert.deepEqual(await store.sessions.live(op('live')), [])
  const b = await writer.begin(op('b'))
  assert.equal(await put(op('b puts'), b, 'one'), false)
  await b.end()
})

test('a segment that rots while the writer lives is put aside once its packs are listed again', async () => {
  const place = await aPlace('rotten')
  const { writer, op, store, clock } = place
  const commitOne = async (text: string, isNew: boolean) => {
    const session = await writer.begin(op(`${text} begins`))
    assert.equal(await put(op(`${text} puts`), session, text), isNew, text)
    await session.commit(op(`${text} commits`), aPoint('s'))
  }
  await commitOne('one', true)
  const [segment] = await namesIn(op('names'), store, 'index/')
  store.tamper(segment as string, (bytes) => {
    bytes[100] = (bytes[100] as number) ^ 1
    return bytes
  })
  clock.advance(3_600_001)
  await commitOne('two', true)
  for (let n = 0; n < 3; n++) {
    await commitOne(`more ${n}`, true)
    clock.advance(3_600_001)
  }
  assert.ok(!(await namesIn(op('names again'), store, 'index/')).includes(segment as string))
  const session = await writer.begin(op('last'))
  assert.equal(await put(op('last puts'), session, 'one'), false)
  await session.end()
  const { listed, damagedSegments } = await writer.repository.loadIndex(op('load'))
  assert.deepEqual([damagedSegments, listed.size], [[], 5])
})

test('a record of deletion that changes nothing about packs opens nothing anew; one that does is noticed', async (t) => {
  const place = await aPlace('record')
  const { writer, op } = place
  const folder = aSourceTree(t, { 'a.bin': noise('a', 20_000) })
  const first = await backUpOn(op('first'), await writer.begin(op('begin first')), 's', folder)
  writeFileSync(join(folder, 'a.bin'), noise('b', 20_000))
  await backUpOn(op('second'), await writer.begin(op('begin second')), 's', folder)
  const generationOf = async (actor: string) => {
    const session = await writer.begin(op(actor))
    await session.end()
    return session.generation
  }
  const before = await generationOf('before')
  await expireIn(place, 'expire', first.id)
  assert.ok((await generationOf('after expire')) === before)
  await pruneIn(place, 'prune')
  assert.ok((await generationOf('after prune')) !== before)
})
