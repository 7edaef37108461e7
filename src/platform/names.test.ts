import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { needsRoot, temporaryFolder } from '../../test/support/temporary-folder.ts'
import { close, openat, openPath, readFully, tryOpenat, writeFully } from './handles.ts'
import { findStatAt, statAt, statFd } from './metadata.ts'
import {
  linkAt,
  linkFd,
  makeFolderAt,
  makeNodeAt,
  readFolder,
  readLinkAt,
  realPath,
  renameAt,
  symlinkAt,
  tryUnlinkAt,
  unlinkAt,
} from './names.ts'
import {
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOFOLLOW,
  O_PATH,
  O_RDONLY,
  O_RDWR,
  O_TMPFILE,
  O_WRONLY,
  PosixError,
  S_IFBLK,
  S_IFCHR,
  S_IFIFO,
} from './posix.ts'

const FOLDER = O_RDONLY | O_DIRECTORY

test('names are bytes: a line feed and what is no UTF-8 come back as they were', (t) => {
  const folder = openPath(temporaryFolder(t), FOLDER)
  const names = [Buffer.from('line\nfeed'), Buffer.from([0xff, 0xfe, 0x80]), Buffer.from('..hidden'), Buffer.alloc(255, 0x78)]
  for (const name of names) close(openat(folder, name, O_CREAT | O_EXCL | O_WRONLY, 0o600))
  makeFolderAt(folder, 'folder', 0o700)
  const found = readFolder(folder)
  assert.deepEqual(
    found.map((e) => `${e.name.toString('hex')} ${e.kind}`).sort(),
    [...names.map((n) => `${n.toString('hex')} file`), `${Buffer.from('folder').toString('hex')} folder`].sort(),
  )
  assert.equal(readFolder(folder).length, 5, 'a second reading starts anew')
  close(folder)
})

test('a folder of many entries is read whole', (t) => {
  const path = temporaryFolder(t)
  const folder = openPath(path, FOLDER)
  for (let n = 0; n < 9000; n++) close(openat(folder, `a-rather-long-name-of-entry-${n}`, O_CREAT | O_WRONLY, 0o600))
  assert.equal(new Set(readFolder(folder).map((e) => e.name.toString())).size, 9000)
  close(folder)
})

test('a name with a NUL inside, and one that is too long, are refused', (t) => {
  const folder = openPath(temporaryFolder(t), FOLDER)
  writeFileSync(`/proc/self/fd/${folder}/a`, '')
  assert.throws(() => unlinkAt(folder, Buffer.from('a\0b')), { name: 'PosixError', code: 'EINVAL' })
  assert.equal(statAt(folder, 'a').kind, 'file')
  assert.throws(() => statAt(folder, Buffer.alloc(256, 0x78)), { code: 'ENAMETOOLONG', syscall: 'statx', message: 'statx: ENAMETOOLONG' })
  assert.throws(() => statAt(folder, Buffer.alloc(5000, 0x78)), { code: 'ENAMETOOLONG' })
  close(folder)
})

test('folders nested deeper than any path can say are reached through their parents', (t) => {
  const root = temporaryFolder(t)
  const name = Buffer.alloc(200, 0x6e)
  let at = openPath(root, FOLDER)
  for (let depth = 0; depth < 45; depth++) {
    makeFolderAt(at, name, 0o700)
    const next = openat(at, name, FOLDER | O_NOFOLLOW)
    close(at)
    at = next
  }
  close(openat(at, 'leaf', O_CREAT | O_WRONLY, 0o600))
  const path = Buffer.concat([
    Buffer.from(root),
    ...Array.from({ length: 45 }, () => Buffer.concat([Buffer.from('/'), name])),
    Buffer.from('/leaf'),
  ])
  assert.ok(path.length > 9000)
  const leaf = openPath(path, O_RDONLY)
  assert.equal(statFd(leaf).ino, statAt(at, 'leaf').ino)
  close(leaf)
  close(at)
})

test('symbolic links are read and never followed', (t) => {
  const folder = openPath(temporaryFolder(t), FOLDER)
  const target = Buffer.from([0x2f, 0xff, 0x0a])
  symlinkAt(target, folder, 'link')
  assert.deepEqual(readLinkAt(folder, 'link'), target)
  assert.equal(statAt(folder, 'link').kind, 'symlink')
  assert.throws(() => openat(folder, 'link', O_RDONLY | O_NOFOLLOW), { code: 'ELOOP' })
  assert.throws(() => statAt(folder, 'link', { follow: true }), { code: 'ENOENT' })
  const fd = openat(folder, 'link', O_PATH | O_NOFOLLOW)
  assert.deepEqual(readLinkAt(fd, ''), target)
  close(fd)
  close(folder)
})

test('what does not exist is undefined for the finding calls and an error for the others', (t) => {
  const folder = openPath(temporaryFolder(t), FOLDER)
  assert.equal(findStatAt(folder, 'x'), undefined)
  assert.equal(tryOpenat(folder, 'x', O_RDONLY), undefined)
  assert.equal(tryUnlinkAt(folder, 'x'), false)
  assert.throws(
    () => openat(folder, 'x', O_RDONLY),
    (e) => e instanceof PosixError && e.code === 'ENOENT' && e.errno === 2 && e.message === 'openat: ENOENT',
  )
  close(openat(folder, 'file', O_CREAT | O_WRONLY, 0o600))
  assert.throws(() => findStatAt(folder, 'file/x'), { code: 'ENOTDIR' })
  close(folder)
})

test('a hard link shows the same inode under both names', (t) => {
  const folder = openPath(temporaryFolder(t), FOLDER)
  close(openat(folder, 'a', O_CREAT | O_WRONLY, 0o600))
  linkAt(folder, 'a', folder, 'b')
  const [a, b] = [statAt(folder, 'a'), statAt(folder, 'b')]
  assert.equal(a.links, 2)
  assert.deepEqual([a.dev, a.ino], [b.dev, b.ino])
  assert.throws(() => linkAt(folder, 'a', folder, 'b'), { code: 'EEXIST' })
  close(folder)
})

test('a nameless file appears under its name whole', (t) => {
  const folder = openPath(temporaryFolder(t), FOLDER)
  const fd = openat(folder, '.', O_TMPFILE | O_RDWR, 0o600)
  writeFully(fd, Buffer.from('content'), 0, 7, 0)
  assert.deepEqual(readFolder(folder), [])
  linkFd(fd, folder, 'named')
  assert.throws(() => linkFd(fd, folder, 'named'), { code: 'EEXIST' })
  close(fd)
  const again = openat(folder, 'named', O_RDONLY)
  const buffer = Buffer.alloc(20)
  assert.equal(readFully(again, buffer, 3, 17, 0), 7)
  assert.equal(buffer.toString('latin1', 3, 10), 'content')
  close(again)
  close(folder)
})

test('a rename replaces unless it must not', (t) => {
  const folder = openPath(temporaryFolder(t), FOLDER)
  for (const name of ['a', 'b']) close(openat(folder, name, O_CREAT | O_WRONLY, 0o600))
  assert.throws(() => renameAt(folder, 'a', folder, 'b', { noReplace: true }), { code: 'EEXIST' })
  renameAt(folder, 'a', folder, 'c', { noReplace: true })
  renameAt(folder, 'c', folder, 'b')
  assert.deepEqual(
    readFolder(folder).map((e) => e.name.toString()),
    ['b'],
  )
  close(folder)
})

test('folders are removed as folders, files as files', (t) => {
  const folder = openPath(temporaryFolder(t), FOLDER)
  makeFolderAt(folder, 'sub', 0o700)
  assert.throws(() => unlinkAt(folder, 'sub'), { code: 'EISDIR' })
  unlinkAt(folder, 'sub', { folder: true })
  assert.equal(findStatAt(folder, 'sub'), undefined)
  close(folder)
})

test('a FIFO is made and looked at without being opened', (t) => {
  const folder = openPath(temporaryFolder(t), FOLDER)
  makeNodeAt(folder, 'fifo', S_IFIFO | 0o640)
  assert.equal(statAt(folder, 'fifo').kind, 'fifo')
  assert.equal(readFolder(folder)[0]?.kind, 'fifo')
  close(folder)
})

test('devices keep major and minor, also large ones', { skip: needsRoot }, (t) => {
  const folder = openPath(temporaryFolder(t), FOLDER)
  makeNodeAt(folder, 'null', S_IFCHR | 0o600, 1, 3)
  makeNodeAt(folder, 'far', S_IFBLK | 0o600, 4095, 0xfffff)
  const [character, block] = [statAt(folder, 'null'), statAt(folder, 'far')]
  assert.deepEqual([character.kind, character.rdevMajor, character.rdevMinor], ['character-device', 1, 3])
  assert.deepEqual([block.kind, block.rdevMajor, block.rdevMinor], ['block-device', 4095, 0xfffff])
  close(folder)
})

test('a path is resolved to the one without links', (t) => {
  const path = realPath(temporaryFolder(t)).toString()
  const folder = openPath(path, FOLDER)
  makeFolderAt(folder, 'real', 0o700)
  symlinkAt('real', folder, 'link')
  assert.equal(realPath(`${path}/./link/../link`).toString(), `${path}/real`)
  assert.throws(() => realPath(`${path}/none`), { code: 'ENOENT' })
  close(folder)
})
