import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { temporaryFolder } from '../../test/support/temporary-folder.ts'
import {
  allocateFd,
  close,
  openat,
  openPath,
  read,
  readFully,
  seekData,
  seekHole,
  syncFd,
  syncFileSystem,
  truncateFd,
  tryLock,
  writeFully,
} from './handles.ts'
import { statFd } from './metadata.ts'
import { AT_FDCWD, O_CREAT, O_DIRECTORY, O_PATH, O_RDONLY, O_RDWR } from './posix.ts'

const MIB = 1 << 20

test('a sparse file shows where its data is', (t) => {
  const fd = openPath(`${temporaryFolder(t)}/sparse`, O_CREAT | O_RDWR, 0o600)
  truncateFd(fd, 8 * MIB)
  assert.equal(seekData(fd, 0), undefined)
  writeFully(fd, Buffer.alloc(4096, 1), 0, 4096, 4 * MIB)
  assert.equal(seekData(fd, 0), 4 * MIB)
  assert.equal(seekHole(fd, 4 * MIB), 4 * MIB + 4096)
  assert.equal(seekHole(fd, 0), 0)
  assert.equal(seekData(fd, 5 * MIB), undefined)
  assert.equal(seekHole(fd, 9 * MIB), undefined)
  assert.ok(statFd(fd).blocks512 * 512 < MIB)
  close(fd)
})

test('offsets beyond 4 GiB are exact', (t) => {
  const fd = openPath(`${temporaryFolder(t)}/far`, O_CREAT | O_RDWR, 0o600)
  const far = 5 * 1024 ** 3 + 12288
  writeFully(fd, Buffer.from('here'), 0, 4, far)
  assert.equal(statFd(fd).sizeBytes, far + 4)
  assert.equal(seekData(fd, 0), far)
  const buffer = Buffer.alloc(4)
  assert.equal(readFully(fd, buffer, 0, 4, far), 4)
  assert.equal(buffer.toString(), 'here')
  close(fd)
})

test('reading stops at the end and says how much came', (t) => {
  const fd = openPath(`${temporaryFolder(t)}/file`, O_CREAT | O_RDWR, 0o600)
  writeFully(fd, Buffer.from('0123456789'), 2, 8, null)
  const buffer = Buffer.alloc(100)
  assert.equal(readFully(fd, buffer, 0, 100, 0), 8)
  assert.equal(readFully(fd, buffer, 0, 3, 6), 2)
  assert.equal(read(fd, buffer, 0, 10, 8), 0)
  assert.equal(buffer.toString('latin1', 0, 2), '89')
  assert.throws(() => read(99999, buffer, 0, 1, 0), { name: 'PosixError', code: 'EBADF', syscall: 'read' })
  close(fd)
})

test('room is reserved without content', (t) => {
  const fd = openPath(`${temporaryFolder(t)}/file`, O_CREAT | O_RDWR, 0o600)
  if (allocateFd(fd, 0, MIB)) assert.equal(statFd(fd).sizeBytes, MIB)
  syncFd(fd)
  syncFileSystem(fd)
  close(fd)
})

test('a descriptor that is only a place cannot be synced or read', (t) => {
  const fd = openPath(temporaryFolder(t), O_PATH | O_DIRECTORY)
  assert.throws(() => syncFd(fd), { code: 'EBADF', syscall: 'fsync' })
  close(fd)
  assert.throws(() => close(fd), { code: 'EBADF', syscall: 'close' })
})

test('a lock excludes a second handle until the first is closed', (t) => {
  const path = `${temporaryFolder(t)}/LOCK`
  const first = openat(AT_FDCWD, path, O_CREAT | O_RDWR, 0o600)
  const second = openat(AT_FDCWD, path, O_RDWR)
  assert.equal(tryLock(first), true)
  assert.equal(tryLock(first), true, 'the holder may ask again')
  assert.equal(tryLock(second), false)
  close(first)
  assert.equal(tryLock(second), true)
  close(second)
})

test('a descriptor opened here is used by a worker thread, and the other way round', async (t) => {
  const folder = openPath(temporaryFolder(t), O_RDONLY | O_DIRECTORY)
  const worker = new Worker(
    `import { parentPort, workerData } from 'node:worker_threads'
     const posix = await import(workerData.module)
     const fd = posix.openat(workerData.folder, 'made-in-worker', posix.O_CREAT | posix.O_RDWR, 0o600)
     posix.writeFully(fd, Buffer.from('hello'), 0, 5, 0)
     for (let n = 0; n < 2000; n++) posix.statAt(workerData.folder, 'made-in-worker')
     let code
     try { posix.statAt(workerData.folder, 'none') } catch (error) { code = error.code }
     parentPort.postMessage({ fd, code })`,
    { eval: true, workerData: { folder, module: new URL('./index.ts', import.meta.url).href } },
  )
  const answer = new Promise<{ fd: number; code: string }>((resolve, reject) => worker.once('message', resolve).once('error', reject))
  const { fd, code } = await answer
  assert.equal(code, 'ENOENT')
  await worker.terminate()
  const buffer = Buffer.alloc(5)
  assert.equal(readFully(fd, buffer, 0, 5, 0), 5)
  assert.equal(buffer.toString(), 'hello')
  close(fd)
  close(folder)
})
