import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { noise, runs } from '../../test/support/pool.ts'
import { all, anEntry, aTreePlace, byPath, someTree, storeTree, type TreePlace } from '../../test/support/trees.ts'
import type { OpenedPoint } from './browse.ts'
import { comparePoints } from './compare-points.ts'
import { comparePaths, type Entry } from './entry.ts'
import { displayPath } from './tree/tree-reader.ts'

/** Only what a comparison looks at. */
async function opened(place: TreePlace, entries: readonly Entry[]): Promise<OpenedPoint> {
  const { tree } = await storeTree(place, entries)
  return { tree, index: place.session.index, repository: place.session.repository } as OpenedPoint
}

function expected(before: readonly Entry[], after: readonly Entry[]): string[] {
  const key = ({ path }: Entry) => path.toString('latin1')
  const old = new Map(before.map((entry) => [key(entry), entry]))
  const now = new Map(after.map((entry) => [key(entry), entry]))
  const found: { path: Buffer; change: string }[] = []
  for (const entry of before) if (!now.has(key(entry))) found.push({ path: entry.path, change: 'removed' })
  for (const entry of after) {
    const was = old.get(key(entry))
    if (!was) found.push({ path: entry.path, change: 'added' })
    else if (was.kind !== entry.kind) found.push({ path: entry.path, change: 'type' })
    else if (was.sizeBytes !== entry.sizeBytes) found.push({ path: entry.path, change: 'content' })
    else if (was.mode !== entry.mode) found.push({ path: entry.path, change: 'metadata' })
  }
  return found.sort((a, b) => comparePaths(a.path, b.path)).map(({ path, change }) => `${change} ${displayPath(path)}`)
}

async function changes(place: TreePlace, before: OpenedPoint, after: OpenedPoint): Promise<string[]> {
  return (await all(comparePoints(place.op, before, after))).map(({ change, path }) => `${change} ${path}`)
}

async function found(place: TreePlace, before: readonly Entry[], after: readonly Entry[]): Promise<string[]> {
  return changes(place, await opened(place, before), await opened(place, after))
}

/** Changes about a third of the entries in one way or another. */
function mutate(entries: readonly Entry[], choices: readonly number[]): Entry[] {
  return entries.flatMap((entry, n) => {
    const choice = choices[n % Math.max(1, choices.length)] ?? 9
    if (choice === 0) return []
    if (choice === 1) return [{ ...entry, mode: 0o600 }]
    if (choice === 2) return [{ ...entry, sizeBytes: entry.sizeBytes + 1 }]
    if (choice === 3) return [{ ...entry, kind: entry.kind === 'folder' ? 'file' : 'folder' }]
    if (choice === 4) return [entry, anEntry(Buffer.concat([entry.path, Buffer.from([1])]))]
    return [entry]
  })
}

const choices = fc.array(fc.integer({ min: 0, max: 15 }), { minLength: 1, maxLength: 40 })

test('a comparison finds what a comparison of two maps finds', async () => {
  const place = await aTreePlace('compare property')
  await fc.assert(
    fc.asyncProperty(someTree, someTree, choices, fc.boolean(), async (entries, other, made, isRelated) => {
      const after = isRelated ? distinct(mutate(entries, made)) : other
      assert.deepEqual(await found(place, entries, after), expected(entries, after))
    }),
    runs(60),
  )
})

function distinct(entries: readonly Entry[]): Entry[] {
  return byPath(new Map(entries.map((entry) => [entry.path.toString('latin1'), entry])).values())
}

test('so it is for trees of several levels and of different heights', async () => {
  const place = await aTreePlace('compare large')
  const large = byPath(Array.from({ length: 18_000 }, (_, n) => anEntry(`f${n % 50}/e${n}`, { ino: n })))
  const trees = [
    large,
    distinct(large.map((entry, n) => (n % 5000 === 7 ? { ...entry, mode: 0 } : entry)).filter((_, n) => n % 7000 !== 3)),
    large.slice(10_000),
    large.slice(0, 300),
    large.filter((_, n) => n % 2 === 0),
    [],
  ]
  const points = await Promise.all(trees.map((entries) => opened(place, entries)))
  for (const [n, before] of points.entries()) {
    for (const [m, after] of points.entries()) {
      assert.deepEqual(await changes(place, before, after), expected(trees[n] as Entry[], trees[m] as Entry[]), `${n} and ${m}`)
    }
  }
})

test('pages that both trees share are not read', async () => {
  const place = await aTreePlace('compare shared')
  const large = byPath(Array.from({ length: 25_000 }, (_, n) => anEntry(`f${n % 50}/e${n}`, { ino: n })))
  const before = await opened(place, large)
  const after = await opened(place, large.toSpliced(12_000, 1))
  let pages = 0
  for (const point of [before, after]) {
    const page = point.tree.page.bind(point.tree)
    point.tree.page = (...given) => {
      pages++
      return page(...given)
    }
  }
  assert.equal((await all(comparePoints(place.op, before, after))).length, 1)
  assert.ok(pages < 30, `${pages} pages were read`)
})

test('content is what was stored: other chunks, another place in them, holes', async () => {
  const place = await aTreePlace('compare content')
  const data = { kind: 'data', chunk: noise('a', 32), offset: 0, length: 9 } as const
  const file = anEntry('f', { sizeBytes: 9, extents: [data] })
  const change = (extents: Entry['extents']) => found(place, [file], [{ ...file, extents }])
  assert.deepEqual(await change([data]), [])
  assert.deepEqual(await change([{ ...data, chunk: noise('b', 32) }]), ['content /f'])
  assert.deepEqual(await change([{ ...data, offset: 1 }]), ['content /f'])
  assert.deepEqual(await change([{ kind: 'hole', length: 9 }]), ['content /f'])
})

test('change times, inodes and devices are no difference; owners, times, targets and attributes are', async () => {
  const place = await aTreePlace('compare metadata')
  const link = anEntry('l', { kind: 'symlink', target: Buffer.from('x') })
  const change = (given: Partial<Entry>) => found(place, [link], [{ ...link, ...given }])
  assert.deepEqual(await change({ ctimeSec: 9, ino: 9, dev: 9, links: 9, unsettled: true, bornSec: undefined, bornNs: 0 }), [])
  const differences: Partial<Entry>[] = [
    { uid: 9 },
    { gid: 9 },
    { mtimeNs: 9 },
    { target: Buffer.from('y') },
    { xattrs: [{ name: Buffer.from('user.a'), value: Buffer.from('b') }] },
    { inodeFlags: 16 },
  ]
  for (const given of differences) assert.deepEqual(await change(given), ['metadata /l'], JSON.stringify(given))
})
