/** Expire and prune over real trees. Over 400 lines: one catalogue of what may be between a point and its deletion, on the pools that its head makes. */
import assert from 'node:assert/strict'
import { rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import {
  anOperation,
  aPool,
  aSession,
  aSourceTree,
  assertSameBytes,
  backUpPaths,
  damageIn,
  filesOf,
  KEY_FILE,
  namesIn,
  noise,
} from '../../test/support/pool.ts'
import { readDamageList } from '../repository/damage-list.ts'
import { CHUNK_TYPE, ChunkReader, locate, PACK_CLASS, packName, Repository } from '../repository/index.ts'
import { readDeletion, tombstonedPacks } from '../repository/prune/deletion-record.ts'
import { MemoryStore } from '../storage/index.ts'
import { backUp, expirePoints, findEntry, openPoint, prunePool, readFileContent } from './index.ts'

const DEFAULTS = { dryRun: false, keepTrashMs: 0, waitMs: 0, acceptUnexplained: false }

class Place {
  readonly store = new MemoryStore()
  readonly folder: string
  #acts = 0

  readonly #seed: string

  constructor(t: TestContext, seed = 'act') {
    this.#seed = seed
    this.folder = aSourceTree(t, { 'stays.bin': noise('stays', 60_000) })
  }

  op() {
    return anOperation(`${this.#seed} ${this.#acts++}`)
  }

  async make(): Promise<this> {
    await aPool(this.op(), { store: this.store, packBytes: 32_768 })
    return this
  }

  write(name: string, content: Buffer | undefined): void {
    if (content) writeFileSync(join(this.folder, name), content)
    else rmSync(join(this.folder, name))
  }

  async backUp() {
    return (await backUpPaths(this.op(), this.store, [this.folder])).point
  }

  repository() {
    return Repository.open(this.op(), this.store, KEY_FILE, 'write')
  }

  async expire(points: readonly string[], options: { dryRun?: boolean; allowLast?: boolean } = {}) {
    const repository = await this.repository()
    return expirePoints(this.op(), { repository, store: this.store, points, dryRun: false, allowLast: false, ...options })
  }

  async prune(options: Partial<typeof DEFAULTS> = {}, op = this.op()) {
    return prunePool(op, { repository: await this.repository(), store: this.store, ...DEFAULTS, ...options })
  }

  async packBytes(): Promise<number> {
    let bytes = 0
    for await (const { sizeBytes } of this.store.list(this.op(), 'packs/')) bytes += sizeBytes
    return bytes
  }

  async packsOf(packClass: number): Promise<string[]> {
    const names: string[] = []
    for (const name of await namesIn(this.op(), this.store, 'packs/'))
      if ((await this.store.get(this.op(), name))[9] === packClass) names.push(name)
    return names
  }

  async packOf(packClass: number): Promise<string> {
    return (await this.packsOf(packClass))[0] as string
  }

  rot(name: string, at: number): void {
    this.store.tamper(name, (bytes) => {
      bytes[at] = (bytes[at] as number) ^ 1
      return bytes
    })
  }

  /** All content once more, as an interrupted prune leaves it; the names of the new packs. */
  async copyContent(): Promise<string[]> {
    const before = await this.packsOf(PACK_CLASS.data)
    const op = this.op()
    const session = await aSession(op, this.store)
    const reader = new ChunkReader(this.store, session.repository.keys)
    const writer = session.chunkWriter(PACK_CLASS.data)
    for (const id of [...session.index.ids()].map((one) => Buffer.from(one))) {
      const location = locate(session.index, id)
      if (location.record.type === CHUNK_TYPE.data)
        await writer.write(op, CHUNK_TYPE.data, await reader.read(op, location), { again: true })
    }
    await writer.flush(op)
    await session.publishIndex(op)
    await session.end()
    return (await this.packsOf(PACK_CLASS.data)).filter((name) => !before.includes(name))
  }

  async content(id: string): Promise<Map<string, Buffer>> {
    const repository = await this.repository()
    return filesOf(this.op(), repository, await repository.findPoint(this.op(), id), this.folder)
  }

  async assertClean(): Promise<void> {
    assert.deepEqual(await damageIn(this.op(), this.store), [])
    for (const prefix of ['trash/packs/']) assert.deepEqual(await namesIn(this.op(), this.store, prefix), [])
    assert.deepEqual(await this.store.sessions.live(this.op()), [])
  }
}

test('what only an expired recovery point needs is deleted, to the byte that was told', async (t) => {
  const place = await new Place(t).make()
  place.write('goes.bin', noise('goes', 200_000))
  const first = await place.backUp()
  place.write('goes.bin', undefined)
  const second = await place.backUp()
  const before = await place.packBytes()

  const told = await place.expire([first.id], { dryRun: true })
  assert.equal(await place.packBytes(), before)
  assert.ok(told.onlyBytes > 195_000 && told.onlyBytes < 210_000, String(told.onlyBytes))
  const done = await place.expire([first.id])
  assert.deepEqual({ ...done, durationMs: 0, points: [] }, { ...told, durationMs: 0, points: [] })

  const dry = await place.prune({ dryRun: true })
  const report = await place.prune()
  assert.equal(before - (await place.packBytes()), report.freedBytes)
  assert.equal(report.freedBytes, told.freeableBytes)
  assert.equal(dry.freedBytes, report.freedBytes)
  assert.equal(dry.unreferencedBytes, report.unreferencedBytes)
  assert.equal(report.unreferencedBytes, told.unreferencedBytes)
  assert.ok(report.freedBytes > 190_000)
  assertSameBytes((await place.content(second.id)).get('stays.bin'), noise('stays', 60_000), 'stays.bin')
  await place.assertClean()
  const again = await place.prune()
  assert.equal(again.freedBytes, 0)
})

test('the last recovery point of a source, and an unknown one, expire nothing', async (t) => {
  const place = await new Place(t).make()
  const first = await place.backUp()
  place.write('more.bin', noise('more', 5000))
  const second = await place.backUp()
  await assert.rejects(place.expire([first.id, 'ffffffff']), { code: 'POINT_NOT_FOUND' })
  await assert.rejects(place.expire([first.id, second.id]), { code: 'POINT_LAST' })
  assert.equal((await (await place.repository()).listPoints(place.op())).points.length, 2)
  await place.expire([first.id, second.id], { allowLast: true })
  assert.equal((await (await place.repository()).listPoints(place.op())).points.length, 0)
  await place.prune()
  assert.equal(await place.packBytes(), 0)
  const third = await place.backUp()
  assert.equal(third.sequence, 3)
  await place.assertClean()
})

test('a session that was open when tombstones were published is waited for; what it came to need is resurrected', async (t) => {
  const place = await new Place(t).make()
  place.write('comes-and-goes.bin', noise('comes and goes', 120_000))
  const first = await place.backUp()
  place.write('comes-and-goes.bin', undefined)
  await place.backUp()
  await place.expire([first.id])

  const op = place.op()
  const session = await aSession(op, place.store)
  const waiting = await place.prune()
  assert.ok(waiting.packsWaiting > 0 && waiting.sessionsAwaited === 1 && waiting.freedBytes <= 0)
  // It finds the chunks of the expired point known, and commits.
  place.write('comes-and-goes.bin', noise('comes and goes', 120_000))
  const report = await backUp(op, {
    session,
    paths: [Buffer.from(place.folder)],
    source: 'src',
    host: 'host',
    excludes: [],
    excludeCaches: false,
    oneFileSystem: false,
    forceRead: false,
    skipFolders: [],
    program: 'test',
  })
  assert.ok(report.dataAddedPacked < 10_000, 'it stores nothing again')
  const pruning = place.op()
  const after = await place.prune({}, pruning)
  assert.ok(after.packsResurrected > 0)
  assert.ok(pruning.warnings.some(({ code }) => code === 'PRUNE_RESURRECTED'))
  assertSameBytes((await place.content(report.point.id)).get('comes-and-goes.bin'), noise('comes and goes', 120_000), 'it')
  await place.assertClean()
})

test('a session that begins after the tombstones stores again what they name', async (t) => {
  const place = await new Place(t).make()
  place.write('back.bin', noise('back', 120_000))
  const first = await place.backUp()
  place.write('back.bin', undefined)
  await place.backUp()
  await place.expire([first.id])
  const idle = await aSession(place.op(), place.store)
  await place.prune()
  place.write('back.bin', noise('back', 120_000))
  const { statistics, id } = await place.backUp()
  assert.ok(statistics.data_added_packed > 110_000)
  await idle.end()
  const report = await place.prune()
  assert.ok(report.freedBytes > 100_000 && report.packsWaiting === 0)
  assertSameBytes((await place.content(id)).get('back.bin'), noise('back', 120_000), 'back.bin')
  await place.assertClean()
})

test('a session that others took for ended can not commit', async (t) => {
  const place = await new Place(t).make()
  await place.backUp()
  const op = place.op()
  const session = await aSession(op, place.store)
  for (const { name } of await place.store.sessions.live(op)) place.store.sessions.lapse(name)
  const options = {
    source: 'src',
    host: 'h',
    excludes: [],
    excludeCaches: false,
    oneFileSystem: false,
    forceRead: false,
    skipFolders: [],
    program: 't',
  }
  await assert.rejects(backUp(op, { ...options, session, paths: [Buffer.from(place.folder)] }), { code: 'REPOSITORY_WRITER_SUPERSEDED' })
})

test('packs of which much is needless are written anew, and the rest is left', async (t) => {
  const place = await new Place(t).make()
  // Interleaved in packs: every other file goes.
  for (let n = 0; n < 40; n++) place.write(`f${n}.bin`, noise(`f${n}`, 9000))
  const first = await place.backUp()
  for (let n = 0; n < 40; n += 2) place.write(`f${n}.bin`, undefined)
  const second = await place.backUp()
  await place.expire([first.id])
  const before = await place.packBytes()
  const dry = await place.prune({ dryRun: true })
  const report = await place.prune()
  assert.ok(report.packsRepacked > 0)
  assert.equal(report.freedBytes, before - (await place.packBytes()))
  assert.equal(dry.freedBytes, report.freedBytes)
  const content = await place.content(second.id)
  for (let n = 1; n < 40; n += 2) assertSameBytes(content.get(`f${n}.bin`), noise(`f${n}`, 9000), `f${n}`)
  await place.assertClean()
})

test('much garbage that nothing explains stops it, until that is accepted', async (t) => {
  const place = await new Place(t).make()
  place.write('big.bin', noise('big', 300_000))
  const point = await place.backUp()
  place.write('big.bin', undefined)
  await place.backUp()
  // As if somebody had deleted the manifest by hand: the one after it names it.
  place.store.tamper(point.object, () => undefined)
  await assert.rejects(place.prune(), { code: 'PRUNE_IMPLAUSIBLE' })
  assert.ok((await place.prune({ acceptUnexplained: true })).freedBytes > 290_000)
})

test('a backup that was killed leaves garbage; where there is little else, it is not deleted unasked', async (t) => {
  const place = await new Place(t).make()
  await place.backUp()
  const op = place.op()
  const session = await aSession(op, place.store)
  const writer = session.chunkWriter(1)
  for (let n = 0; n < 30; n++) await writer.write(op, 1, noise(`abandoned ${n}`, 9000))
  await writer.flush(op)
  await session.publishIndex(op)
  // While it lives, its packs are nobody else's business.
  assert.equal((await place.prune()).unreferencedBytes, 0)
  await session.end()
  await assert.rejects(place.prune(), { code: 'PRUNE_IMPLAUSIBLE' })
  assert.ok((await place.prune({ acceptUnexplained: true })).freedBytes > 260_000)
  await place.assertClean()
})

test('what can not be read stops it before anything is deleted', async (t) => {
  const place = await new Place(t).make()
  place.write('goes.bin', noise('goes', 100_000))
  const first = await place.backUp()
  place.write('goes.bin', undefined)
  const second = await place.backUp()
  await place.expire([first.id])
  const names = await namesIn(place.op(), place.store, '')
  place.store.tamper(second.object, (bytes) => {
    bytes[bytes.length - 1] = (bytes.at(-1) as number) ^ 1
    return bytes
  })
  await assert.rejects(place.prune(), { code: 'PRUNE_UNREADABLE' })
  assert.deepEqual(await namesIn(place.op(), place.store, ''), names)
})

test('a reader that opened the index before finds what was written anew', async (t) => {
  const place = await new Place(t).make()
  for (let n = 0; n < 40; n++) place.write(`f${n}.bin`, noise(`f${n}`, 9000))
  const first = await place.backUp()
  for (let n = 0; n < 40; n += 2) place.write(`f${n}.bin`, undefined)
  const second = await place.backUp()
  const repository = await place.repository()
  const opened = await openPoint(place.op(), repository, second)
  const entry = await findEntry(place.op(), opened, Buffer.from(join(place.folder, 'f1.bin')))
  await place.expire([first.id])
  assert.ok((await place.prune()).packsRepacked > 0)
  const pieces: Buffer[] = []
  for await (const piece of readFileContent(place.op(), opened, entry)) pieces.push(Buffer.from(piece))
  assertSameBytes(Buffer.concat(pieces), noise('f1', 9000), 'f1')
})

test('nothing is deleted of a pool of format 1', async (t) => {
  const place = await new Place(t).make()
  const { id } = await place.backUp()
  const { format, bundle } = await place.repository()
  const repository = new Repository(place.store, { ...format, version: 1 }, bundle)
  const names = await namesIn(place.op(), place.store, '')
  await assert.rejects(prunePool(place.op(), { repository, store: place.store, ...DEFAULTS }), { code: 'PRUNE_FORMAT_OLD' })
  const options = { repository, store: place.store, points: [id], dryRun: false, allowLast: true }
  await assert.rejects(expirePoints(place.op(), options), { code: 'PRUNE_FORMAT_OLD' })
  assert.deepEqual(await namesIn(place.op(), place.store, ''), names)
})

test('a damaged deletion record stops backups, and the next prune begins anew', async (t) => {
  const place = await new Place(t).make()
  place.write('goes.bin', noise('goes', 100_000))
  const first = await place.backUp()
  place.write('goes.bin', undefined)
  const second = await place.backUp()
  await place.expire([first.id])
  const record = (await namesIn(place.op(), place.store, 'conf/')).at(-1) as string
  place.store.tamper(record, (bytes) => bytes.subarray(0, bytes.length - 1))
  await assert.rejects(place.backUp(), { code: 'CONFIGURATION_DAMAGED' })
  const op = place.op()
  const report = await place.prune({}, op)
  assert.ok(report.freedBytes > 90_000)
  assert.ok(op.warnings.some(({ code }) => code === 'CONFIGURATION_DAMAGED'))
  assertSameBytes((await place.content(second.id)).get('stays.bin'), noise('stays', 60_000), 'stays.bin')
  await place.backUp()
})

test('what a backup healed survives a prune: the copy that can be read stays', async (t) => {
  // Names of packs play no part: which of the two copies would be kept by them differs from pool to pool.
  for (let n = 0; n < 6; n++) {
    const place = new Place(t, `healed ${n}`)
    await place.make()
    const wayMs = statSync(dirname(place.folder)).ctimeMs
    const first = await place.backUp()
    place.rot(await place.packOf(2), 150)
    const op = place.op()
    const { point } = await backUpPaths(op, place.store, [place.folder])
    // The page holds the folder on the way, too: it is stored again as it was only if nobody else made a file there meanwhile.
    if (statSync(dirname(place.folder)).ctimeMs !== wayMs) {
      n--
      continue
    }
    assert.ok(op.warnings.some(({ code }) => code === 'CHUNK_DAMAGED'))
    const noted = await readDamageList(place.op(), await place.repository())
    assert.equal(noted.size, 1)
    const report = await place.prune()
    assert.ok(report.packsDropped + report.packsRepacked > 0, 'the damaged copy goes')
    for (const { id } of [first, point]) assertSameBytes((await place.content(id)).get('stays.bin'), noise('stays', 60_000), 'stays.bin')
    await place.assertClean()
  }
})

test('a copy counts only when it was read, also where nobody noted that it is damaged', async (t) => {
  for (const rotten of ['old', 'new'] as const) {
    const place = await new Place(t, `unnoted ${rotten}`).make()
    const { id } = await place.backUp()
    const old = await place.packsOf(1)
    const copies = await place.copyContent()
    place.rot((rotten === 'old' ? old : copies)[0] as string, 200)
    const op = place.op()
    const dry = await place.prune({ dryRun: true })
    const report = await place.prune({}, op)
    assert.equal(dry.freedBytes, report.freedBytes)
    assertSameBytes((await place.content(id)).get('stays.bin'), noise('stays', 60_000), 'stays.bin')
    assert.ok(report.freedBytes > 25_000)
    assert.equal((await place.prune()).freedBytes, 0)
    await place.assertClean()
  }
})

test('of a chunk that can be read in none of its packs, all copies stay, and that is told', async (t) => {
  const place = await new Place(t, 'lost').make()
  await place.backUp()
  await place.copyContent()
  const { index } = await aSession(place.op(), place.store)
  const ids = [...index.ids()].map((one) => Buffer.from(one))
  const chunk = ids.map((one) => locate(index, one)).find(({ record, others }) => record.type === CHUNK_TYPE.data && others?.length === 1)
  assert.ok(chunk?.others)
  for (const { pack, record } of [chunk, ...chunk.others]) place.rot(packName(pack), record.offset)
  for (const { name } of await place.store.sessions.live(place.op())) place.store.sessions.lapse(name)
  for (let n = 0; n < 2; n++) {
    const op = place.op()
    const report = await place.prune({}, op)
    assert.equal(report.packsResurrected + report.packsWaiting, 0)
    assert.ok(n > 0 || op.warnings.some(({ code }) => code === 'PRUNE_COPIES_DAMAGED'))
    const left = await place.packsOf(PACK_CLASS.data)
    for (const { pack } of [chunk, ...chunk.others]) assert.ok(left.includes(packName(pack)), pack)
  }
})

test('a copy that rots after the tombstones were published saves what it stood for', async (t) => {
  const place = await new Place(t, 'rots later').make()
  const { id } = await place.backUp()
  const old = await place.packsOf(1)
  const copies = await place.copyContent()
  const idle = await aSession(place.op(), place.store)
  assert.ok((await place.prune()).packsWaiting > 0)
  const deletion = await readDeletion(place.op(), await place.repository())
  const doomed = tombstonedPacks(deletion)
  const kept = [...old, ...copies].filter((name) => !doomed.has(name.slice(9, 73)))
  for (const name of kept) place.rot(name, 200)
  await idle.end()
  const op = place.op()
  const report = await place.prune({}, op)
  assert.ok(report.packsResurrected > 0)
  assert.ok(op.warnings.some(({ code }) => code === 'PRUNE_COPY_DAMAGED'))
  assertSameBytes((await place.content(id)).get('stays.bin'), noise('stays', 60_000), 'stays.bin')
})

test('a backup that commits between the index and the points of a prune is taken in', async (t) => {
  const place = await new Place(t).make()
  await place.backUp()
  place.write('more.bin', noise('more', 20_000))
  const list = place.store.list.bind(place.store)
  let id = ''
  place.store.list = async function* (op, prefix) {
    if (prefix === 'packs/' && id === '') {
      id = 'soon'
      id = (await place.backUp()).id
    }
    yield* list(op, prefix)
  }
  const repository = await place.repository()
  await prunePool(place.op(), { repository, store: place.store, ...DEFAULTS })
  assert.equal(id.length, 32)
  assertSameBytes((await place.content(id)).get('more.bin'), noise('more', 20_000), 'more.bin')
  await place.assertClean()
})
