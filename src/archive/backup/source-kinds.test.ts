/** What a source may hold besides plain files and folders. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { closeSync, ftruncateSync, linkSync, mkdirSync, openSync, symlinkSync, writeFileSync, writeSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import {
  anOperation,
  aPool,
  aSourceTree,
  assertSameBytes,
  type BackupSettings,
  backUpPaths,
  damageIn,
  type Files,
  filesOf,
  KEY_FILE,
  LATER_MS,
  noise,
} from '../../../test/support/pool.ts'
import { needsRoot } from '../../../test/support/temporary-folder.ts'
import { ManualClock } from '../../base/clock.ts'
import { Repository } from '../../repository/index.ts'
import { MemoryStore } from '../../storage/index.ts'
import { findEntry, openPoint } from '../browse.ts'
import type { Entry } from '../entry.ts'

interface Source {
  readonly folder: string
  readonly at: (name: string) => string
  backUp(settings?: BackupSettings, nowMs?: number): Promise<Stored>
}

interface Stored {
  readonly warnings: readonly string[]
  readonly dataAdded: number
  entry(name: string | Buffer): Promise<Entry>
  readonly files: ReadonlyMap<string, Buffer>
}

async function aSource(t: TestContext, files: Files = {}): Promise<Source> {
  const folder = aSourceTree(t, files)
  const store = new MemoryStore()
  await aPool(anOperation(`making ${t.name}`), { store })
  let number = 0
  return {
    folder,
    at: (name) => join(folder, name),
    backUp: async (settings, nowMs = LATER_MS) => {
      const op = anOperation(`${t.name} ${number++}`, { clock: new ManualClock(nowMs) })
      const { point, warnings, dataAdded } = await backUpPaths(op, store, [folder], settings)
      assert.deepEqual(await damageIn(op, store), [])
      const repository = await Repository.open(op, store, KEY_FILE)
      const opened = await openPoint(op, repository, point)
      return {
        warnings: warnings.map(({ code, item }) => `${code} ${item?.slice(folder.length + 1)}`),
        dataAdded,
        entry: (name) => findEntry(op, opened, Buffer.concat([Buffer.from(`${folder}/`), Buffer.from(name)])),
        files: await filesOf(op, repository, point, folder),
      }
    },
  }
}

test('hard links are read once, and each carries the content', async (t) => {
  const source = await aSource(t, { 'a/first': noise('linked', 900_000), small: 'small and linked' })
  linkSync(source.at('a/first'), source.at('second'))
  linkSync(source.at('small'), source.at('small again'))
  const stored = await source.backUp()
  assert.ok(stored.dataAdded < 920_000)
  const [first, second] = [await stored.entry('a/first'), await stored.entry('second')]
  assert.deepEqual([second.links, second.ino], [2, first.ino])
  assert.deepEqual(second.extents, first.extents)
  assertSameBytes(stored.files.get('second'), noise('linked', 900_000), 'content')
  assert.equal(stored.files.get('small again')?.toString(), 'small and linked')
})

test('a hard link that is new finds the content of its file, which is unchanged', async (t) => {
  const source = await aSource(t, { b: noise('later', 600_000) })
  await source.backUp()
  linkSync(source.at('b'), source.at('a'))
  const stored = await source.backUp()
  assert.ok(stored.dataAdded < 20_000)
  assertSameBytes(stored.files.get('a'), noise('later', 600_000), 'content')
})

/** 3 MiB, of which two blocks in the middle are data. */
function makeSparse(path: string): void {
  const fd = openSync(path, 'w')
  ftruncateSync(fd, 3_145_728)
  writeSync(fd, noise('block', 8192), 0, 8192, 1_310_720)
  closeSync(fd)
}

test('a sparse file has holes, whether its holes are believed or found by reading', async (t) => {
  const source = await aSource(t)
  makeSparse(source.at('sparse'))
  // In 1970 every file is fresh, so its zeros are read; in 2100 they are jumped over.
  for (const nowMs of [0, LATER_MS]) {
    const stored = await source.backUp({ forceRead: true }, nowMs)
    const entry = await stored.entry('sparse')
    assert.equal(entry.sparse, true)
    const data = entry.extents.filter(({ kind }) => kind === 'data').reduce((sum, { length }) => sum + length, 0)
    assert.ok(data >= 8192 && data <= 3 * 65_536, `${data} bytes of data`)
    const content = stored.files.get('sparse')
    assert.equal(content?.length, 3_145_728)
    assert.deepEqual(content?.subarray(1_310_720, 1_318_912), noise('block', 8192))
    assert.ok(content?.subarray(0, 1_310_720).every((byte) => byte === 0))
  }
})

test('a small sparse file keeps its holes', async (t) => {
  const source = await aSource(t)
  const fd = openSync(source.at('small'), 'w')
  ftruncateSync(fd, 100_000)
  writeSync(fd, 'end', 99_000)
  closeSync(fd)
  const stored = await source.backUp()
  assert.equal((await stored.entry('small')).extents[0]?.kind, 'hole')
  assert.equal(stored.files.get('small')?.toString('latin1', 99_000, 99_003), 'end')
})

test('zeros that were written are content, not holes', async (t) => {
  const source = await aSource(t, { zeros: Buffer.alloc(1_000_000) })
  const stored = await source.backUp()
  assert.equal((await stored.entry('zeros')).sparse, false)
  assert.ok(stored.files.get('zeros')?.equals(Buffer.alloc(1_000_000)))
})

test('links, FIFOs and sockets are recorded as what they are, without being opened', async (t) => {
  const source = await aSource(t)
  symlinkSync('/nowhere/\u00fc', source.at('link'))
  execFileSync('mkfifo', ['-m', '640', source.at('fifo')])
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(source.at('socket'), resolve))
  t.after(() => server.close())
  const stored = await source.backUp()
  assert.equal((await stored.entry('link')).target?.toString(), '/nowhere/\u00fc')
  const fifo = await stored.entry('fifo')
  assert.deepEqual([fifo.kind, fifo.mode], ['fifo', 0o640])
  assert.equal((await stored.entry('socket')).kind, 'socket')
  assert.deepEqual(stored.warnings, [])
})

test('devices are recorded with their numbers', { skip: needsRoot }, async (t) => {
  const source = await aSource(t)
  execFileSync('mknod', [source.at('null'), 'c', '1', '3'])
  execFileSync('mknod', [source.at('disk'), 'b', '4000', '70000'])
  const stored = await source.backUp()
  const [character, block] = [await stored.entry('null'), await stored.entry('disk')]
  assert.deepEqual([character.kind, character.major, character.minor], ['character-device', 1, 3])
  assert.deepEqual([block.kind, block.major, block.minor], ['block-device', 4000, 70_000])
})

test('extended attributes are recorded, of files and of folders', async (t) => {
  const source = await aSource(t, { file: 'x' })
  mkdirSync(source.at('folder'))
  const set = (name: string) => execFileSync('setfattr', ['-n', 'user.note', '-v', name, source.at(name)], { stdio: 'pipe' })
  try {
    for (const name of ['file', 'folder']) set(name)
  } catch {
    return t.skip('needs setfattr and a file system with attributes')
  }
  const stored = await source.backUp()
  for (const name of ['file', 'folder']) {
    const { xattrs } = await stored.entry(name)
    assert.deepEqual(
      xattrs.map((one) => `${one.name}=${one.value}`),
      [`user.note=${name}`],
    )
  }
})

test('names that are no UTF-8, and every byte that a name may have, are kept', async (t) => {
  const source = await aSource(t)
  const strange = [Buffer.from([0xff, 0xfe]), Buffer.from('new\nline'), Buffer.from([0x01]), Buffer.from('\\x'), Buffer.from(' ')]
  for (const name of strange) writeFileSync(Buffer.concat([Buffer.from(`${source.folder}/`), name]), name)
  const stored = await source.backUp()
  for (const name of strange) {
    assert.deepEqual((await stored.entry(name)).path.subarray(-name.length), name)
    assertSameBytes(stored.files.get(name.toString('latin1')), name, 'content')
  }
})

test('a tree deeper than any path may be is backed up to its end', async (t) => {
  const source = await aSource(t)
  const name = 'd'.repeat(200)
  execFileSync('sh', [
    '-c',
    `cd "$0" && for i in $(seq 60); do mkdir ${name} && cd -P ${name} 2>/dev/null || exit 1; done; echo deep > end`,
    source.folder,
  ])
  const stored = await source.backUp()
  assert.deepEqual(stored.warnings, [])
  const path = `${Array.from({ length: 60 }, () => name).join('/')}/end`
  assert.ok(path.length > 12_000)
  assert.equal(stored.files.get(path)?.toString(), 'deep\n')
})

test('a file that may not be read is a warning, and the job goes on', async (t) => {
  if (needsRoot === false) return t.skip('root may read everything')
  const source = await aSource(t, { open: 'x', closed: 'y' })
  execFileSync('chmod', ['000', source.at('closed')])
  const stored = await source.backUp()
  assert.deepEqual(stored.warnings, ['SOURCE_UNREADABLE closed'])
  assert.deepEqual([...stored.files.keys()], ['open'])
})
