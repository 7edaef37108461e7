/** Snapshots of logical volumes, in a user-mode Linux: a kernel that has the device mapper, whatever the one below it has. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryFolder } from '../../../../test/support/temporary-folder.ts'
import { needsVolumes } from '../../../../test/support/volumes.ts'
import type { GuestResult } from './lvm-guest.fixture.ts'

const MODULES = '/usr/lib/uml/modules'
const skip =
  needsVolumes('linux.uml', 'modprobe', 'lvcreate', 'thin_check', 'mkfs.ext4') ||
  (existsSync(MODULES) ? false : 'user-mode-linux has no modules')

function initOf(folder: string, guest: string): string {
  return `#!/bin/sh
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
for d in /mnt /run; do mount -t tmpfs tmpfs $d; done
mkdir -p /mnt/out /mnt/lvm /mnt/work
mount -t hostfs none /mnt/out -o ${folder}
cat > /mnt/lvm/lvm.conf <<'CONF'
activation { udev_sync=0 udev_rules=0 monitoring=0 }
devices { use_devicesfile=0 }
backup { backup=0 archive=0 }
CONF
mount --bind /mnt/lvm /etc/lvm
for m in dm-mod dm-snapshot dm-thin-pool ext4; do modprobe -d ${folder}/modules $m; done
export PATH=/usr/sbin:/usr/bin:/sbin:/bin NODE_DISABLE_COMPILE_CACHE=1 DM_DISABLE_UDEV=1
${process.execPath} --disable-warning=ExperimentalWarning ${guest} /dev/ubda /mnt/work /mnt/out/result.json > /mnt/out/log 2>&1
sync
echo o > /proc/sysrq-trigger
sleep 10
`
}

test('logical volumes, classic and thin: what is written in pairs while it is backed up is restored in pairs', {
  skip,
  timeout: 580_000,
}, async (t) => {
  const folder = temporaryFolder(t)
  mkdirSync(join(folder, 'modules/lib'), { recursive: true })
  symlinkSync(MODULES, join(folder, 'modules/lib/modules'))
  writeFileSync(join(folder, 'disk'), '')
  truncateSync(join(folder, 'disk'), 600 * 1024 * 1024)
  writeFileSync(join(folder, 'init'), initOf(folder, join(import.meta.dirname, 'lvm-guest.fixture.ts')), { mode: 0o755 })
  // Its memory is a file in TMPDIR.
  const kernel = spawn(
    'linux.uml',
    [
      'mem=900M',
      'root=/dev/root',
      'rootfstype=hostfs',
      'rootflags=/',
      'ro',
      `init=${folder}/init`,
      `ubd0=${folder}/disk`,
      'con=null',
      'con0=null,fd:1',
      'quiet',
    ],
    { stdio: ['ignore', 'pipe', 'pipe'], env: { PATH: process.env.PATH, TMPDIR: folder, HOME: folder } },
  )
  t.after(() => kernel.kill('SIGKILL'))
  let console = ''
  for (const stream of [kernel.stdout, kernel.stderr]) stream.on('data', (part: Buffer) => (console += part.toString('utf8')))
  await once(kernel, 'exit')
  const about = () => `${console}\n${existsSync(join(folder, 'log')) ? readFileSync(join(folder, 'log'), 'utf8') : ''}`.slice(-4000)
  assert.ok(existsSync(join(folder, 'result.json')), about())
  const { results, error } = JSON.parse(readFileSync(join(folder, 'result.json'), 'utf8')) as { results?: GuestResult[]; error?: string }
  assert.equal(error, undefined, `${error}\n${about()}`)
  assert.deepEqual(
    results?.map(({ volume, note }) => [volume, note]),
    [
      ['classic', 'read from a snapshot of the logical volume'],
      ['thin', 'read from a thin snapshot of the logical volume'],
    ],
  )
  for (const { volume, consistency, warnings, pairs, after, volumesLeft, filesLeft, ...again } of results ?? []) {
    assert.deepEqual([consistency, warnings, volumesLeft, filesLeft], ['snapshot', [], [], []], volume)
    const numbers = pairs.flatMap(({ left, right }) => [left, right])
    for (const { left, right } of pairs) assert.ok(left === right || left === right + 1, `${volume}: ${left} and ${right}`)
    assert.ok(Math.max(...numbers) - Math.min(...numbers) <= 1, `${volume}: one moment for all of them`)
    assert.ok(after > Math.max(...numbers), `${volume}: the writer went on meanwhile`)
    assert.deepEqual([again.dataAddedAgain, again.filesUnmodifiedAgain], [0, 140], volume)
  }
})
