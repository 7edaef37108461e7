/** Files as a workload: its contract, and what folders may hold that is odd. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { anOperation, aSourceTree } from '../../../test/support/pool.ts'
import { temporaryFolder } from '../../../test/support/temporary-folder.ts'
import { hasCode } from '../../base/errors.ts'
import { workloadContract } from '../workload.contract.ts'
import { filesWorkload } from './files.ts'
import { mountsIn } from './mounts.ts'

function aFolderOfThree(t: TestContext): string {
  const folder = temporaryFolder(t)
  for (const name of ['a', 'b']) writeFileSync(join(folder, name), name)
  mkdirSync(join(folder, 'c'))
  return folder
}

workloadContract('files', filesWorkload, {
  source(t) {
    const folder = aSourceTree(t)
    return { paths: [Buffer.from(folder)], change: () => writeFileSync(join(folder, 'new.txt'), 'something new\n'.repeat(100)) }
  },
  target: (t) => Buffer.from(temporaryFolder(t)),
  isSame(source, target) {
    return source.every((path) => {
      execFileSync('diff', ['-r', '--no-dereference', path.toString(), join(target.toString(), path.toString())])
      return true
    })
  },
  folderOfThree: (t) => Buffer.from(aFolderOfThree(t)),
})

const browse = (path: string | Buffer, limit = 100) => filesWorkload.browse(anOperation('browse'), Buffer.from(path), limit)

test('kinds, sizes and times, also before 1970 and where a link leads nowhere', async (t) => {
  const folder = aFolderOfThree(t)
  symlinkSync('/nowhere', join(folder, 'd'))
  execFileSync('mkfifo', [join(folder, 'e')])
  execFileSync('touch', ['-d', '@-5', join(folder, 'a')])
  const { items } = await browse(folder)
  assert.deepEqual(
    items.map(({ kind, sizeBytes }) => [kind, sizeBytes]),
    [
      ['file', 1],
      ['file', 1],
      ['folder', 0],
      ['symlink', 0],
      ['other', 0],
    ],
  )
  assert.equal(items[0]?.modifiedMs, -5000)
})

test('a file, a link to a folder and what is not text are told for what they are', async (t) => {
  const folder = aFolderOfThree(t)
  symlinkSync(join(folder, 'c'), join(folder, 'd'))
  for (const name of ['a', 'd']) await assert.rejects(browse(join(folder, name)), (error) => hasCode(error, 'SOURCE_NOT_A_FOLDER'))
  const odd = Buffer.concat([Buffer.from(`${folder}/`), Buffer.from([0xff, 0x0a, 0x22])])
  execFileSync('sh', ['-c', `mkdir "$(printf '${folder}/\\377\\012\\042')"`])
  assert.deepEqual((await browse(odd)).items, [])
})

test('of a huge folder no more is read than is wanted', async (t) => {
  const folder = temporaryFolder(t)
  execFileSync('sh', ['-c', `cd ${folder} && seq 1 20000 | xargs touch`])
  const { items, isComplete } = await browse(folder, 50)
  assert.deepEqual([items.length, isComplete], [50, false])
})

test('a folder that may not be read is told', { skip: process.geteuid?.() === 0 ? 'root may read everything' : false }, async (t) => {
  const folder = join(aFolderOfThree(t), 'c')
  chmodSync(folder, 0)
  await assert.rejects(browse(folder), (error) => hasCode(error, 'SOURCE_UNREADABLE'))
})

test('volumes: each once, without what is in memory, made up or remote, with odd names', () => {
  const mounts = mountsIn(
    [
      '/dev/vda / ext4 rw,relatime 0 0',
      'proc /proc proc rw 0 0',
      'tmpfs /run tmpfs rw 0 0',
      '/dev/vdb /mnt/my\\040disk xfs ro,noatime 0 0',
      '/dev/vda /srv/bind ext4 rw 0 0',
      'host:/export /mnt/nfs nfs4 rw 0 0',
      'me@host: /mnt/ssh fuse.sshfs rw 0 0',
      '/dev/vdc /mnt/vdc btrfs rw 0 0',
      '/dev/vdd /mnt/vdc ext4 rw 0 0',
      '',
    ].join('\n'),
  )
  assert.deepEqual(
    mounts.map(({ path, device, isReadOnly }) => [path.toString(), device, isReadOnly]),
    [
      ['/', '/dev/vda', false],
      ['/mnt/my disk', '/dev/vdb', true],
      ['/mnt/vdc', '/dev/vdd', false],
    ],
  )
})

test('discovering finds the volume that this file lies on', async () => {
  const found = await filesWorkload.discover(anOperation('discover'))
  const real = mountsIn(readFileSync('/proc/self/mounts', 'latin1'))
  assert.deepEqual(
    found.map(({ name }) => name),
    real.map(({ path }) => path.toString()),
  )
})
