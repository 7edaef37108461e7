/** A backup that takes over what did not change must make the tree that a first backup would have made. */
import assert from 'node:assert/strict'
import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import {
  anOperation,
  aPool,
  assertSameBytes,
  type BackupSettings,
  backUpPaths,
  damageIn,
  filesOf,
  KEY_FILE,
  namesIn,
  noise,
  runs,
  type TestOperation,
} from '../../../test/support/pool.ts'
import { needsRoot, temporaryFolder } from '../../../test/support/temporary-folder.ts'
import { all } from '../../../test/support/trees.ts'
import { locate, packName, type RecoveryPoint, Repository } from '../../repository/index.ts'
import { MemoryStore } from '../../storage/index.ts'
import { openPoint } from '../browse.ts'
import type { Entry } from '../entry.ts'
import type { BackupReport } from '../reports.ts'
import { turnOf } from './take-changes.ts'

/** Leads past the fast path: another selection than that of the point before. */
const WALKED: BackupSettings = { excludes: ['no name is like this'] }

/** Without extents, which depend on what is bundled with what, and without folders on the way, which are kept as they were. */
async function entriesOf(op: TestOperation, store: MemoryStore, point: RecoveryPoint): Promise<Omit<Entry, 'extents'>[]> {
  const { tree } = await openPoint(op, await Repository.open(op, store, KEY_FILE), point)
  return (await all(tree.entries(op)))
    .filter(({ ancestor }) => !ancestor)
    .map(({ extents: _, ...entry }) => ({ ...entry, path: Buffer.from(entry.path) }))
}

async function pagesOf(op: TestOperation, store: MemoryStore, point: RecoveryPoint): Promise<string[]> {
  const { tree } = await openPoint(op, await Repository.open(op, store, KEY_FILE), point)
  return (await all(tree.pages(op))).map(({ id }) => id.toString('hex'))
}

function counts({ filesNew, filesChanged, filesUnmodified, foldersNew, foldersChanged, foldersUnmodified, ...rest }: BackupReport) {
  const { files, folders, others, total_bytes } = rest.point.statistics
  return { filesNew, filesChanged, filesUnmodified, foldersNew, foldersChanged, foldersUnmodified, files, folders, others, total_bytes }
}

async function copyOf(op: TestOperation, store: MemoryStore): Promise<MemoryStore> {
  const copy = new MemoryStore()
  for (const name of await namesIn(op, store, '')) await copy.put(op, name, await store.get(op, name))
  return copy
}

async function assertSameEntries(
  op: TestOperation,
  store: MemoryStore,
  point: RecoveryPoint,
  wanted: MemoryStore,
  wantedPoint: RecoveryPoint,
) {
  const actual = await entriesOf(op, store, point)
  const expected = await entriesOf(op, wanted, wantedPoint)
  const paths = (entries: readonly { path: Buffer }[]) => entries.map(({ path }) => path.toString('latin1'))
  assert.deepEqual(paths(actual), paths(expected))
  for (const [i, entry] of actual.entries())
    if (!isDeepStrictEqual(entry, expected[i])) assert.deepEqual(entry, expected[i], entry.path.toString())
}

interface Place {
  readonly op: TestOperation
  readonly store: MemoryStore
  readonly folder: string
  back(settings?: BackupSettings): Promise<BackupReport>
}

async function aPlace(t: TestContext, folder = temporaryFolder(t)): Promise<Place> {
  const op = anOperation(t.name)
  const store = new MemoryStore()
  await aPool(op, { store })
  return { op, store, folder, back: (settings) => backUpPaths(op, store, [folder], settings) }
}

/** Backs up and compares with a backup that walks, on a copy of the pool, and with one that knows nothing. */
async function backUpAndCompare(place: Place, settings: BackupSettings = {}): Promise<BackupReport> {
  const { op, store, folder } = place
  const copy = await copyOf(op, store)
  const report = await place.back(settings)
  const walked = await backUpPaths(op, copy, [folder], {
    ...settings,
    ...WALKED,
    excludes: [...(settings.excludes ?? []), 'no name is like this'],
  })
  assert.deepEqual(counts(report), counts(walked))
  const warnings = ({ warnings }: BackupReport) => warnings.map(({ code, item }) => `${code} ${item}`).sort()
  assert.deepEqual(warnings(report), warnings(walked))
  const fresh = new MemoryStore()
  await aPool(op, { store: fresh })
  const first = await backUpPaths(op, fresh, [folder], settings)
  await assertSameEntries(op, store, report.point, copy, walked.point)
  await assertSameEntries(op, store, report.point, fresh, first.point)
  return report
}

async function assertRestores({ op, store, folder }: Place, point: RecoveryPoint): Promise<void> {
  const stored = await filesOf(op, await Repository.open(op, store, KEY_FILE), point, folder)
  for (const [name, content] of stored) assertSameBytes(content, readFileSync(Buffer.from(`${folder}/${name}`, 'latin1')), name)
}

/** Several pages: some hundred folders, names around separators. */
function aLargeTree(folder: string, files: number): void {
  const odd = ['a', 'a!', 'a-b', 'a.b', 'ab', 'A', '\u0001', '~', 'ü']
  for (let n = 0; n < files; n++) {
    const path = join(folder, odd[n % odd.length] as string, `d${n % 37}`, odd[(n >> 3) % odd.length] as string)
    mkdirSync(path, { recursive: true })
    writeFileSync(join(path, `f${n}`), n % 5 === 0 ? '' : `content ${n}`)
  }
  mkdirSync(join(folder, 'empty'))
  symlinkSync('a', join(folder, 'link'))
}

/** Every path below a folder, relative to it, parents before children. */
function pathsBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .map(({ parentPath, name }) => join(parentPath, name).slice(folder.length + 1))
    .sort()
}

const NAMES = ['a', 'a!', 'a-b', 'ab', '\u0001', '~~', 'm', 'zz', 'new folder', 'CACHEDIR.TAG']
type Change = readonly [kind: number, where: number, name: number]

function change(folder: string, [kind, where, which]: Change): void {
  const paths = pathsBelow(folder)
  const path = paths[where % paths.length]
  if (path === undefined) return
  const target = join(folder, path)
  const stat = lstatSync(target)
  const name = NAMES[which % NAMES.length] as string
  const beside = join(target, '..', name)
  const below = stat.isDirectory() ? join(target, name) : beside
  const isFree = (place: string) => lstatSync(place, { throwIfNoEntry: false }) === undefined
  switch (kind % 11) {
    case 0:
      if (isFree(below)) writeFileSync(below, `new ${where}`)
      return
    case 1:
      if (isFree(beside)) mkdirSync(beside)
      return
    case 2:
      if (!isFree(below)) return
      mkdirSync(below)
      for (let n = 0; n < 300; n++) writeFileSync(join(below, `many ${n}`), 'x')
      return
    case 3:
      rmSync(target, { recursive: true })
      return
    case 4:
      if (isFree(beside)) renameSync(target, beside)
      return
    case 5:
      if (!stat.isSymbolicLink()) chmodSync(target, 0o700)
      return
    case 6:
      if (!stat.isSymbolicLink()) utimesSync(target, where, where)
      return
    case 7:
      if (stat.isFile()) writeFileSync(target, `changed ${where} ${which}`)
      return
    case 8:
      rmSync(target, { recursive: true })
      mkdirSync(target)
      writeFileSync(join(target, name), 'was something else')
      return
    case 9:
      rmSync(target, { recursive: true })
      writeFileSync(target, 'was something else')
      return
    case 10:
      if (stat.isFile() && isFree(beside)) linkSync(target, beside)
      return
  }
}

test('whatever changes between backups, what is taken over and what is walked make the tree of a first backup', async (t) => {
  const some = fc.array(fc.tuple(fc.nat(10), fc.nat(100_000), fc.nat(9)), { minLength: 1, maxLength: 6 })
  const property = fc.asyncProperty(fc.array(some, { minLength: 2, maxLength: 3 }), async (rounds) => {
    const place = await aPlace(t)
    aLargeTree(place.folder, 500)
    await place.back()
    for (const changes of rounds) {
      for (const one of changes) change(place.folder, one as Change)
      const { point } = await backUpAndCompare(place)
      await assertRestores(place, point)
    }
    assert.deepEqual(await damageIn(place.op, place.store), [])
    rmSync(place.folder, { recursive: true })
    mkdirSync(place.folder)
  })
  await fc.assert(property, { ...runs(3), endOnFailure: true })
})

test('pages that did not change are taken over as they are', async (t) => {
  const place = await aPlace(t)
  aLargeTree(place.folder, 2000)
  const first = await place.back()
  const before = await pagesOf(place.op, place.store, first.point)
  assert.ok(before.length > 8)
  writeFileSync(join(place.folder, 'a!', 'd1', 'new'), 'new')
  const second = await backUpAndCompare(place)
  const after = await pagesOf(place.op, place.store, second.point)
  const changed = after.filter((id) => !before.includes(id))
  assert.ok(changed.length >= 1 && changed.length <= 3, `${changed.length} of ${after.length} pages`)
})

test('what could not be read is tried again, although nothing moved its folder', { skip: needsRoot }, async (t) => {
  const place = await aPlace(t)
  aLargeTree(place.folder, 600)
  chmodSync(place.folder, 0o755)
  const closed = join(place.folder, 'ab', 'd8')
  const secret = join(place.folder, '~', 'secret')
  writeFileSync(secret, 'x')
  chmodSync(secret, 0o600)
  chmodSync(closed, 0o700)
  const asNobody = async () => {
    process.seteuid?.(65_534)
    try {
      return await backUpAndCompare(place)
    } finally {
      process.seteuid?.(0)
    }
  }
  const codes = (report: BackupReport) => report.warnings.map(({ code, item }) => `${code} ${item?.slice(place.folder.length)}`).sort()
  const wanted = ['SOURCE_UNREADABLE /ab/d8', 'SOURCE_UNREADABLE /~/secret']
  assert.deepEqual(codes(await asNobody()), wanted)
  assert.deepEqual(codes(await asNobody()), wanted)
  const { point, warnings } = await place.back()
  assert.deepEqual(warnings, [])
  const stored = await filesOf(place.op, await Repository.open(place.op, place.store, KEY_FILE), point, place.folder)
  assert.equal(stored.get('~/secret')?.toString(), 'x')
})

test('a tag that becomes one of a cache, and one that ceases to be, are noticed although no name came or went', async (t) => {
  const place = await aPlace(t)
  aLargeTree(place.folder, 600)
  const tag = join(place.folder, 'a-b', 'CACHEDIR.TAG')
  writeFileSync(tag, 'not yet')
  const settings = { excludeCaches: true }
  const first = await place.back(settings)
  writeFileSync(tag, 'Signature: 8a477f597d28d172789f06886806bc55')
  const second = await backUpAndCompare(place, settings)
  assert.ok(second.filesProcessed < first.filesProcessed)
  writeFileSync(tag, 'no longer')
  assert.equal((await backUpAndCompare(place, settings)).filesProcessed, first.filesProcessed)
})

test('other patterns, other options and other folders to be skipped lead past what was taken before', async (t) => {
  const place = await aPlace(t)
  aLargeTree(place.folder, 600)
  const skipped = { skipFolders: [Buffer.from(join(place.folder, 'a.b'))] }
  const few = await place.back(skipped)
  assert.equal((await place.back(skipped)).filesProcessed, few.filesProcessed)
  const whole = await place.back()
  assert.ok(whole.filesProcessed > few.filesProcessed)
  const without = await place.back({ excludes: ['f1*'] })
  assert.ok(without.filesProcessed < whole.filesProcessed)
  assert.equal((await place.back()).filesProcessed, whole.filesProcessed)
})

test('a damaged page of the tree before is told; the rest is read anew, and nothing is missing', async (t) => {
  const place = await aPlace(t)
  aLargeTree(place.folder, 1500)
  const { op, store } = place
  const first = await place.back()
  const repository = await Repository.open(op, store, KEY_FILE)
  const { index } = await repository.loadIndex(op)
  const pages = await pagesOf(op, store, first.point)
  const { pack, record } = locate(index, Buffer.from(pages[pages.length >> 1] as string, 'hex'))
  const name = packName(pack)
  const bytes = await store.get(op, name)
  bytes[record.offset + 3] = (bytes[record.offset + 3] as number) ^ 1
  const damaged = new MemoryStore()
  for (const other of await namesIn(op, store, '')) await damaged.put(op, other, other === name ? bytes : await store.get(op, other))
  const again = anOperation(`${t.name} again`)
  const { point } = await backUpPaths(again, damaged, [place.folder])
  assert.deepEqual(
    again.warnings.map(({ code }) => code),
    ['CHUNK_DAMAGED'],
  )
  await assertSameEntries(again, damaged, point, store, first.point)
})

test('with a percentage, every page comes to its turn once in a round', () => {
  for (const [percent, turns] of [
    [100, 1],
    [50, 2],
    [10, 10],
    [3, 33],
  ] as const) {
    for (let n = 0; n < 200; n++) {
      const path = Buffer.from(`folder ${n}/file`)
      const read = Array.from({ length: turns * 2 }, (_, turn) => turnOf(percent, turn)(path)).filter((isTurn) => isTurn)
      assert.equal(read.length, 2)
    }
  }
  assert.equal(turnOf(0, 0)(Buffer.from('file')), false)
})

test('files whose turn it is are read although they look unchanged', async (t) => {
  const place = await aPlace(t)
  aLargeTree(place.folder, 300)
  writeFileSync(join(place.folder, 'big'), noise('big', 2_000_000))
  await place.back()
  const read = async (settings: BackupSettings) => {
    const before = bytesRead()
    const { filesUnmodified, filesProcessed } = await place.back(settings)
    assert.equal(filesUnmodified, filesProcessed)
    return bytesRead() - before
  }
  assert.ok((await read({})) < 1_000_000)
  assert.ok((await read({ rereadPercent: 100 })) >= 2_000_000)
  const halves = [await read({ rereadPercent: 50 }), await read({ rereadPercent: 50 })]
  assert.equal(halves.filter((bytes) => bytes >= 2_000_000).length, 1)
})

test('small files that are read again in their turn are the chunks that they were', async (t) => {
  const place = await aPlace(t)
  for (let n = 0; n < 1500; n++) {
    if (n % 50 === 0) mkdirSync(join(place.folder, `d${n}`))
    writeFileSync(join(place.folder, `d${n - (n % 50)}`, `f${n}`), noise(`${n}`, 400))
  }
  const { dataAdded } = await place.back()
  let again = 0
  for (let turn = 0; turn < 4; turn++) again += (await place.back({ rereadPercent: 25 })).dataAdded
  assert.ok(again < dataAdded / 3, `${again} of ${dataAdded} bytes`)
})

/** What this process has read from files, by the kernel's count. */
function bytesRead(): number {
  return Number(/^rchar: (\d+)$/m.exec(readFileSync('/proc/self/io', 'latin1'))?.[1])
}
