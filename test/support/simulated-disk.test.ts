import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crashStates } from './crash-states.ts'
import { type ContentFate, type CrashChoice, SimulatedDisk } from './simulated-disk.ts'

function fate(keeps: boolean, content: ContentFate): CrashChoice {
  return { keepChange: () => keeps, content: () => content, tornShare: () => 0.5 }
}

async function write(disk: SimulatedDisk, path: string, text: string, options: { readonly sync: boolean }): Promise<void> {
  const file = await disk.createFile(path)
  await file.write(Buffer.from(text))
  if (options.sync) await file.sync()
  await file.close()
}

async function read(disk: SimulatedDisk, path: string): Promise<string | undefined> {
  return disk.read(path).then(
    (bytes) => bytes.toString('latin1'),
    () => undefined,
  )
}

test('what was synced survives every crash', async () => {
  const disk = new SimulatedDisk()
  await disk.makeFolder('/a')
  await disk.syncFolder('/')
  await write(disk, '/a/file', 'synced', { sync: true })
  await disk.syncFolder('/a')
  for (const state of crashStates(disk, 50, 'survives')) assert.equal(await read(state.disk, '/a/file'), 'synced', state.description)
})

test('a file whose folder was not synced is there or not', async () => {
  const disk = new SimulatedDisk()
  await write(disk, '/file', 'synced', { sync: true })
  assert.equal(await read(disk.crash(fate(false, 'whole')), '/file'), undefined)
  assert.equal(await read(disk.crash(fate(true, 'lost')), '/file'), 'synced')
})

test('unsynced content is lost, torn, zeros or whole, after what was synced', async () => {
  const disk = new SimulatedDisk()
  const file = await disk.createFile('/file')
  await disk.syncFolder('/')
  await file.write(Buffer.from('ab'))
  await file.sync()
  await file.write(Buffer.from('cdef'))
  const after = (content: ContentFate) => read(disk.crash(fate(false, content)), '/file')
  assert.equal(await after('lost'), 'ab')
  assert.equal(await after('torn'), 'abcd')
  assert.equal(await after('zeros'), 'ab\0\0\0\0')
  assert.equal(await after('whole'), 'abcdef')
})

test('a folder that was not synced into its parent takes everything with it', async () => {
  const disk = new SimulatedDisk()
  await disk.makeFolder('/a')
  await write(disk, '/a/file', 'x', { sync: true })
  await disk.syncFolder('/a')
  assert.equal(await read(disk.crash(fate(false, 'whole')), '/a/file'), undefined)
})

test('changes are lost one by one: a link without its unlink, an unlink without its link', async () => {
  const disk = new SimulatedDisk()
  await write(disk, '/old', 'x', { sync: true })
  await disk.syncFolder('/')
  await disk.link('/old', '/new')
  await disk.unlink('/old')
  const seen = new Set<string>()
  for (const state of crashStates(disk, 40, 'one by one')) {
    seen.add(
      (await state.disk.readFolder('/'))
        .map((e) => e.name)
        .sort()
        .join(),
    )
  }
  assert.deepEqual([...seen].sort(), ['', 'new', 'new,old', 'old'])
})

test('a rename is whole or has not happened', async () => {
  const disk = new SimulatedDisk()
  await write(disk, '/a', 'x', { sync: true })
  await disk.makeFolder('/f')
  await disk.syncFolder('/')
  await disk.rename('/a', '/f/b')
  for (const state of crashStates(disk, 20, 'rename')) {
    assert.notEqual((await read(state.disk, '/a')) === undefined, (await read(state.disk, '/f/b')) === undefined)
  }
  await disk.syncFolder('/f')
  assert.equal(await read(disk.crash(fate(false, 'lost')), '/f/b'), 'x')
})

test('the names of one file share its fate', async () => {
  const disk = new SimulatedDisk()
  await write(disk, '/a', 'content', { sync: false })
  await disk.link('/a', '/b')
  await disk.syncFolder('/')
  for (const state of crashStates(disk, 30, 'hard link')) assert.equal(await read(state.disk, '/a'), await read(state.disk, '/b'))
})

test('an operation fails where it is told to, and does nothing', async () => {
  const disk = new SimulatedDisk()
  const seen: string[] = []
  disk.onOperation((n, description) => seen.push(`${n} ${description}`))
  disk.failAt(2, 'ENOSPC')
  await disk.makeFolder('/a')
  await assert.rejects(disk.createFile('/a/x'), { code: 'ENOSPC' })
  assert.deepEqual(await disk.readFolder('/a'), [])
  await disk.createFile('/a/x')
  assert.deepEqual(seen, ['1 makeFolder /a', '2 createFile /a/x', '3 createFile /a/x'])
  assert.equal(disk.operations, 3)
})

test('a sync that succeeds after one that failed has saved nothing', async () => {
  const disk = new SimulatedDisk()
  const file = await disk.createFile('/file')
  await disk.syncFolder('/')
  await file.write(Buffer.from('gone'))
  disk.failAt(disk.operations + 1, 'EIO')
  await assert.rejects(file.sync(), { code: 'EIO' })
  await file.sync()
  assert.equal(await read(disk.crash(fate(true, 'lost')), '/file'), '')
})

test('a crash releases locks and leaves the disk that crashed as it was', async () => {
  const disk = new SimulatedDisk()
  assert.ok(await disk.lock('/LOCK'))
  assert.equal(await disk.lock('/LOCK'), undefined)
  const after = disk.crash(fate(true, 'whole'))
  assert.ok(await after.lock('/LOCK'))
  await write(after, '/other', 'x', { sync: true })
  assert.equal(await read(disk, '/other'), undefined)
})

test('errors are those of a file system', async () => {
  const disk = new SimulatedDisk()
  await disk.makeFolder('/a')
  await disk.makeFolder('/a')
  await write(disk, '/a/x', '', { sync: false })
  await assert.rejects(disk.createFile('/a/x'), { code: 'EEXIST' })
  await assert.rejects(disk.createFile('/b/x'), { code: 'ENOENT' })
  await assert.rejects(disk.makeFolder('/a/x'), { code: 'EEXIST' })
  await assert.rejects(disk.makeFolder('/b/c'), { code: 'ENOENT' })
  await assert.rejects(disk.link('/a/x', '/a/x'), { code: 'EEXIST' })
  await assert.rejects(disk.unlink('/a/y'), { code: 'ENOENT' })
  await assert.rejects(disk.read('/a'), { code: 'EISDIR' })
  await assert.rejects(disk.readFolder('/a/x'), { code: 'ENOTDIR' })
  assert.equal(await disk.size('/a/x'), 0)
  assert.equal(await disk.size('/a'), undefined)
})
