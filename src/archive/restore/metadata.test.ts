import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, lstatSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { needsRoot, temporaryFolder } from '../../../test/support/temporary-folder.ts'
import { FS_APPEND_FL, FS_IMMUTABLE_FL, FS_NODUMP_FL } from '../../platform/index.ts'
import { FOLDER, file, listing, makePoint, names, operation, restore } from './made-points.fixture.ts'

const xattr = (name: string, value: string | Buffer) => ({ name: Buffer.from(name), value: Buffer.from(value) })
// struct posix_acl_xattr: version 2; user::rw-, user:1234:r--, group::r--, mask::r--, other::---
const ACL = Buffer.from('0200000001000600ffffffff02000400d204000004000400ffffffff10000400ffffffff20000000ffffffff', 'hex')
const CAPABILITY = Buffer.from('0100000200040000000000000000000000000000', 'hex')

/** Immutable files would outlive the test. */
function meltable(t: TestContext): string {
  let folder = ''
  t.after(() => execFileSync('chattr', ['-R', '-f', '-ia', folder]))
  folder = temporaryFolder(t)
  return folder
}

function flags(path: string): string {
  return execFileSync('lsattr', ['-d', path], { encoding: 'utf8' }).split(' ')[0]?.replace(/[-eI]/g, '') ?? ''
}

test('a mode that lets nobody in, a umask and inherited groups do not stand in the way', async (t) => {
  const op = operation(t.name)
  const target = temporaryFolder(t)
  const before = process.umask(0o777)
  t.after(() => process.umask(before))
  const made = await makePoint(op, {
    a: { kind: 'folder', mode: 0 },
    'a/b': { kind: 'folder', mode: 0o777 },
    'a/b/f': file('f', { mode: 0o777 }),
  })
  const report = await restore(op, made, target)
  process.umask(before)
  assert.deepEqual([report.failed, report.warnings], [[], []])
  assert.equal(statSync(join(target, 'a')).mode & 0o7777, 0)
  chmodSync(join(target, 'a'), 0o700)
  const modes = listing(target).map((line) => line.split('|').slice(0, 3).join(' '))
  assert.deepEqual(modes.sort(), ['a d 700', 'a/b d 777', 'a/b/f f 777'])
})

test('user attributes come back, also on files that their owner may not write', async (t) => {
  const op = operation(t.name)
  const target = temporaryFolder(t)
  const xattrs = [xattr('user.empty', ''), xattr('user.x', Buffer.from([0, 0xff]))]
  const made = await makePoint(op, { a: { kind: 'folder', mode: 0o555, xattrs }, 'a/f': file('f', { mode: 0o400, xattrs }) })
  const report = await restore(op, made, target)
  assert.deepEqual([report.failed, report.warnings], [[], []])
  for (const path of ['a', 'a/f']) {
    const dump = execFileSync('getfattr', ['-d', '-e', 'hex', path], { cwd: target, encoding: 'utf8' })
    assert.match(dump, /user\.empty\n|user\.empty=""|user\.empty=0x\n/)
    assert.match(dump, /user\.x=0x00ff/)
  }
  chmodSync(join(target, 'a'), 0o755)
})

test('owners, ACLs, capabilities and trusted attributes come back together', { skip: needsRoot }, async (t) => {
  const op = operation(t.name)
  const target = temporaryFolder(t)
  const made = await makePoint(op, {
    a: { kind: 'folder', uid: 1234, gid: 5678, mode: 0o2770, xattrs: [xattr('system.posix_acl_default', ACL)] },
    'a/acl': file('acl', { uid: 1234, gid: 5678, mode: 0o640, xattrs: [xattr('system.posix_acl_access', ACL)] }),
    'a/cap': file('cap', { uid: 1234, gid: 0, mode: 0o755, xattrs: [xattr('security.capability', CAPABILITY), xattr('trusted.t', 't')] }),
    'a/suid': file('suid', { uid: 1234, gid: 5678, mode: 0o6755 }),
    'a/by-name': file('x', { uid: 4242, gid: 4242, userName: 'root', groupName: 'no-such-group-here' }),
    'a/link': { kind: 'symlink', target: Buffer.from('x'), uid: 1234, gid: 5678, xattrs: [xattr('trusted.l', 'l')] },
    'a/pipe': { kind: 'fifo', uid: 1234, gid: 5678, mode: 0o6666 },
    'a/null': { kind: 'character-device', major: 1, minor: 3, mode: 0o666, uid: 1234 },
    'a/disk': { kind: 'block-device', major: 259, minor: 70_000, mode: 0o660 },
  })
  for (const overwrite of ['if-changed', 'if-changed', 'always'] as const) {
    const report = await restore(op, made, target, { overwrite })
    assert.deepEqual([report.failed, report.skipped, report.warnings], [[], [], []])
    const stat = (path: string) => lstatSync(join(target, path))
    for (const path of ['a', 'a/acl', 'a/suid', 'a/link', 'a/pipe']) assert.deepEqual([stat(path).uid, stat(path).gid], [1234, 5678], path)
    assert.deepEqual([stat('a/by-name').uid, stat('a/by-name').gid], [0, 4242])
    assert.deepEqual(
      ['a', 'a/acl', 'a/suid', 'a/pipe', 'a/null'].map((path) => stat(path).mode & 0o7777),
      [0o2770, 0o640, 0o6755, 0o6666, 0o666],
    )
    const acl = execFileSync('getfacl', ['-ncp', 'a/acl', 'a'], { cwd: target, encoding: 'utf8' })
    assert.match(acl, /^user::rw-\nuser:1234:r--\ngroup::r--\nmask::r--\nother::---\n\nuser::rwx[\s\S]*default:user:1234:r--/)
    assert.match(
      execFileSync('getfattr', ['-d', '-m', '-', '-h', 'a/cap', 'a/link'], { cwd: target, encoding: 'utf8' }),
      /security\.capability=[\s\S]*trusted\.t="t"[\s\S]*trusted\.l="l"/,
    )
    // Born in a folder with a default ACL, in the first run and in the ones that replace: it is not theirs.
    assert.equal(execFileSync('getfattr', ['-d', '-m', 'acl', 'a/suid', 'a/pipe', 'a/by-name'], { cwd: target, encoding: 'utf8' }), '')
    const disk = execFileSync('stat', ['-c', '%Hr:%Lr %F', 'a/disk', 'a/null'], { cwd: target, encoding: 'utf8' })
    assert.equal(disk, '259:70000 block special file\n1:3 character special file\n')
  }
})

test('a target with a default ACL and inherited flags leaves no trace of them', { skip: needsRoot }, async (t) => {
  const op = operation(t.name)
  const target = temporaryFolder(t)
  execFileSync('setfacl', ['-d', '-m', 'u:4321:rwx', target])
  execFileSync('chattr', ['+d', target])
  const made = await makePoint(op, {
    a: { kind: 'folder', mode: 0o750, inodeFlags: 0 },
    'a/b': { kind: 'folder', mode: 0o750, inodeFlags: 0 },
    'a/b/f': file('f', { mode: 0o640, inodeFlags: 0 }),
    f: file('f', { mode: 0o640, inodeFlags: 0 }),
    pipe: { kind: 'fifo', mode: 0o640 },
  })
  await restore(op, made, target)
  const paths = ['a', 'a/b', 'a/b/f', 'f']
  assert.equal(execFileSync('getfattr', ['-d', '-m', 'acl', 'pipe', ...paths], { cwd: target, encoding: 'utf8' }), '')
  for (const path of paths) assert.equal(flags(join(target, path)), '', path)
  assert.equal(statSync(join(target, 'a')).mode & 0o7777, 0o750)
})

test('immutable and append-only come back last, and give way to another restore', { skip: needsRoot }, async (t) => {
  const op = operation(t.name)
  const target = meltable(t)
  const made = (content: string) =>
    makePoint(op, {
      a: { kind: 'folder', inodeFlags: FS_IMMUTABLE_FL },
      'a/b': { kind: 'folder', inodeFlags: FS_APPEND_FL },
      'a/b/f': file(content, { inodeFlags: FS_IMMUTABLE_FL }),
      'a/b/g': file('g', { inodeFlags: FS_IMMUTABLE_FL, links: 2, ino: 9 }),
      'a/b/h': file('g', { inodeFlags: FS_IMMUTABLE_FL, links: 2, ino: 9 }),
      'a/l': file(content, { inodeFlags: FS_APPEND_FL | FS_NODUMP_FL }),
      'a/same': file('same', { inodeFlags: FS_IMMUTABLE_FL, mode: content === 'one' ? 0o600 : 0o640 }),
    })
  for (const [content, overwrite] of [
    ['one', 'never'],
    ['three', 'if-changed'],
    ['four', 'always'],
    ['five', 'copy'],
  ] as const) {
    const report = await restore(op, await made(content), target, { overwrite })
    assert.deepEqual([report.failed, report.warnings], [[], []], content)
    assert.deepEqual(
      ['a', 'a/b', 'a/b/f', 'a/b/g', 'a/b/h', 'a/l', 'a/same'].map((path) => flags(join(target, path))),
      ['i', 'a', 'i', 'i', 'i', 'ad', 'i'],
    )
    assert.equal(readFileSync(join(target, 'a/b/f'), 'utf8'), content === 'five' ? 'four' : content)
    assert.equal(statSync(join(target, 'a/b/g')).ino, statSync(join(target, 'a/b/h')).ino)
    if (content === 'three') assert.equal(statSync(join(target, 'a/same')).mode & 0o777, 0o640)
  }
})

test('existing immutable folders on the way, and in a restore that fails, stay immutable', { skip: needsRoot }, async (t) => {
  const op = operation(t.name)
  const target = meltable(t)
  mkdirSync(join(target, 'a'))
  execFileSync('chattr', ['+i', join(target, 'a')])
  const made = await makePoint(op, { a: { kind: 'folder', ancestor: true }, 'a/f': file('f') })
  await restore(op, made, target)
  assert.deepEqual([names(target), flags(join(target, 'a'))], [['a/f|f', 'a|d'], 'i'])
  const abort = new AbortController()
  const cancelled = operation(t.name, { signal: abort.signal, onProgress: () => abort.abort() })
  const more = await makePoint(op, {
    a: { kind: 'folder', ancestor: true },
    'a/g': file('g', { links: 2 }),
    'a/h': file('g', { links: 2 }),
  })
  await assert.rejects(restore(cancelled, more, target), { code: 'CANCELLED' })
  assert.equal(flags(join(target, 'a')), 'i')
})

test('an ordinary user gets everything but owners and devices, with one warning and without set-user-id', {
  skip: needsRoot,
}, async (t) => {
  const op = operation(t.name)
  const target = temporaryFolder(t)
  chownSync(target, 65534, 65534)
  const made = await makePoint(op, {
    a: { kind: 'folder', uid: 0, gid: 0, mode: 0o555 },
    'a/f': file('f', { uid: 0, gid: 0, mode: 0o6755 }),
    'a/mine': file('m', { uid: 65534, gid: 65534, mode: 0o6755 }),
    'a/null': { kind: 'character-device', major: 1, minor: 3, uid: 65534, gid: 65534 },
    'a/i': file('i', { uid: 65534, gid: 65534, inodeFlags: FS_IMMUTABLE_FL | FS_NODUMP_FL, xattrs: [xattr('trusted.t', 't')] }),
    'a/link': { kind: 'symlink', target: Buffer.from('x'), uid: 0, gid: 0 },
  })
  const warned: string[] = []
  const user = operation(t.name, { onWarning: ({ message }) => warned.push(message) })
  const reports = await asNobody(async () => {
    const first = await restore(user, made, target)
    // The folder has no write permission any more; a second run puts back what was deleted all the same.
    chmodSync(join(target, 'a'), 0o755)
    execFileSync('rm', ['-f', join(target, 'a/mine')])
    chmodSync(join(target, 'a'), 0o555)
    return [first, await restore(user, made, target)] as const
  })
  for (const report of reports) assert.deepEqual(report.failed, [])
  assert.equal(reports[1].filesRestored, 1)
  assert.deepEqual(
    reports[0].skipped.map(({ path, code }) => `${path} ${code}`),
    ['/a/null METADATA_PARTIAL'],
  )
  assert.deepEqual(warned.slice(0, 1), [
    'restored, but could not be set: the owner of 3, the mode or the time of 1, attributes of 1, inode flags of 1 items',
  ])
  assert.equal(warned.length, 2)
  const modes = ['a', 'a/f', 'a/mine'].map((path) => statSync(join(target, path)).mode & 0o7777)
  assert.deepEqual(modes, [0o555, 0o755, 0o6755])
  assert.equal(flags(join(target, 'a/i')), 'd')
})

test('a target in which an ordinary user may make nothing is refused, unless all is there to be written into', {
  skip: needsRoot,
}, async (t) => {
  const op = operation(t.name)
  const target = temporaryFolder(t)
  chmodSync(target, 0o755)
  mkdirSync(join(target, 'home'))
  chownSync(join(target, 'home'), 65534, 65534)
  const made = await makePoint(op, { home: { kind: 'folder', ancestor: true }, 'home/f': file('f', { uid: 65534, gid: 65534 }) })
  const other = await makePoint(op, { home: FOLDER, top: file('x') })
  await asNobody(async () => {
    await assert.rejects(restore(op, other, target), { code: 'TARGET_FORBIDDEN' })
    await assert.rejects(restore(op, other, join(target, 'made/here')), { code: 'TARGET_FORBIDDEN' })
    assert.equal((await restore(op, made, target)).filesRestored, 1)
    writeFileSync(join(target, 'home/closed'), '')
  })
  assert.deepEqual(names(target), ['home/closed|f', 'home/f|f', 'home|d'])
})

async function asNobody<T>(work: () => Promise<T>): Promise<T> {
  const groups = process.getgroups?.() ?? []
  process.setgroups?.([])
  process.setegid?.(65534)
  process.seteuid?.(65534)
  try {
    return await work()
  } finally {
    process.seteuid?.(0)
    process.setegid?.(0)
    process.setgroups?.(groups)
  }
}
