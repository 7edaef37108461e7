import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, renameSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryFolder } from '../../../test/support/temporary-folder.ts'
import type { Operation } from '../../base/operation.ts'
import { systemDisk } from '../../platform/index.ts'
import { type ByteRange, createLocalDiskStore, MemoryStore, type OpenObject } from '../../storage/index.ts'
import { FOLDER, file, type Made, makePoint, names, noise, operation, restore } from './made-points.fixture.ts'

/** Somebody else works in the target while the first content is being read. */
class MeddledStore extends MemoryStore {
  meddle: (() => void) | undefined
  skip = 0

  constructor() {
    super()
    const open = this.immediate.open
    Object.assign(this.immediate, { open: (name: string) => this.#meddled(name, open(name)) })
  }

  #meddled(name: string, object: OpenObject): OpenObject {
    const read = (offset: number, length: number) => {
      this.#meddleIfDue(name)
      return object.read(offset, length)
    }
    return { ...object, read }
  }

  #meddleIfDue(name: string): void {
    if (this.meddle && name.startsWith('packs/') && this.skip-- === 0) this.meddle()
  }

  override async get(op: Operation, name: string, range?: ByteRange): Promise<Buffer> {
    this.#meddleIfDue(name)
    return super.get(op, name, range)
  }
}

/** Two reads of the tree's page come before the first content. */
const FIRST_CONTENT = 2

test('a folder that is swapped for a symbolic link while its files are read does not lead them outside', async (t) => {
  const op = operation(t.name)
  const store = new MeddledStore()
  const outside = temporaryFolder(t)
  const target = temporaryFolder(t)
  const made = await makePoint(
    op,
    { a: FOLDER, 'a/b': FOLDER, 'a/b/f': file('secret', { links: 2, ino: 3 }), 'a/z': file('secret', { links: 2, ino: 3 }) },
    { store },
  )
  store.skip = FIRST_CONTENT
  store.meddle = () => {
    renameSync(join(target, 'a'), join(target, 'moved'))
    symlinkSync(outside, join(target, 'a'))
  }
  await restore(op, made, target)
  assert.deepEqual(names(outside), [])
  assert.deepEqual(names(target), ['a|l', 'moved/b/f|f', 'moved/b|d', 'moved/z|f', 'moved|d'])
})

for (const [overwrite, wins, skipped] of [
  ['never', 'theirs', 1],
  ['if-changed', 'ours', 0],
  ['copy', 'theirs', 0],
] as const) {
  test(`a file that appears while its content is read: ${overwrite} keeps to its word`, async (t) => {
    const op = operation(t.name)
    const store = new MeddledStore()
    const target = temporaryFolder(t)
    const made = await makePoint(op, { a: FOLDER, 'a/f': file('ours') }, { store })
    store.skip = FIRST_CONTENT
    store.meddle = () => writeFileSync(join(target, 'a/f'), 'theirs')
    const report = await restore(op, made, target, { overwrite })
    assert.equal(readFileSync(join(target, 'a/f'), 'utf8'), wins)
    assert.equal(report.filesSkipped, skipped)
    if (overwrite === 'copy') assert.equal(readFileSync(join(target, 'a/f.restored'), 'utf8'), 'ours')
  })
}

test('a filled folder that appears where a file must go is not deleted', async (t) => {
  const op = operation(t.name)
  const store = new MeddledStore()
  const target = temporaryFolder(t)
  const made = await makePoint(op, { f: file('ours') }, { store })
  store.skip = FIRST_CONTENT
  store.meddle = () => mkdirSync(join(target, 'f/full'), { recursive: true })
  const report = await restore(op, made, target, { overwrite: 'always' })
  assert.deepEqual(
    report.failed.map(({ path, code }) => `${path} ${code}`),
    ['/f TARGET_EXISTS'],
  )
  assert.ok(statSync(join(target, 'f/full')).isDirectory())
  assert.deepEqual(names(target), ['f/full|d', 'f|d'])
})

test('workers stop soon when the operation is cancelled, and leave whole files only', async (t) => {
  const op = operation(t.name)
  const pool = join(temporaryFolder(t), 'pool')
  const store = await createLocalDiskStore(op, systemDisk(), pool)
  const tree: Record<string, Made> = { a: FOLDER }
  for (let i = 0; i < 20; i++) tree[`a/${i}`] = file(noise(6_000_000, String(i)))
  const made = await makePoint(op, tree, { store })
  const abort = new AbortController()
  const cancelled = operation(t.name, { signal: abort.signal, onProgress: () => abort.abort() })
  const target = temporaryFolder(t)
  await assert.rejects(restore(cancelled, made, target, { workerStore: { kind: 'local', path: pool }, lanes: 2 }), { code: 'CANCELLED' })
  const there = names(target).filter((name) => name.endsWith('|f'))
  assert.ok(there.length > 0 && there.length < 20)
  for (const name of there) assert.equal(statSync(join(target, name.slice(0, -2))).size, 6_000_000)
})
