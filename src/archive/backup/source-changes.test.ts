/** Sources that change, vanish or refuse while they are read. */
import assert from 'node:assert/strict'
import { appendFileSync, chmodSync, linkSync, mkdirSync, rmSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { HookedClock, isOpen } from '../../../test/support/hooked-clock.ts'
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
  noise,
} from '../../../test/support/pool.ts'
import { Repository } from '../../repository/index.ts'
import { MemoryStore } from '../../storage/index.ts'
import { findEntry, openPoint } from '../browse.ts'
import type { Entry } from '../entry.ts'

interface Watched {
  readonly folder: string
  readonly warnings: readonly string[]
  content(name: string): Promise<Buffer | undefined>
  entry(name: string): Promise<Entry>
  /** How often the next backup finds a file unmodified. */
  unmodifiedNext(): Promise<number>
}

/** Backs up `files` while `act` is called with the number of each reading of the file `a`, from 0. */
async function backUpWhile(t: TestContext, files: Files, act: (folder: string, reading: number) => void): Promise<Watched> {
  const folder = aSourceTree(t, files)
  const store = new MemoryStore()
  let reading = 0
  const clock = new HookedClock(() => {
    if (isOpen(join(folder, 'a'))) act(folder, reading++)
  })
  await aPool(anOperation(`making ${t.name}`), { store })
  const op = anOperation(t.name, { clock })
  const { point, warnings } = await backUpPaths(op, store, [folder])
  const later = anOperation(`later ${t.name}`)
  assert.deepEqual(await damageIn(later, store), [])
  const repository = await Repository.open(later, store, KEY_FILE)
  return {
    folder,
    warnings: warnings.map(({ code, item }) => `${code} ${item?.slice(folder.length + 1)}`),
    content: async (name) => (await filesOf(later, repository, point, folder)).get(name),
    entry: async (name) => findEntry(later, await openPoint(later, repository, point), Buffer.from(join(folder, name))),
    unmodifiedNext: async () => (await backUpPaths(later, store, [folder])).filesUnmodified,
  }
}

test('a file that changes once while it is read is read again, and stored as it is then', async (t) => {
  const seen = await backUpWhile(t, { a: 'before' }, (folder, reading) => {
    if (reading === 0) writeFileSync(join(folder, 'a'), 'after, and longer')
  })
  assert.deepEqual(seen.warnings, [])
  assert.equal((await seen.content('a'))?.toString(), 'after, and longer')
  assert.equal((await seen.entry('a')).unsettled, false)
})

test('a file that never stops changing is stored with a warning, as unsettled, and read again next time', async (t) => {
  const seen = await backUpWhile(t, { a: 'line\n', b: 'quiet' }, (folder, reading) => {
    if (reading < 3) appendFileSync(join(folder, 'a'), 'another line\n')
  })
  assert.deepEqual(seen.warnings, ['SOURCE_CHANGED a'])
  const entry = await seen.entry('a')
  assert.equal(entry.unsettled, true)
  const content = await seen.content('a')
  assert.equal(content?.length, entry.sizeBytes)
  assert.ok('line\nanother line\nanother line\nanother line\n'.startsWith(String(content)))
  assert.equal((await seen.content('b'))?.toString(), 'quiet')
  assert.equal(await seen.unmodifiedNext(), 1)
})

test('a known file that changes while it is read again is stored as it is then, with the metadata that it has then', async (t) => {
  for (const size of [100, 700_000]) {
    const folder = aSourceTree(t, { a: noise('before', size) })
    const store = new MemoryStore()
    await aPool(anOperation(`making ${size}`), { store })
    await backUpPaths(anOperation(`first ${size}`), store, [folder])
    let reading = 0
    const clock = new HookedClock(() => {
      if (!isOpen(join(folder, 'a')) || reading++ > 0) return
      writeFileSync(join(folder, 'a'), noise('after', size))
      chmodSync(join(folder, 'a'), 0o700)
    })
    const op = anOperation(`again ${size}`, { clock })
    const { point, warnings } = await backUpPaths(op, store, [folder], { forceRead: true })
    assert.ok(reading > 0)
    assert.deepEqual(warnings, [])
    const repository = await Repository.open(op, store, KEY_FILE)
    assertSameBytes((await filesOf(op, repository, point, folder)).get('a'), noise('after', size), 'a')
    const entry = await findEntry(op, await openPoint(op, repository, point), Buffer.from(join(folder, 'a')))
    assert.equal(entry.mode, 0o700)
    assert.equal(entry.unsettled, false)
  }
})

test('a small file that grows large while it is read is stored whole', async (t) => {
  const grown = noise('grown', 2_000_000)
  const seen = await backUpWhile(t, { a: 'small', b: 'next' }, (folder, reading) => {
    if (reading === 0) writeFileSync(join(folder, 'a'), grown)
  })
  assert.ok((await seen.content('a'))?.equals(grown), `${(await seen.content('a'))?.length} bytes, ${seen.warnings}`)
  assert.equal((await seen.content('b'))?.toString(), 'next')
})

test('a file that shrinks while it is read is stored as what is left', async (t) => {
  for (const size of [40_000, 800_000]) {
    const seen = await backUpWhile(t, { a: noise('shrinking', size) }, (folder, reading) => {
      if (reading === 0) truncateSync(join(folder, 'a'), 1000)
    })
    assertSameBytes(await seen.content('a'), noise('shrinking', size).subarray(0, 1000), 'a')
  }
})

test('a file that vanished before it could be read is a warning, and the others are there', async (t) => {
  const seen = await backUpWhile(t, { a: 'first', b: 'gone', c: 'last' }, (folder, reading) => {
    if (reading === 0) unlinkSync(join(folder, 'b'))
  })
  assert.deepEqual(seen.warnings, ['SOURCE_VANISHED b'])
  assert.equal(await seen.content('b'), undefined)
  assert.equal((await seen.content('c'))?.toString(), 'last')
})

test('a file that became a folder is a warning', async (t) => {
  const seen = await backUpWhile(t, { a: 'first', b: 'file' }, (folder, reading) => {
    if (reading !== 0) return
    unlinkSync(join(folder, 'b'))
    mkdirSync(join(folder, 'b'))
  })
  assert.deepEqual(seen.warnings, ['SOURCE_VANISHED b'])
})

test('a file that was replaced by another is stored as the other', async (t) => {
  const seen = await backUpWhile(t, { a: 'first', b: 'old' }, (folder, reading) => {
    if (reading !== 0) return
    unlinkSync(join(folder, 'b'))
    writeFileSync(join(folder, 'b'), 'replaced')
  })
  assert.deepEqual(seen.warnings, [])
  assert.equal((await seen.content('b'))?.toString(), 'replaced')
})

test('names of a file whose first name vanished are stored all the same', async (t) => {
  const folder = aSourceTree(t, { 0: 'read first', 'a/x': 'one inode, three names' })
  mkdirSync(join(folder, 'z'))
  for (const name of ['z/x', 'z/y']) linkSync(join(folder, 'a/x'), join(folder, name))
  const store = new MemoryStore()
  await aPool(anOperation(`making ${t.name}`), { store })
  const clock = new HookedClock(() => {
    if (isOpen(join(folder, '0'))) rmSync(join(folder, 'a/x'), { force: true })
  })
  const { point, warnings } = await backUpPaths(anOperation(t.name, { clock }), store, [folder])
  assert.deepEqual(
    warnings.map(({ code }) => code),
    ['SOURCE_VANISHED'],
  )
  const later = anOperation(`later ${t.name}`)
  const stored = await filesOf(later, await Repository.open(later, store, KEY_FILE), point, folder)
  assert.deepEqual(
    [...stored].map(([name, content]) => [name, content.toString()]),
    [
      ['0', 'read first'],
      ['z/x', 'one inode, three names'],
      ['z/y', 'one inode, three names'],
    ],
  )
})

test('a large file that grows while it is read is stored with a consistent size', async (t) => {
  const seen = await backUpWhile(t, { a: noise('large', 1_500_000) }, (folder) => appendFileSync(join(folder, 'a'), noise('tail', 10_000)))
  const content = await seen.content('a')
  assert.equal(content?.length, (await seen.entry('a')).sizeBytes)
  assert.ok(content?.subarray(0, 1_500_000).equals(noise('large', 1_500_000)))
})

test('files of a folder that vanished after it was walked are warnings', async (t) => {
  const folder = aSourceTree(t, { 'a/file': 'x', 'b/file': 'y', c: 'z' })
  const store = new MemoryStore()
  await aPool(anOperation('making'), { store })
  const clock = new HookedClock(() => {
    if (isOpen(join(folder, 'a/file'))) rmSync(join(folder, 'b'), { recursive: true, force: true })
  })
  const { point, warnings } = await backUpPaths(anOperation('vanishing folder', { clock }), store, [folder])
  const later = anOperation('later')
  const stored = await filesOf(later, await Repository.open(later, store, KEY_FILE), point, folder)
  assert.deepEqual([...stored.keys()], ['a/file', 'c'])
  assert.deepEqual(
    warnings.map(({ code, item }) => `${code} ${item?.slice(folder.length)}`),
    ['SOURCE_VANISHED /b/file'],
  )
})

test('what was changed just before it was read is read again next time (R23)', async (t) => {
  const folder = aSourceTree(t, { a: 'x', 'b/c': 'y' })
  const store = new MemoryStore()
  await aPool(anOperation('making fresh'), { store })
  // For this clock every change lies in the future.
  const fresh = anOperation('fresh', { clock: new HookedClock(() => {}, 0) })
  const { point } = await backUpPaths(fresh, store, [folder])
  const later = anOperation('later')
  const opened = await openPoint(later, await Repository.open(later, store, KEY_FILE), point)
  for (const name of ['a', 'b', 'b/c'])
    assert.equal((await findEntry(later, opened, Buffer.from(join(folder, name)))).unsettled, true, name)
  const second = await backUpPaths(later, store, [folder])
  assert.deepEqual([second.filesUnmodified, second.filesChanged], [2, 0])
  const again = await openPoint(later, await Repository.open(later, store, KEY_FILE), second.point)
  assert.equal((await findEntry(later, again, Buffer.from(join(folder, 'a')))).unsettled, false)
})
