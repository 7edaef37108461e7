import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { lstatSync } from 'node:fs'
import { test } from 'node:test'
import { needsRoot, temporaryFolder } from '../../test/support/temporary-folder.ts'
import { systemAccounts } from './accounts.ts'
import { close, openat, openPath } from './handles.ts'
import { FS_IMMUTABLE_FL, FS_NOATIME_FL, FS_NODUMP_FL, FS_RESTORABLE_FLAGS, getInodeFlags, setInodeFlags } from './inode-flags.ts'
import { chmodAt, chmodFd, chownAt, chownFd, effectiveUserId, setTimesAt, setTimesFd, statAt, statFd } from './metadata.ts'
import { makeFolderAt, makeNodeAt, symlinkAt, unlinkAt } from './names.ts'
import { O_CREAT, O_DIRECTORY, O_RDONLY, O_RDWR, S_IFIFO } from './posix.ts'

const FOLDER = O_RDONLY | O_DIRECTORY

test('what is seen equals what Node sees', (t) => {
  const path = temporaryFolder(t)
  const folder = openPath(path, FOLDER)
  close(openat(folder, 'file', O_CREAT | O_RDWR, 0o640))
  const [ours, node] = [statAt(folder, 'file'), lstatSync(`${path}/file`, { bigint: true })]
  assert.equal(ours.kind, 'file')
  assert.equal(BigInt(ours.ino), node.ino)
  assert.equal(ours.mode, Number(node.mode) & 0o7777)
  assert.equal(BigInt(ours.mtimeSec) * 1_000_000_000n + BigInt(ours.mtimeNs), node.mtimeNs)
  assert.equal(BigInt(ours.ctimeSec) * 1_000_000_000n + BigInt(ours.ctimeNs), node.ctimeNs)
  assert.equal(BigInt(ours.bornSec ?? 0) * 1_000_000_000n + BigInt(ours.bornNs), node.birthtimeNs)
  // Node joins major and minor as makedev(3) does.
  const [major, minor] = [Math.floor(ours.dev / 0x100000), ours.dev % 0x100000]
  assert.equal(((minor & 0xff) | ((major & 0xfff) << 8) | ((minor & 0xfff00) << 12)) >>> 0, Number(node.dev))
  assert.equal(statFd(folder).kind, 'folder')
  assert.equal(statAt(folder, 'file').mountId, statFd(folder).mountId)
  close(folder)
})

test('modification times keep their nanoseconds, also before 1970 and after 2038', (t) => {
  const folder = openPath(temporaryFolder(t), FOLDER)
  const fd = openat(folder, 'file', O_CREAT | O_RDWR, 0o600)
  for (const [sec, ns] of [
    [1_700_000_000, 123_456_789],
    [-12_345, 999_999_999],
    [4_500_000_000, 1],
    [0, 0],
  ] as const) {
    setTimesAt(folder, 'file', sec, ns)
    assert.deepEqual([statFd(fd).mtimeSec, statFd(fd).mtimeNs], [sec, ns])
    setTimesFd(fd, 5, 6)
    assert.deepEqual([statFd(fd).mtimeSec, statFd(fd).mtimeNs], [5, 6])
  }
  close(fd)
  close(folder)
})

test('times are set on a symbolic link itself', (t) => {
  const folder = openPath(temporaryFolder(t), FOLDER)
  close(openat(folder, 'file', O_CREAT | O_RDWR, 0o600))
  symlinkAt('file', folder, 'link')
  setTimesAt(folder, 'link', 1000, 7)
  assert.equal(statAt(folder, 'link').mtimeSec, 1000)
  assert.notEqual(statAt(folder, 'file').mtimeSec, 1000)
  close(folder)
})

test('all twelve mode bits are set, on files, folders and FIFOs, never through a link', (t) => {
  const folder = openPath(temporaryFolder(t), FOLDER)
  const fd = openat(folder, 'file', O_CREAT | O_RDWR, 0o600)
  chmodFd(fd, 0o4755)
  assert.equal(statFd(fd).mode, 0o4755)
  makeFolderAt(folder, 'sub', 0o700)
  chmodAt(folder, 'sub', 0o1777)
  assert.equal(statAt(folder, 'sub').mode, 0o1777)
  makeNodeAt(folder, 'fifo', S_IFIFO | 0o600)
  chmodAt(folder, 'fifo', 0o622)
  assert.equal(statAt(folder, 'fifo').mode, 0o622)
  symlinkAt('file', folder, 'link')
  assert.throws(() => chmodAt(folder, 'link', 0o777), { code: 'ENOTSUP' })
  assert.equal(statFd(fd).mode, 0o4755)
  close(fd)
  close(folder)
})

test('owners are set by descriptor and by name, also of a link', { skip: needsRoot }, (t) => {
  const folder = openPath(temporaryFolder(t), FOLDER)
  const fd = openat(folder, 'file', O_CREAT | O_RDWR, 0o600)
  chownFd(fd, 12, 4_000_000_000)
  assert.deepEqual([statFd(fd).uid, statFd(fd).gid], [12, 4_000_000_000])
  symlinkAt('file', folder, 'link')
  chownAt(folder, 'link', 3, 4)
  assert.deepEqual([statAt(folder, 'link').uid, statAt(folder, 'link').gid], [3, 4])
  assert.equal(statFd(fd).uid, 12)
  close(fd)
  close(folder)
})

test('inode flags are changed without touching those of the file system', { skip: needsRoot }, (t) => {
  const folder = openPath(temporaryFolder(t), FOLDER)
  const fd = openat(folder, 'file', O_CREAT | O_RDWR, 0o600)
  const before = getInodeFlags(fd)
  if (before === undefined) return t.skip('this file system has no inode flags')
  setInodeFlags(fd, FS_NODUMP_FL | FS_NOATIME_FL | FS_IMMUTABLE_FL)
  assert.equal(getInodeFlags(fd), before | FS_NODUMP_FL | FS_NOATIME_FL | FS_IMMUTABLE_FL)
  assert.throws(() => unlinkAt(folder, 'file'), { code: 'EPERM' })
  setInodeFlags(fd, 0)
  assert.equal(getInodeFlags(fd), before & ~FS_RESTORABLE_FLAGS)
  close(fd)
  close(folder)
})

test('where there are no inode flags, that is no error', (t) => {
  const fd = openPath('/proc/self/status', O_RDONLY)
  t.after(() => close(fd))
  assert.equal(getInodeFlags(fd), undefined)
  assert.equal(setInodeFlags(fd, FS_NODUMP_FL), undefined)
})

test('accounts are found by number and by name', () => {
  const accounts = systemAccounts()
  assert.equal(accounts.userName(0), 'root')
  assert.equal(accounts.userId('root'), 0)
  assert.equal(accounts.groupName(0), 'root')
  assert.equal(accounts.groupId('root'), 0)
  assert.equal(accounts.userName(3_999_999_999), undefined)
  assert.equal(accounts.userName(3_999_999_999), undefined)
  assert.equal(accounts.userId('nobody-has-this-name'), undefined)
  assert.equal(accounts.groupId('nobody-has-this-name'), undefined)
  const daemon = Number(execFileSync('id', ['-u', 'daemon']).toString())
  assert.equal(accounts.userId('daemon'), daemon)
  assert.equal(accounts.userName(daemon), 'daemon')
  assert.equal(effectiveUserId(), process.geteuid?.())
})
