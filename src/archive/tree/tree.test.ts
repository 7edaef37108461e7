import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { damageIn, runs } from '../../../test/support/pool.ts'
import { all, anEntry, aTreePlace, byPath, someTree, storeTree } from '../../../test/support/trees.ts'
import { comparePaths, type Entry, isWithin, parentOf } from '../entry.ts'
import { isLeaf } from './page-codec.ts'
import type { TreeReader } from './tree-reader.ts'

const paths = (entries: readonly Entry[]) => entries.map(({ path }) => path.toString('latin1'))

test('a tree gives back its entries, in order, from anywhere, and nothing that is not there', async () => {
  const place = await aTreePlace('tree property')
  await fc.assert(
    fc.asyncProperty(someTree, fc.uint8Array({ maxLength: 4 }), async (entries, from) => {
      const stored = await storeTree(place, entries)
      assert.equal(stored.entries, entries.length)
      assert.deepEqual(await all(stored.tree.entries(place.op)), entries)
      const start = Buffer.from(from)
      const later = entries.filter(({ path }) => comparePaths(path, start) >= 0)
      assert.deepEqual(paths(await all(stored.tree.entries(place.op, start))), paths(later))
      const found = await stored.tree.find(place.op, start)
      assert.deepEqual(
        found,
        entries.find(({ path }) => path.equals(start)),
      )
    }),
    runs(60),
  )
})

test('children are exactly what lies directly in a folder; within is the folder and all below it', async () => {
  const place = await aTreePlace('children property')
  await fc.assert(
    fc.asyncProperty(someTree, async (entries) => {
      const { tree } = await storeTree(place, entries)
      const folders = [Buffer.alloc(0), ...entries.filter(({ kind }) => kind === 'folder').map(({ path }) => path)]
      for (const folder of folders) {
        const direct = entries.filter(({ path }) => parentOf(path).equals(folder))
        assert.deepEqual(paths(await all(tree.children(place.op, folder))), paths(direct))
        const below = entries.filter(({ path }) => isWithin(path, folder))
        assert.deepEqual(paths(await all(tree.within(place.op, folder))), paths(below))
      }
    }),
    runs(40),
  )
})

test('an empty tree has one page and no entries', async () => {
  const place = await aTreePlace('empty')
  const { tree, level, entries } = await storeTree(place, [])
  assert.equal(entries, 0)
  assert.ok(isLeaf(await tree.page(place.op, tree.root)) === (level === 0))
  assert.deepEqual(await all(tree.entries(place.op)), [])
  assert.deepEqual(await all(tree.children(place.op, Buffer.alloc(0))), [])
  assert.equal(await tree.find(place.op, Buffer.from('a')), undefined)
})

function manyEntries(count: number): Entry[] {
  const names = Array.from({ length: count }, (_, n) => anEntry(`root/folder ${n % 97}/file ${n}`, { ino: n, sizeBytes: 10 }))
  const folders = Array.from({ length: 97 }, (_, n) => anEntry(`root/folder ${n}`, { kind: 'folder' }))
  return byPath([anEntry('root', { kind: 'folder' }), ...folders, ...names])
}

async function pageIds(tree: TreeReader, op: Parameters<TreeReader['page']>[0], id = tree.root): Promise<string[]> {
  const page = await tree.page(op, id)
  if (isLeaf(page)) return [id.toString('hex')]
  const below = await Promise.all(page.children.map((child) => pageIds(tree, op, child.id)))
  return [id.toString('hex'), ...below.flat()]
}

test('a tree of many entries has several levels, and its sums are right', async () => {
  const place = await aTreePlace('many')
  const entries = manyEntries(30_000)
  const stored = await storeTree(place, entries)
  assert.ok(stored.level >= 2)
  assert.equal(stored.entries, entries.length)
  assert.equal(stored.contentBytes, 300_000)
  assert.deepEqual(paths(await all(stored.tree.entries(place.op))), paths(entries))
  assert.equal((await all(stored.tree.children(place.op, Buffer.from('root')))).length, 97)
  assert.equal((await stored.tree.find(place.op, Buffer.from('root/folder 5/file 5')))?.ino, 5)
})

test('a changed entry, a new one and a removed one leave nearly all pages as they are', async () => {
  const place = await aTreePlace('local changes')
  const entries = manyEntries(30_000)
  const before = new Set(await pageIds((await storeTree(place, entries)).tree, place.op))
  const changes = [
    entries.map((entry, n) => (n === 20_000 ? { ...entry, mode: 0o600 } : entry)),
    byPath([...entries, anEntry('root/folder 50/a new one')]),
    entries.filter((_, n) => n !== 12_345),
  ]
  for (const changed of changes) {
    const after = await pageIds((await storeTree(place, changed)).tree, place.op)
    const fresh = after.filter((id) => !before.has(id)).length
    assert.ok(before.size > 80 && fresh > 0 && fresh <= 6, `${fresh} of ${after.length} pages are new`)
  }
})

test('an unchanged tree adds nothing', async () => {
  const place = await aTreePlace('again')
  const first = await storeTree(place, manyEntries(2000))
  const second = await storeTree(place, manyEntries(2000))
  assert.deepEqual(second.root, first.root)
  assert.equal(second.addedBytes, 0)
  assert.deepEqual(await damageIn(place.op, place.store), [])
})

test('pages stay within their limits, whatever the entries', async () => {
  const place = await aTreePlace('limits')
  const xattrs = [{ name: Buffer.from('user.big'), value: Buffer.alloc(60_000) }]
  const entries = byPath(Array.from({ length: 200 }, (_, n) => anEntry(`big ${n}`, { xattrs })))
  const { tree } = await storeTree(place, entries)
  const leaves = await all(tree.leaves(place.op))
  assert.ok(leaves.length >= 40)
  assert.ok(leaves.every((leaf) => leaf.length <= 5))
})

test('entries that come out of order are refused', async () => {
  const place = await aTreePlace('order')
  await assert.rejects(storeTree(place, [anEntry('b'), anEntry('a')]), { code: 'INTERNAL' })
  await assert.rejects(storeTree(place, [anEntry('a'), anEntry('a')]), { code: 'INTERNAL' })
})
