import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { hasCode } from '../../base/errors.ts'
import { openSearch, type PointDifference, type Search } from './search.ts'
import type { NamedEntry, SearchQuery } from './search-index.ts'

async function aSearch(t: TestContext): Promise<Search> {
  const folder = await mkdtemp(join(tmpdir(), 'terp-search-'))
  const search = await openSearch(join(folder, 'search.db'))
  t.after(async () => {
    await search.close()
    await rm(folder, { recursive: true, force: true })
  })
  return search
}

function entryOf(path: string): NamedEntry {
  const cut = path.lastIndexOf('/')
  return { folder: path.slice(0, Math.max(0, cut)), name: path.slice(cut + 1), kind: 'file' }
}

async function* difference(added: readonly string[], removed: readonly string[] = []): PointDifference {
  for (const path of removed) yield { isAdded: false, entry: entryOf(path) }
  for (const path of added) yield { isAdded: true, entry: entryOf(path) }
}

async function find(search: Search, query: SearchQuery | string): Promise<string[]> {
  const asked = typeof query === 'string' ? { text: query } : query
  const { items } = await search.search(asked, { limit: 250 })
  return items.map(({ sourceId, folder, name, first, last }) => `${sourceId}:${folder}/${name} ${first}-${last ?? ''}`).sort()
}

test('a part of a name finds it, whatever the case, and with the points that have it', async (t) => {
  const search = await aSearch(t)
  await search.addPoint('s1', 1, difference(['home/Report-2026.PDF', 'home/notes.txt', 'home/old/report_1.pdf']))
  await search.addPoint('s1', 2, difference(['home/Übersicht.md'], ['home/old/report_1.pdf']))
  await search.addPoint('s2', 1, difference(['report']))
  assert.deepEqual(await find(search, 'REPORT'), ['s1:home/Report-2026.PDF 1-', 's1:home/old/report_1.pdf 1-1', 's2:/report 1-'])
  assert.deepEqual(await find(search, 'übersicht'.normalize('NFD')), ['s1:home/Übersicht.md 2-'])
  assert.deepEqual(await find(search, 'pd'), ['s1:home/Report-2026.PDF 1-', 's1:home/old/report_1.pdf 1-1'])
  assert.deepEqual(await find(search, { text: 'report', sourceIds: ['s2'] }), ['s2:/report 1-'])
  assert.deepEqual(await find(search, { text: 'report', below: 'home/old' }), ['s1:home/old/report_1.pdf 1-1'])
  assert.deepEqual(await find(search, { text: 'report', below: 'home/ol' }), [])
})

test('wildcards stand for the whole name, and other signs for themselves', async (t) => {
  const search = await aSearch(t)
  await search.addPoint('s1', 1, difference(['a/x.txt', 'a/x.txt.bak', 'a/[x].txt', 'a/100%_sure.txt', 'a/y.txt']))
  assert.deepEqual(await find(search, '*.txt'), ['s1:a/100%_sure.txt 1-', 's1:a/[x].txt 1-', 's1:a/x.txt 1-', 's1:a/y.txt 1-'])
  assert.deepEqual(await find(search, '?.txt'), ['s1:a/x.txt 1-', 's1:a/y.txt 1-'])
  assert.deepEqual(await find(search, '[x]'), ['s1:a/[x].txt 1-'])
  assert.deepEqual(await find(search, '[x*'), ['s1:a/[x].txt 1-'])
  assert.deepEqual(await find(search, '%_'), ['s1:a/100%_sure.txt 1-'])
  for (const text of ['', ' ', '*', '?*']) await assert.rejects(find(search, text), (error) => hasCode(error, 'CATALOG_SEARCH_INVALID'))
})

test('a point is found when all of it is there, and adding it again changes nothing', async (t) => {
  const search = await aSearch(t)
  async function* broken(): PointDifference {
    for (let n = 0; n < 2500; n++) yield { isAdded: true, entry: entryOf(`a/file${n}.txt`) }
    throw new Error('cut off')
  }
  await assert.rejects(search.addPoint('s1', 1, broken()))
  assert.deepEqual(await find(search, 'file'), [])
  await search.addPoint('s1', 1, difference(['a/file1.txt', 'a/file2.txt']))
  await search.addPoint('s1', 1, difference(['a/file3.txt']))
  assert.equal(await search.newestOf('s1'), 1)
  assert.ok((await find(search, 'file2.txt')).includes('s1:a/file2.txt 1-'))
})

test('pages give every hit once', async (t) => {
  const search = await aSearch(t)
  const paths = Array.from({ length: 700 }, (_, n) => `d${n % 7}/same-${n % 100}.log`)
  await search.addPoint('s1', 1, difference(paths))
  const seen: string[] = []
  let cursor: string | undefined
  do {
    const page = await search.search({ text: 'same' }, { limit: 250, cursor })
    seen.push(...page.items.map(({ folder, name }) => `${folder}/${name}`))
    cursor = page.next
  } while (cursor !== undefined)
  assert.deepEqual(seen.sort(), paths.sort())
})

test('what only points had that are gone is forgotten', async (t) => {
  const search = await aSearch(t)
  await search.addPoint('s1', 1, difference(['a/first.txt', 'a/both.txt']))
  await search.addPoint('s1', 2, difference(['a/second.txt'], ['a/first.txt']))
  await search.addPoint('s1', 3, difference([], ['a/both.txt']))
  assert.equal(await search.keepOnly('s1', [2, 3]), true)
  await search.tidy()
  assert.deepEqual(await find(search, '*.txt'), ['s1:a/both.txt 1-2', 's1:a/second.txt 2-'])
  await search.removeSource('s1')
  await search.tidy()
  assert.deepEqual(await find(search, '*.txt'), [])
  await search.addPoint('s1', 1, difference(['a/first.txt']))
  assert.deepEqual(await find(search, 'first'), ['s1:a/first.txt 1-'])
})

test('what only a point in between had is forgotten with it; of one that lost its newest, all is to be added anew', async (t) => {
  const search = await aSearch(t)
  await search.addPoint('s1', 1, difference(['a/always.txt', 'a/one.txt']))
  await search.addPoint('s1', 2, difference(['a/two.txt', 'a/two-three.txt'], ['a/one.txt']))
  await search.addPoint('s1', 3, difference([], ['a/two.txt']))
  await search.addPoint('s1', 4, difference(['a/four.txt'], ['a/two-three.txt']))
  assert.equal(await search.keepOnly('s1', [4, 1, 3]), true)
  await search.tidy()
  assert.deepEqual(await find(search, '*.txt'), ['s1:a/always.txt 1-', 's1:a/four.txt 4-', 's1:a/one.txt 1-1', 's1:a/two-three.txt 2-3'])
  assert.equal(await search.keepOnly('s1', [1, 3]), false)
  assert.equal(await search.keepOnly('s1', [4, 5]), true)
  assert.deepEqual(await find(search, '*.txt'), ['s1:a/always.txt 1-', 's1:a/four.txt 4-'])
  assert.equal(await search.keepOnly('unknown', [1]), true)
})

test('it finds what looking at every point would', async (t) => {
  const name = fc.string({ unit: fc.constantFrom('a', 'b', 'C', 'é', '_', '[', '%', '.'), minLength: 1, maxLength: 5 })
  const paths = fc.uniqueArray(
    fc.tuple(fc.constantFrom('', 'x', 'x/y'), name).map(([folder, base]) => (folder === '' ? base : `${folder}/${base}`)),
    { maxLength: 12 },
  )
  const text = fc.string({ unit: fc.constantFrom('a', 'b', 'c', 'É', '_', '[', '.'), minLength: 1, maxLength: 4 })
  const search = await aSearch(t)
  let run = 0
  await fc.assert(
    fc.asyncProperty(fc.array(paths, { minLength: 1, maxLength: 4 }), text, async (points, part) => {
      const source = `s${++run}`
      let before: readonly string[] = []
      for (const [n, now] of points.entries()) {
        const added = now.filter((path) => !before.includes(path))
        await search.addPoint(
          source,
          n + 1,
          difference(
            added,
            before.filter((path) => !now.includes(path)),
          ),
        )
        before = now
      }
      const expected = new Set(
        points.flatMap((now, n) =>
          now.filter((path) => entryOf(path).name.toLowerCase().includes(part.toLowerCase())).map((path) => `${path}@${n + 1}`),
        ),
      )
      const { items } = await search.search({ text: part, sourceIds: [source] }, { limit: 500 })
      const found = new Set<string>()
      for (const { folder, name: base, first, last } of items) {
        for (let n = first; n <= (last ?? points.length); n++) found.add(`${folder === '' ? base : `${folder}/${base}`}@${n}`)
      }
      assert.deepEqual([...found].sort(), [...expected].sort())
    }),
    { numRuns: 60 },
  )
})
