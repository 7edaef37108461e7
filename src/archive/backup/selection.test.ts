/** What of a source is backed up: roots, excludes, caches, file systems, skipped folders. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { anOperation, aPool, aSourceTree, type BackupSettings, backUpPaths, damageIn, KEY_FILE } from '../../../test/support/pool.ts'
import { needsRoot } from '../../../test/support/temporary-folder.ts'
import { Repository } from '../../repository/index.ts'
import { MemoryStore } from '../../storage/index.ts'
import { openPoint } from '../browse.ts'

const FILES = { 'a/one': '1', 'a/deep/two': '2', 'b/three': '3', 'b/x.o': '4', four: '5' }

interface Chosen {
  /** Paths below the folder; those that are only on the way in parentheses. */
  readonly paths: readonly string[]
  readonly warnings: readonly string[]
  readonly all: readonly string[]
}

async function choose(t: TestContext, folder: string, roots: readonly string[], settings: BackupSettings = {}): Promise<Chosen> {
  const op = anOperation(t.name)
  const store = new MemoryStore()
  await aPool(op, { store })
  const { point, warnings } = await backUpPaths(op, store, roots, settings)
  const { tree } = await openPoint(op, await Repository.open(op, store, KEY_FILE), point)
  const all: string[] = []
  const paths: string[] = []
  for await (const { path, ancestor } of tree.entries(op)) {
    const text = `/${path.toString()}`
    all.push(text)
    if (text.startsWith(`${folder}/`)) paths.push(ancestor ? `(${text.slice(folder.length + 1)})` : text.slice(folder.length + 1))
  }
  assert.deepEqual(await damageIn(op, store), [])
  return { paths, all, warnings: warnings.map(({ code }) => code) }
}

test('everything below a root is there, and the folders on the way to it, marked as such', async (t) => {
  const folder = aSourceTree(t, FILES)
  const { paths, all } = await choose(t, folder, [join(folder, 'a')])
  assert.deepEqual(paths, ['a', 'a/deep', 'a/deep/two', 'a/one'])
  assert.ok(all.includes(folder))
})

test('several roots, given in any order and one in another, come once and in order', async (t) => {
  const folder = aSourceTree(t, FILES)
  const roots = ['b', 'a/deep', 'a', 'a/deep/two', 'b'].map((name) => join(folder, name))
  const { paths, all } = await choose(t, folder, roots)
  assert.deepEqual(paths, ['a', 'a/deep', 'a/deep/two', 'a/one', 'b', 'b/three', 'b/x.o'])
  assert.equal(new Set(all).size, all.length)
})

test('roots beside each other share the folders on the way', async (t) => {
  const folder = aSourceTree(t, FILES)
  const { paths } = await choose(t, folder, [join(folder, 'a/deep/two'), join(folder, 'a/one'), join(folder, 'four')])
  assert.deepEqual(paths, ['(a)', '(a/deep)', 'a/deep/two', 'a/one', 'four'])
})

test('a root may be a single file', async (t) => {
  const folder = aSourceTree(t, FILES)
  assert.deepEqual((await choose(t, folder, [join(folder, 'four')])).paths, ['four'])
})

test('a root that is a symbolic link is protected as a link, with a warning', async (t) => {
  const folder = aSourceTree(t, FILES)
  symlinkSync('a', join(folder, 'link'))
  const { paths, warnings } = await choose(t, folder, [join(folder, 'link')])
  assert.deepEqual(paths, ['link'])
  assert.deepEqual(warnings, ['SOURCE_IS_LINK'])
})

test('a slash at the end of a root follows the link', async (t) => {
  const folder = aSourceTree(t, FILES)
  symlinkSync('a', join(folder, 'link'))
  const { paths, warnings } = await choose(t, folder, [`${join(folder, 'link')}/`])
  assert.deepEqual(paths, ['link', 'link/deep', 'link/deep/two', 'link/one'])
  assert.deepEqual(warnings, [])
})

test('links on the way to a root are followed; links below it never', async (t) => {
  const folder = aSourceTree(t, FILES)
  symlinkSync('a', join(folder, 'way'))
  symlinkSync('..', join(folder, 'a/deep/up'))
  const { paths } = await choose(t, folder, [join(folder, 'way/deep')])
  assert.deepEqual(paths, ['(way)', 'way/deep', 'way/deep/two', 'way/deep/up'])
})

test('what is excluded is left out with everything below it', async (t) => {
  const folder = aSourceTree(t, FILES)
  const { paths } = await choose(t, folder, [folder], { excludes: ['deep', '*.o', `${folder}/four`] })
  assert.deepEqual(paths, ['a', 'a/one', 'b', 'b/three'])
})

test('of a folder with a cache tag only the tag is kept, if so asked', async (t) => {
  const folder = aSourceTree(t, { ...FILES, 'a/CACHEDIR.TAG': 'Signature: 8a477f597d28d172789f06886806bc55\n# x', 'b/CACHEDIR.TAG': 'no' })
  const { paths } = await choose(t, folder, [folder], { excludeCaches: true })
  assert.deepEqual(paths, ['a', 'a/CACHEDIR.TAG', 'b', 'b/CACHEDIR.TAG', 'b/three', 'b/x.o', 'four'])
  assert.ok((await choose(t, folder, [folder])).paths.includes('a/one'))
})

test('folders to be skipped are not entered, by whatever path they are reached', async (t) => {
  const folder = aSourceTree(t, FILES)
  symlinkSync('b', join(folder, 'link'))
  const { paths } = await choose(t, folder, [folder], { skipFolders: [Buffer.from(join(folder, 'link')), Buffer.from('/nowhere')] })
  assert.deepEqual(paths, ['a', 'a/deep', 'a/deep/two', 'a/one', 'four', 'link'])
})

test('another file system is recorded and not entered, if so asked', { skip: needsRoot }, async (t) => {
  const folder = aSourceTree(t, FILES)
  const mounted = join(folder, 'mounted')
  mkdirSync(mounted)
  try {
    execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', mounted], { stdio: 'pipe' })
  } catch {
    return t.skip('may not mount')
  }
  try {
    writeFileSync(join(mounted, 'file'), 'x')
    const { paths } = await choose(t, folder, [folder], { oneFileSystem: true })
    assert.ok(paths.includes('mounted') && !paths.includes('mounted/file'))
    assert.ok((await choose(t, folder, [folder])).paths.includes('mounted/file'))
    // A root of its own is entered: it was named.
    assert.ok((await choose(t, folder, [mounted], { oneFileSystem: true })).paths.includes('mounted/file'))
  } finally {
    execFileSync('umount', [mounted])
  }
})
