import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TreeReader } from '../tree/tree-reader.ts'
import { FOLDER, file, makePoint, operation } from './made-points.fixture.ts'
import { select } from './selection.ts'

test('no selection is everything, an empty one is nothing, and the root is everything', async (t) => {
  const op = operation(t.name)
  const { repository, point } = await makePoint(op, { a: FOLDER, 'a/b': file('b'), c: file('c') })
  const { index } = await repository.loadIndex(op)
  const tree = new TreeReader(repository, index, { root: Buffer.from(point.root, 'hex'), level: point.level })
  const chosen = async (paths: readonly string[] | undefined) => {
    const selection = await select(
      op,
      tree,
      paths?.map((path) => Buffer.from(path)),
    )
    const names: string[] = []
    for await (const { path } of selection.entries(op)) names.push(path.toString())
    return { names, tops: (await selection.topNames(op)).map(String), isEverything: selection.isEverything }
  }
  const all = { names: ['a', 'a/b', 'c'], tops: ['a', 'c'], isEverything: true }
  assert.deepEqual(await chosen(undefined), all)
  assert.deepEqual(await chosen(['/']), all)
  assert.deepEqual(await chosen([]), { names: [], tops: [], isEverything: false })
})
