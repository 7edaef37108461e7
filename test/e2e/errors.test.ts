/**
 * What goes wrong is told with a code, an exit code and a hint, never with a stack trace, and leaves nothing half done.
 * Over 400 lines because it is one catalogue: every case is checked by the same few lines at its head.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { needsRoot } from '../support/temporary-folder.ts'
import {
  assertSound,
  backUp,
  lastLine,
  makePlace,
  makePool,
  makeVault,
  newCredentials,
  type Place,
  type Ran,
  type RunOptions,
  register,
  startTerp,
  startVault,
  terp,
  terpOk,
  verify,
} from '../support/terp.ts'

/** Both as people see it and as programs do. */
function assertFails(args: readonly string[], code: string, exitCode: number, message: RegExp, options: RunOptions = {}): void {
  const ran = terp(args, options)
  const text = ran.stdout + ran.stderr
  assert.equal(ran.code, exitCode, `${args.join(' ')}: ${text}`)
  assert.match(ran.stderr, new RegExp(`code: ${code}`))
  assert.match(ran.stderr, message)
  assert.match(ran.stderr, /hint: \S+/)
  assertNoTrace(ran)
  const json = terp([...args, '--json'], options)
  assert.equal(json.code, exitCode)
  assertNoTrace(json)
  const line = `${json.stdout}\n${json.stderr}`.split('\n').find((each) => each.includes('"message_type":"error"'))
  assert.ok(line, `an error line in ${json.stdout}${json.stderr}`)
  const error = JSON.parse(line) as { code: string; hint: string; message: string }
  assert.equal(error.code, code)
  assert.ok(error.hint.length > 0 && error.message.length > 0)
}

function assertNoTrace({ stdout, stderr }: Ran): void {
  assert.doesNotMatch(stdout + stderr, /^\s+at .*[:(]\d+|node:internal|\.ts:\d+/m)
}

/** All files of a folder with their content; to see that nothing was changed. */
function snapshot(folder: string): string {
  return execFileSync('sh', ['-c', 'find . -type f ! -name LOCK ! -name "*.LOCK" -print0 | sort -z | xargs -0 -r sha256sum'], {
    cwd: folder,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  })
}

function withPoint(place: Place): string {
  const source = join(place.folder, 'source')
  fs.mkdirSync(source)
  for (let n = 0; n < 50; n++) fs.writeFileSync(join(source, `file-${n}`), `content ${n}\n`.repeat(n * 50))
  fs.writeFileSync(join(source, 'large'), Buffer.alloc(1_500_000, 'large content '))
  makePool(place)
  backUp(place, [source])
  return source
}

describe('opening a pool', () => {
  it('with a wrong passphrase, a wrong key file or none is told apart', (t) => {
    const place = makePlace(t)
    const pool = join(place.folder, 'other')
    terpOk(['pool', 'init', pool, '--passphrase-file', place.passphraseFile])
    const before = snapshot(pool)
    const wrong = join(place.folder, 'wrong')
    fs.writeFileSync(wrong, 'another passphrase, also long\n')
    assertFails(['pool', 'list', pool, '--passphrase-file', wrong], 'SECRET_WRONG', 12, /passphrase/)
    assertFails(['pool', 'backup', pool, '/etc/hostname', '--passphrase-file', wrong], 'SECRET_WRONG', 12, /passphrase/)
    assertFails(['pool', 'list', pool, '--key-file', place.key], 'SECRET_WRONG', 12, /key file/)
    fs.writeFileSync(wrong, 'short\n')
    assertFails(['pool', 'list', pool, '--passphrase-file', wrong], 'PASSPHRASE_INVALID', 12, /16/)
    assertFails(['pool', 'list', pool, '--key-file', wrong], 'KEY_FILE_INVALID', 12, /32/)
    assertFails(['pool', 'list', pool], 'SECRET_MISSING', 12, /./)
    assert.equal(snapshot(pool), before)
  })

  it('that is not there is not found, and nothing is made in its place', (t) => {
    const place = makePlace(t)
    for (const command of [['list'], ['verify'], ['upload']]) {
      assertFails(['pool', ...command, place.pool, ...place.open], 'REPOSITORY_NOT_FOUND', 10, /no pool/)
    }
    assertFails(['pool', 'backup', place.pool, '/etc/hostname', ...place.open], 'REPOSITORY_NOT_FOUND', 10, /no pool/)
    assertFails(
      ['pool', 'restore', place.pool, 'latest', '--target', join(place.folder, 'out'), ...place.open],
      'REPOSITORY_NOT_FOUND',
      10,
      /no pool/,
    )
    assert.deepEqual(fs.readdirSync(place.folder).sort(), ['key', 'passphrase'])
  })

  it('that another process writes to is busy for writers and not for readers', async (t) => {
    const place = makePlace(t)
    const source = withPoint(place)
    const before = snapshot(place.pool)
    const holder = startTerp([], { under: ['flock', '--no-fork', join(place.pool, 'LOCK'), 'sh', '-c', 'echo held; exec sleep 1000'] })
    t.after(() => holder.child.kill('SIGKILL'))
    await new Promise((resolve) => holder.child.stdout?.once('data', resolve))
    assertFails(['pool', 'backup', place.pool, source, ...place.open], 'REPOSITORY_BUSY', 11, /another process/)
    assert.equal(snapshot(place.pool), before)
    assert.equal(terp(['pool', 'list', place.pool, ...place.open]).code, 0)
    assert.equal(terp(['pool', 'restore', place.pool, 'latest', '--target', join(place.folder, 'out'), ...place.open]).code, 0)
    holder.child.kill('SIGKILL')
    await holder.ended
    backUp(place, [source])
  })
})

describe('what is asked for', () => {
  it('an unknown recovery point or path is not found', (t) => {
    const place = makePlace(t)
    withPoint(place)
    const target = join(place.folder, 'out')
    for (const point of ['ffffffff', 'not-an-id', '0'.repeat(40)]) {
      assertFails(['pool', 'restore', place.pool, point, '--target', target, ...place.open], 'POINT_NOT_FOUND', 10, /point/)
      assertFails(['pool', 'browse', place.pool, point, ...place.open], 'POINT_NOT_FOUND', 10, /point/)
    }
    assertFails(
      ['pool', 'restore', place.pool, 'latest', '--target', target, '--path', '/nowhere', ...place.open],
      'PATH_NOT_IN_POINT',
      10,
      /nowhere/,
    )
    assert.equal(fs.existsSync(target), false, 'no target is made for what is not there')
  })

  it('a source that does not exist is not found', (t) => {
    const place = makePlace(t)
    makePool(place)
    assertFails(['pool', 'backup', place.pool, join(place.folder, 'nowhere'), ...place.open], 'SOURCE_NOT_FOUND', 10, /nowhere/)
    assert.deepEqual(JSON.parse(terpOk(['pool', 'list', place.pool, ...place.open, '--json']).stdout), [])
  })

  it('a target that is a file is refused, and the file is as it was', (t) => {
    const place = makePlace(t)
    withPoint(place)
    const target = join(place.folder, 'file')
    fs.writeFileSync(target, 'mine')
    assertFails(['pool', 'restore', place.pool, 'latest', '--target', target, ...place.open], 'TARGET_NOT_A_FOLDER', 2, /file/)
    assert.equal(fs.readFileSync(target, 'utf8'), 'mine')
  })

  it('wrong usage ends with 2', () => {
    for (const args of [['pool', 'fly'], ['pool', 'list'], ['pool', 'restore', 'x', 'latest'], ['--no-such-option']]) {
      const ran = terp(args)
      assert.equal(ran.code, 2, ran.stderr)
      assertNoTrace(ran)
    }
  })
})

describe('a source file', { skip: needsRoot }, () => {
  it('that can not be read is a warning with its name, and the others are protected', (t) => {
    const place = makePlace(t)
    const source = join(place.folder, 'source')
    fs.mkdirSync(join(source, 'closed'), { recursive: true })
    fs.writeFileSync(join(source, 'open'), 'open')
    fs.writeFileSync(join(source, 'secret'), 'secret', { mode: 0o600 })
    fs.writeFileSync(join(source, 'closed/file'), 'closed')
    fs.chmodSync(join(source, 'closed'), 0o700)
    fs.chmodSync(place.folder, 0o755)
    fs.mkdirSync(place.pool, { mode: 0o777 })
    fs.chmodSync(place.pool, 0o777)
    const under = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups']
    terpOk(['pool', 'init', place.pool, ...place.open], { under })
    const ran = terp(['pool', 'backup', place.pool, source, ...place.open, '--json'], { under })
    assert.equal(ran.code, 3, ran.stdout + ran.stderr)
    const summary = lastLine(ran.stdout)
    const warned = (summary.warnings as { code: string; item: string }[]).filter(({ code }) => code === 'SOURCE_UNREADABLE')
    assert.deepEqual(warned.map(({ item }) => item).sort(), [join(source, 'closed'), join(source, 'secret')])
    const people = terp(['pool', 'backup', place.pool, source, ...place.open], { under })
    assert.equal(people.code, 3)
    assert.match(people.stderr, /secret.*SOURCE_UNREADABLE/)
    assertNoTrace(people)
    const target = join(place.folder, 'out')
    terp(['pool', 'restore', place.pool, 'latest', '--target', target, ...place.open, '--json'])
    assert.equal(fs.readFileSync(join(target, source, 'open'), 'utf8'), 'open')
  })
})

describe('a full disk', { skip: needsRoot }, () => {
  const mount = (folder: string, size: string) => {
    fs.mkdirSync(folder)
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'terp-e2e', folder]) // removeTree unmounts
  }
  const noise = (path: string, bytes: number) => execFileSync('sh', ['-c', 'head -c "$1" /dev/urandom > "$2"', 'sh', String(bytes), path])

  it('of the pool fails the backup, and leaves the pool as sound as before', (t) => {
    const place = makePlace(t)
    const disk = join(place.folder, 'disk')
    mount(disk, '60m')
    const small = { ...place, pool: join(disk, 'pool') }
    const source = join(place.folder, 'source')
    fs.mkdirSync(source)
    fs.writeFileSync(join(source, 'first'), 'first')
    makePool(small)
    const { recovery_point_id } = backUp(small, [source])
    noise(join(source, 'too-much'), 120_000_000)
    assertFails(['pool', 'backup', small.pool, source, ...small.open], 'STORAGE_FULL', 1, /./)
    assert.deepEqual(
      (JSON.parse(terpOk(['pool', 'list', small.pool, ...small.open, '--json']).stdout) as { id: string }[]).map(({ id }) => id),
      [recovery_point_id],
    )
    const { code, findings } = verify(small, '--read-data')
    assert.equal(code, 0)
    assert.deepEqual(
      findings.filter(({ severity }) => severity === 'damage'),
      [],
    )
    const target = join(place.folder, 'out')
    terpOk(['pool', 'restore', small.pool, recovery_point_id, '--target', target, ...small.open])
    assert.equal(fs.readFileSync(join(target, source, 'first'), 'utf8'), 'first')
    // With room again, the next run completes.
    execFileSync('mount', ['-o', 'remount,size=300m', disk])
    backUp(small, [source])
    assertSound(small)
  })

  it('of the target fails the restore', (t) => {
    const place = makePlace(t)
    const disk = join(place.folder, 'disk')
    mount(disk, '20m')
    const source = join(place.folder, 'source')
    fs.mkdirSync(source)
    noise(join(source, 'too-much'), 40_000_000)
    makePool(place)
    backUp(place, [source])
    assertFails(['pool', 'restore', place.pool, 'latest', '--target', join(disk, 'out'), ...place.open], 'TARGET_FULL', 1, /./)
    assert.equal(fs.existsSync(join(disk, 'out', source, 'too-much')), false, 'no half file bears the name of a whole one')
  })

  it('of the vault fails the upload, and the next one completes', async (t) => {
    const place = makePlace(t)
    const disk = join(place.folder, 'disk')
    mount(disk, '60m')
    const source = join(place.folder, 'source')
    fs.mkdirSync(source)
    noise(join(source, 'too-much'), 120_000_000)
    makePool(place)
    backUp(place, [source])
    const vault = await startVault(t, join(disk, 'vault'))
    t.after(() => void vault.stop())
    register(place, makeVault(vault, place).credentials)
    const ran = terp(['pool', 'upload', place.pool, ...place.open, '--json'])
    assert.equal(ran.code, 1, ran.stdout + ran.stderr)
    assert.match(ran.stdout + ran.stderr, /VAULT_FULL|STORAGE_FULL/)
    assertNoTrace(ran)
    execFileSync('mount', ['-o', 'remount,size=400m', disk])
    const again = terp(['pool', 'upload', place.pool, ...place.open, '--json'])
    assert.equal(again.code, 0, again.stdout + again.stderr)
    await vault.stop()
  })
})

describe('a flipped bit', () => {
  const objects = (pool: string, folder: string) =>
    fs
      .readdirSync(join(pool, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
  const flip = (path: string, at: number) => {
    const bytes = fs.readFileSync(path)
    bytes[at] = (bytes[at] as number) ^ 4
    fs.writeFileSync(path, bytes)
    return () => {
      bytes[at] = (bytes[at] as number) ^ 4
      fs.writeFileSync(path, bytes)
    }
  }
  const restore = (place: Place, target: string) =>
    terp(['pool', 'restore', place.pool, 'latest', '--target', target, ...place.open, '--json'])

  it('in any object is found by verify, with the recovery points that it concerns, and never restored', (t) => {
    const place = makePlace(t)
    const source = withPoint(place)
    const id = (JSON.parse(terpOk(['pool', 'list', place.pool, ...place.open, '--json']).stdout) as { id: string }[])[0]?.id as string
    const packs = objects(place.pool, 'packs')
    const classOf = (path: string) => fs.readFileSync(path)[9]
    const cases: { name: string; path: string; at: (size: number) => number; code: RegExp; concerns: boolean; restores: boolean }[] = [
      {
        name: 'data pack, an entry',
        path: packs.find((path) => classOf(path) === 1) as string,
        at: () => 200,
        code: /CHUNK_DAMAGED|PACK_DAMAGED/,
        concerns: true,
        restores: false,
      },
      {
        name: 'data pack, its head',
        path: packs.find((path) => classOf(path) === 1) as string,
        at: () => 20,
        code: /PACK_DAMAGED/,
        concerns: true,
        restores: false,
      },
      {
        name: 'data pack, its directory',
        path: packs.find((path) => classOf(path) === 1) as string,
        at: (size) => size - 40,
        code: /PACK_DAMAGED/,
        concerns: true,
        restores: true,
      },
      {
        name: 'data pack, its footer',
        path: packs.find((path) => classOf(path) === 1) as string,
        at: (size) => size - 10,
        code: /PACK_DAMAGED/,
        concerns: false,
        restores: true,
      },
      {
        name: 'tree pack',
        path: packs.find((path) => classOf(path) === 2) as string,
        at: () => 100,
        code: /DAMAGED/,
        concerns: true,
        restores: false,
      },
      {
        name: 'index segment',
        path: objects(place.pool, 'index')[0] as string,
        at: (size) => size >> 1,
        code: /INDEX_SEGMENT_DAMAGED/,
        concerns: false,
        restores: true,
      },
      {
        name: 'manifest',
        path: objects(place.pool, 'points')[0] as string,
        at: (size) => size >> 1,
        code: /MANIFEST_DAMAGED/,
        concerns: false,
        restores: false,
      },
      {
        name: 'FORMAT',
        path: join(place.pool, 'FORMAT'),
        at: () => 30,
        code: /REPOSITORY_FORMAT_DAMAGED/,
        concerns: false,
        restores: true,
      },
      {
        name: 'FORMAT.copy',
        path: join(place.pool, 'FORMAT.copy'),
        at: () => 30,
        code: /REPOSITORY_FORMAT_DAMAGED/,
        concerns: false,
        restores: true,
      },
      {
        name: 'key slot',
        path: objects(place.pool, 'keys').find((path) => path.endsWith('.key')) as string,
        at: () => 40,
        code: /KEY_SLOT_DAMAGED/,
        concerns: false,
        restores: true,
      },
    ]
    for (const { name, path, at, code, concerns, restores } of cases) {
      const size = fs.statSync(path).size
      const undo = flip(path, at(size))
      const found = verify(place, '--read-data')
      assert.equal(found.code, 14, `${name}: ${JSON.stringify(found.findings)}`)
      assert.match(found.findings.map((finding) => finding.code).join(' '), code, name)
      if (concerns)
        assert.ok(
          found.findings.some((finding) => finding.recovery_points.includes(id)),
          `${name}: ${JSON.stringify(found.findings)}`,
        )
      const target = join(place.folder, `out-${cases.findIndex((each) => each.name === name)}`)
      const ran = restore(place, target)
      assertNoTrace(ran)
      if (restores) {
        assert.ok([0, 3].includes(ran.code as number), `${name}: ${ran.code} ${ran.stdout}${ran.stderr}`)
        assert.equal(snapshot(join(target, source)), snapshot(source), name)
      } else {
        assert.notEqual(ran.code, 0, name)
        if (name !== 'manifest') assert.equal(ran.code, 14, `${name}: ${ran.stdout}${ran.stderr}`)
        // What did come back is whole.
        if (fs.existsSync(join(target, source))) {
          for (const file of fs.readdirSync(join(target, source))) {
            assert.deepEqual(fs.readFileSync(join(target, source, file)), fs.readFileSync(join(source, file)), `${name}: ${file}`)
          }
        }
      }
      undo()
      assertSound(place)
    }
  })

  it('in bytes that nothing uses is found too', (t) => {
    const place = makePlace(t)
    withPoint(place)
    for (const folder of ['points', 'index']) {
      const undo = flip(objects(place.pool, folder)[0] as string, 12)
      assert.equal(verify(place, '--read-data').code, 14, folder)
      undo()
    }
  })

  it('in both copies of FORMAT or of the only key slot is told with its own code', (t) => {
    const place = makePlace(t)
    withPoint(place)
    const both = ['FORMAT', 'FORMAT.copy'].map((name) => flip(join(place.pool, name), 30))
    assertFails(['pool', 'list', place.pool, ...place.open], 'REPOSITORY_FORMAT_DAMAGED', 14, /FORMAT/)
    for (const undo of both) undo()
    const slots = objects(place.pool, 'keys').map((path) => flip(path, 40))
    assertFails(['pool', 'list', place.pool, ...place.open], 'KEY_SLOT_DAMAGED', 14, /key slot/)
    for (const undo of slots) undo()
    assertSound(place)
  })

  it('in data is healed where the next backup can read the source again', (t) => {
    const place = makePlace(t)
    const source = withPoint(place)
    const pack = objects(place.pool, 'packs').find((path) => fs.readFileSync(path)[9] === 1) as string
    fs.rmSync(pack)
    assert.equal(verify(place).code, 14)
    terp(['pool', 'backup', place.pool, source, ...place.open, '--force-read'])
    const target = join(place.folder, 'out')
    const ran = restore(place, target)
    assert.equal(ran.code, 0, ran.stdout + ran.stderr)
    assert.equal(snapshot(join(target, source)), snapshot(source))
  })
})

describe('the vault', () => {
  it('refuses foreign, used and damaged credentials, and a wrong passphrase', async (t) => {
    const place = makePlace(t)
    withPoint(place)
    const vault = await startVault(t, join(place.folder, 'vault'))
    const other = await startVault(t, join(place.folder, 'other-vault'))
    const { credentials } = makeVault(vault, place)
    const { credentials: theirs } = makeVault(other, place, 'Paris')
    const before = snapshot(place.pool)

    const registerWith = (file: string) => [
      'pool',
      'register',
      place.pool,
      '--vault-credentials',
      file,
      '--passphrase-file',
      place.passphraseFile,
      ...place.open,
    ]
    const mixed = join(place.folder, 'mixed.VaultCredentials')
    const url = /https?:\/\/[0-9.:]+/
    fs.writeFileSync(mixed, fs.readFileSync(theirs, 'utf8').replace(url, vault.url))
    const foreign = terp([...registerWith(mixed), '--json'])
    assert.equal(foreign.code, 15, foreign.stdout + foreign.stderr)
    assert.match(foreign.stdout + foreign.stderr, /CREDENTIALS_(FOREIGN|UNREADABLE)/)
    const torn = join(place.folder, 'torn.VaultCredentials')
    fs.writeFileSync(torn, fs.readFileSync(credentials, 'utf8').slice(0, -40))
    assertFails(registerWith(torn), 'CREDENTIALS_UNREADABLE', 15, /./)
    assert.equal(snapshot(place.pool), before)

    register(place, credentials)
    assertFails(registerWith(credentials), 'POOL_ALREADY_REGISTERED', 15, /Berlin/)
    terpOk(['pool', 'upload', place.pool, ...place.open])
    const wrong = join(place.folder, 'wrong')
    fs.writeFileSync(wrong, 'another passphrase, also long\n')
    const fresh = newCredentials(vault, place)
    const recover = terp(['recover', '--vault-credentials', fresh, '--passphrase-file', wrong, '--list', '--json'])
    assert.equal(recover.code, 12, recover.stdout + recover.stderr)
    assert.match(recover.stdout + recover.stderr, /SECRET_WRONG/)
    assertNoTrace(recover)
  })

  it('registers one server for each credentials file', async (t) => {
    const place = makePlace(t)
    const second = makePlace(t)
    makePool(place)
    makePool(second)
    const vault = await startVault(t, join(place.folder, 'vault'))
    const { credentials } = makeVault(vault, place)
    register(place, credentials)
    const args = [
      'pool',
      'register',
      second.pool,
      '--vault-credentials',
      credentials,
      '--passphrase-file',
      second.passphraseFile,
      ...second.open,
    ]
    assertFails([...args, '--server-name', 'second'], 'CREDENTIALS_USED', 15, /./)
  })

  it('that does not answer is not reachable, and the pool goes on', async (t) => {
    const place = makePlace(t)
    const source = withPoint(place)
    const vault = await startVault(t, join(place.folder, 'vault'))
    register(place, makeVault(vault, place).credentials)
    await vault.stop()
    assertFails(['pool', 'upload', place.pool, ...place.open], 'VAULT_UNREACHABLE', 13, /./)
    backUp(place, [source])
    assertSound(place)
  })

  it('refuses expired credentials', { skip: fakeTime() }, async (t) => {
    const place = makePlace(t)
    makePool(place)
    const vault = await startVault(t, join(place.folder, 'vault'))
    const { credentials } = makeVault(vault, place)
    const args = [
      'pool',
      'register',
      place.pool,
      '--vault-credentials',
      credentials,
      '--passphrase-file',
      place.passphraseFile,
      ...place.open,
    ]
    // The command that faketime starts is its only child, and spawnSync waits for it.
    assertFails(args, 'CREDENTIALS_EXPIRED', 15, /expire/, { under: ['faketime', '-f', '+3d'] })
  })
})

function fakeTime(): false | string {
  try {
    execFileSync('which', ['faketime'])
    return false
  } catch {
    return 'faketime is missing; src/vault/registration.test.ts proves it with a clock of its own'
  }
}
