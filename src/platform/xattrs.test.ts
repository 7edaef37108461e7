import assert from 'node:assert/strict'
import { test } from 'node:test'
import { needsRoot, temporaryFolder } from '../../test/support/temporary-folder.ts'
import { close, openat, openPath } from './handles.ts'
import { statFd } from './metadata.ts'
import { makeNodeAt, symlinkAt } from './names.ts'
import { O_CREAT, O_DIRECTORY, O_RDONLY, O_RDWR, S_IFIFO } from './posix.ts'
import { getXattrFd, listXattrsAt, listXattrsFd, removeXattrAt, removeXattrFd, setXattrAt, setXattrFd } from './xattrs.ts'

const FOLDER = O_RDONLY | O_DIRECTORY

function plain(list: ReturnType<typeof listXattrsFd>): string[] {
  return list.map((x) => `${x.name.toString('latin1')}=${x.value.toString('latin1')}`)
}

test('attributes come back sorted by name, the same by descriptor and by name', (t) => {
  const folder = openPath(temporaryFolder(t), FOLDER)
  const fd = openat(folder, Buffer.from([0xff, 0x0a]), O_CREAT | O_RDWR, 0o600)
  assert.deepEqual(listXattrsFd(fd), [])
  setXattrFd(fd, 'user.z', Buffer.from('last'))
  setXattrAt(folder, Buffer.from([0xff, 0x0a]), 'user.empty', Buffer.alloc(0))
  setXattrFd(fd, 'user.a', Buffer.from([0, 0xff]))
  const wanted = ['user.a=\0\xff', 'user.empty=', 'user.z=last']
  assert.deepEqual(plain(listXattrsFd(fd)), wanted)
  assert.deepEqual(plain(listXattrsAt(folder, Buffer.from([0xff, 0x0a]))), wanted)
  removeXattrFd(fd, 'user.z')
  removeXattrAt(folder, Buffer.from([0xff, 0x0a]), 'user.empty')
  assert.deepEqual(plain(listXattrsFd(fd)), ['user.a=\0\xff'])
  assert.equal(getXattrFd(fd, 'user.none'), undefined)
  assert.throws(() => removeXattrFd(fd, 'user.none'), { code: 'ENODATA' })
  close(fd)
  close(folder)
})

test('a value of some kilobytes comes back whole', (t) => {
  const fd = openPath(`${temporaryFolder(t)}/file`, O_CREAT | O_RDWR, 0o600)
  const value = Buffer.alloc(3000, 0xa5)
  setXattrFd(fd, 'user.large', value)
  assert.deepEqual(getXattrFd(fd, 'user.large'), value)
  close(fd)
})

test('trusted attributes of a symbolic link and of a FIFO are reached without following or opening', { skip: needsRoot }, (t) => {
  const folder = openPath(temporaryFolder(t), FOLDER)
  close(openat(folder, 'file', O_CREAT | O_RDWR, 0o600))
  symlinkAt('file', folder, 'link')
  makeNodeAt(folder, 'fifo', S_IFIFO | 0o600)
  setXattrAt(folder, 'link', 'trusted.terp', Buffer.from('of the link'))
  setXattrAt(folder, 'fifo', 'trusted.terp', Buffer.from('of the fifo'))
  assert.deepEqual(plain(listXattrsAt(folder, 'link')), ['trusted.terp=of the link'])
  assert.deepEqual(plain(listXattrsAt(folder, 'fifo')), ['trusted.terp=of the fifo'])
  assert.deepEqual(listXattrsAt(folder, 'file'), [])
  close(folder)
})

test('file capabilities go round as the bytes of security.capability', { skip: needsRoot }, (t) => {
  const fd = openPath(`${temporaryFolder(t)}/file`, O_CREAT | O_RDWR, 0o700)
  // Version 2, effective; CAP_NET_BIND_SERVICE permitted.
  const capability = Buffer.from('0100000200040000000000000000000000000000', 'hex')
  setXattrFd(fd, 'security.capability', capability)
  assert.deepEqual(getXattrFd(fd, 'security.capability'), capability)
  close(fd)
})

test('an access list goes round as the bytes of system.posix_acl_access and shows in the mode', (t) => {
  const fd = openPath(`${temporaryFolder(t)}/file`, O_CREAT | O_RDWR, 0o600)
  // Version 2; entries of tag u16, permissions u16, id u32: owner rw, user 12 r, group -, mask r, others -.
  const acl = Buffer.from(
    ['02000000', '01000600ffffffff', '020004000c000000', '04000000ffffffff', '10000400ffffffff', '20000000ffffffff'].join(''),
    'hex',
  )
  try {
    setXattrFd(fd, 'system.posix_acl_access', acl)
  } catch (error) {
    close(fd)
    if ((error as { code: string }).code === 'ENOTSUP') return t.skip('this file system has no access lists')
    throw error
  }
  const [only] = listXattrsFd(fd)
  assert.equal(only?.name.toString(), 'system.posix_acl_access')
  assert.deepEqual(only?.value, acl)
  assert.equal(statFd(fd).mode, 0o640)
  close(fd)
})

test('where there are no attributes the list is empty', (t) => {
  const fd = openPath('/proc/self/status', O_RDONLY)
  t.after(() => close(fd))
  assert.deepEqual(listXattrsFd(fd), [])
})
