/** What of a source is backed up: roots, excludes, caches, file systems, skipped folders. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import {
  anOperation,
  aPool,
  aSourceTree,
  type BackupSettings,
  backUpPaths,
  damageIn,
  KEY_FILE,
  writeFiles,
} from '../../../test/support/pool.ts'
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

test('§3.3: a pattern that begins with two slashes leaves out files, links and all else of that name, and no folder', async (t) => {
  const folder = aSourceTree(t, { 'a.tmp/kept': '1', 'x.tmp': '2', 'deep/y.TMP': '3', 'deep/.tmp': '4', 'b.tmp/z.tmp': '5' })
  symlinkSync('x.tmp', join(folder, 'l.tmp'))
  const settings = { excludes: ['//?*.[tT][mM][pP]'] }
  assert.deepEqual((await choose(t, folder, [folder], settings)).paths, ['a.tmp', 'a.tmp/kept', 'b.tmp', 'deep', 'deep/.tmp'])
})

test('§3.3: the deepest rule decides: what is chosen again below what is left out is there, and nothing beside it', async (t) => {
  const folder = aSourceTree(t, {
    'a/one': '1',
    'a/out/two': '2',
    'a/out/in/three': '3',
    'a/out/in/deep/four': '4',
    'a/out/x/five': '5',
    'a/z': '6',
  })
  const roots = [join(folder, 'a'), join(folder, 'a/out/in'), join(folder, 'a/out/in/deep/four')]
  const settings = { excludes: [join(folder, 'a/out')] }
  const wanted = ['a', 'a/one', '(a/out)', 'a/out/in', 'a/out/in/deep', 'a/out/in/deep/four', 'a/out/in/three', 'a/z']
  assert.deepEqual((await choose(t, folder, roots, settings)).paths, wanted)
})

test('§3.3: so they do when all but a few pages is taken over unread', async (t) => {
  const folder = aSourceTree(
    t,
    Object.fromEntries(Array.from({ length: 3000 }, (_, n) => [`a/${n % 50}/f${n}.${n % 3 ? 'txt' : 'tmp'}`, `${n}`])),
  )
  writeFiles(folder, { 'a/7/out/no': '', 'a/7/out/in/yes': '1', 'a/7/out/in/n.tmp/yes': '2' })
  const roots = [join(folder, 'a'), join(folder, 'a/7/out/in')]
  const settings = { excludes: [join(folder, 'a/7/out'), '//?*.tmp'] }
  const op = anOperation(t.name)
  const store = new MemoryStore()
  await aPool(op, { store })
  await backUpPaths(op, store, roots, settings)
  writeFiles(folder, { 'a/7/out/no2': '', 'a/7/out/in/yes2': '1', 'a/31/new.tmp': '', 'a/31/new.txt': '', 'a/12/folder.tmp/x': '' })
  const { point, filesNew, filesUnmodified } = await backUpPaths(op, store, roots, settings)
  assert.deepEqual([filesNew, filesUnmodified], [3, 2002])
  const { tree } = await openPoint(op, await Repository.open(op, store, KEY_FILE), point)
  const names: string[] = []
  for await (const { path } of tree.entries(op)) names.push(`/${path.toString()}`.slice(folder.length))
  const first = await choose(t, folder, roots, settings)
  assert.deepEqual(
    names.filter((name) => name.startsWith('/a')),
    first.paths.map((path) => `/${path.replace(/[()]/g, '')}`),
  )
})

test('§3.3: a volume that is mounted in a root is taken when it is one itself, and else it is not', { skip: needsRoot }, async (t) => {
  const folder = aSourceTree(t, { 'a/one': '1', 'a/mnt/hidden': '2', 'a/z': '3' })
  const mount = join(folder, 'a/mnt')
  execFileSync('mount', ['-t', 'tmpfs', 'none', mount])
  try {
    writeFiles(mount, { 'x/two': '2' })
    const settings = { oneFileSystem: true }
    assert.deepEqual((await choose(t, folder, [join(folder, 'a')], settings)).paths, ['a', 'a/mnt', 'a/one', 'a/z'])
    const { paths } = await choose(t, folder, [join(folder, 'a'), mount], settings)
    assert.deepEqual(paths, ['a', 'a/mnt', 'a/mnt/x', 'a/mnt/x/two', 'a/one', 'a/z'])
  } finally {
    execFileSync('umount', [mount])
  }
})

test('what was chosen behind another file system that is not entered comes too, and nothing else of that', {
  skip: needsRoot,
}, async (t) => {
  const folder = aSourceTree(t, { 'a/one': '1', 'a/mnt/.keep': '' })
  const mount = join(folder, 'a/mnt')
  execFileSync('mount', ['-t', 'tmpfs', 'none', mount])
  try {
    writeFiles(mount, { 'x/y/two': '2', 'x/three': '3' })
    const { paths } = await choose(t, folder, [join(folder, 'a'), join(mount, 'x/y')], { oneFileSystem: true })
    assert.deepEqual(paths, ['a', 'a/mnt', '(a/mnt/x)', 'a/mnt/x/y', 'a/mnt/x/y/two', 'a/one'])
  } finally {
    execFileSync('umount', [mount])
  }
})

test('what was chosen in a folder with a cache tag comes too, and nothing else of that but the tag', async (t) => {
  const tag = 'Signature: 8a477f597d28d172789f06886806bc55\n# x'
  const folder = aSourceTree(t, { 'a/CACHEDIR.TAG': tag, 'a/x/kept/two': '2', 'a/x/three': '3', 'a/z': '4' })
  const { paths } = await choose(t, folder, [folder, join(folder, 'a/x/kept')], { excludeCaches: true })
  assert.deepEqual(paths, ['a', 'a/CACHEDIR.TAG', '(a/x)', 'a/x/kept', 'a/x/kept/two'])
})

test('what was chosen behind a link that lies in another root is not read, and that is told', async (t) => {
  const folder = aSourceTree(t, { ...FILES, 'elsewhere/sub/five': '5' })
  symlinkSync('../elsewhere', join(folder, 'a/link'))
  const { paths, warnings } = await choose(t, folder, [join(folder, 'a'), join(folder, 'a/link/sub')])
  assert.deepEqual(paths, ['a', 'a/deep', 'a/deep/two', 'a/link', 'a/one'])
  assert.deepEqual(warnings, ['SOURCE_IS_LINK'])
})
