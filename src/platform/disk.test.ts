import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { lstatSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { temporaryFolder } from '../../test/support/temporary-folder.ts'
import { systemDisk } from './disk.ts'

const disk = systemDisk()

test('folders and files are made for their owner only', async (t) => {
  const root = temporaryFolder(t)
  await disk.makeFolder(`${root}/a`)
  await disk.makeFolder(`${root}/a`)
  await assert.rejects(disk.makeFolder(`${root}/b/c`), { code: 'ENOENT' })
  const file = await disk.createFile(`${root}/a/file`)
  await file.write(Buffer.from('one '))
  await file.write(Buffer.from('two'))
  await file.sync()
  await file.close()
  await disk.syncFolder(`${root}/a`)
  assert.equal((await disk.read(`${root}/a/file`)).toString(), 'one two')
  assert.equal(lstatSync(`${root}/a`).mode & 0o777, 0o700)
  assert.equal(lstatSync(`${root}/a/file`).mode & 0o777, 0o600)
  await assert.rejects(disk.createFile(`${root}/a/file`), { code: 'EEXIST' })
  await assert.rejects(disk.makeFolder(`${root}/a/file`), { code: 'EEXIST' })
})

test('a range that reaches past the end gives what there is', async (t) => {
  const path = `${temporaryFolder(t)}/file`
  writeFileSync(path, '0123456789')
  assert.equal((await disk.read(path, { offset: 2, length: 3 })).toString(), '234')
  assert.equal((await disk.read(path, { offset: 8, length: 1e12 })).toString(), '89')
  assert.equal((await disk.read(path, { offset: 20, length: 5 })).length, 0)
  assert.equal(await disk.size(path), 10)
  assert.equal(await disk.size(`${path}-none`), undefined)
  assert.ok((await disk.freeBytes(path)) > 0)
})

test('entries are named and folders told apart, also behind a link', async (t) => {
  const root = temporaryFolder(t)
  mkdirSync(`${root}/folder`)
  writeFileSync(`${root}/file`, '')
  symlinkSync('folder', `${root}/link`)
  symlinkSync('nowhere', `${root}/dangling`)
  assert.deepEqual(
    (await disk.readFolder(root)).sort((a, b) => (a.name < b.name ? -1 : 1)),
    [
      { name: 'dangling', isFolder: false },
      { name: 'file', isFolder: false },
      { name: 'folder', isFolder: true },
      { name: 'link', isFolder: true },
    ],
  )
})

test('a link never replaces, a rename does', async (t) => {
  const root = temporaryFolder(t)
  writeFileSync(`${root}/a`, 'a')
  writeFileSync(`${root}/b`, 'b')
  await assert.rejects(disk.link(`${root}/a`, `${root}/b`), { code: 'EEXIST' })
  await disk.rename(`${root}/a`, `${root}/b`)
  assert.equal((await disk.read(`${root}/b`)).toString(), 'a')
  await disk.unlink(`${root}/b`)
  await assert.rejects(disk.unlink(`${root}/b`), { code: 'ENOENT' })
})

test('a lock excludes others and ends with its release', async (t) => {
  const path = `${temporaryFolder(t)}/LOCK`
  const lock = await disk.lock(path)
  assert.ok(lock)
  assert.equal(await disk.lock(path), undefined)
  await lock.release()
  const again = await disk.lock(path)
  assert.ok(again)
  await again.release()
})

test('the lock of a process that was killed is free', async (t) => {
  const path = `${temporaryFolder(t)}/LOCK`
  const script = `const { systemDisk } = await import(${JSON.stringify(new URL('./disk.ts', import.meta.url).href)})
    const lock = await systemDisk().lock(${JSON.stringify(path)})
    process.stdout.write(lock ? 'held' : 'refused')
    setInterval(() => lock, 1000)`
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', script])
  t.after(() => child.kill('SIGKILL'))
  const [said] = await once(child.stdout, 'data')
  assert.equal(String(said), 'held')
  assert.equal(await disk.lock(path), undefined)
  child.kill('SIGKILL')
  await once(child, 'exit')
  const lock = await disk.lock(path)
  assert.ok(lock)
  await lock.release()
})
