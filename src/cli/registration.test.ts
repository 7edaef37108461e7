/** Registration, cut off and repeated, against a vault in a process of its own. */
import assert from 'node:assert/strict'
import { globSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import {
  backUp,
  lastLine,
  makePlace,
  makePool,
  makeVault,
  newCredentials,
  type Place,
  type RunningVault,
  startVault,
  terp as terpProcess,
} from '../../test/support/terp.ts'
import { systemDisk } from '../platform/index.ts'
import { runCli } from './run-cli.ts'
import { fakeStreams } from './testing/fake-streams.ts'
import { NO_PROGRAMS } from './testing/no-programs.ts'

async function terp(...given: string[]) {
  const streams = fakeStreams()
  const exitCode = await runCli(given, NO_PROGRAMS, streams)
  return { exitCode, out: streams.outText(), err: streams.errText() }
}

async function registerWith(place: Place, credentials: string, ...more: string[]) {
  const ran = await terp('pool', 'register', place.pool, '--vault-credentials', credentials, ...place.open, '--json', ...more)
  return { ...ran, answer: lastLine(ran.out) }
}

async function aVault(t: TestContext): Promise<{ place: Place; vault: RunningVault; credentials: string }> {
  const place = makePlace(t)
  makePool(place)
  const vault = await startVault(t, join(place.folder, 'vault'))
  return { place, vault, ...makeVault(vault, place) }
}

function damage(path: string): void {
  const bytes = readFileSync(path)
  bytes.fill(0xff, bytes.length - 20)
  writeFileSync(path, bytes)
}

describe('pool register', () => {
  it('goes on wherever it was cut off, with the passphrase that it saved', async (t) => {
    const { place, vault, credentials } = await aVault(t)
    const generate = ['--generate-passphrase', '--save-passphrase-to', join(place.folder, 'saved'), '--server-name', 'alpha']
    const real = globalThis.fetch
    let ended = false
    for (let lost = 1; !ended; lost++) {
      let calls = 0
      // It was done, but nobody is told.
      const cut = t.mock.method(globalThis, 'fetch', async (...given: Parameters<typeof fetch>) => {
        calls++
        const answer = await real(...given)
        return calls < lost ? answer : new Response('', { status: 403 })
      })
      const { exitCode, err } = await registerWith(place, credentials, ...generate)
      cut.mock.restore()
      assert.ok(calls > 0 || exitCode === 0)
      ended = exitCode === 0
      if (!ended) assert.match(err, /code: VAULT_REFUSED/, String(lost))
      if (lost === 1) assert.equal(readFileSync(join(place.folder, 'saved/alpha_passphrase.txt'), 'utf8').length > 16, true)
      assert.ok(lost < 30)
    }
    const again = await registerWith(place, credentials, ...generate)
    assert.deepEqual([again.exitCode, again.answer.code], [15, 'POOL_ALREADY_REGISTERED'])
    backUp(place, [place.passphraseFile])
    assert.equal((await terp('pool', 'upload', place.pool, ...place.open)).exitCode, 0)
    const saved = join(place.folder, 'saved/alpha_passphrase.txt')
    const listed = await terp(
      'recover',
      '--vault-credentials',
      newCredentials(vault, place),
      '--passphrase-file',
      saved,
      '--list',
      '--json',
    )
    assert.deepEqual([listed.exitCode, JSON.parse(listed.out).length], [0, 1])
  })

  it('waits for no backup: busy, and nothing was asked of the vault', async (t) => {
    const { place, credentials } = await aVault(t)
    const lock = await systemDisk().lock(join(place.pool, 'LOCK'))
    const busy = await registerWith(place, credentials, '--passphrase-file', place.passphraseFile)
    assert.deepEqual([busy.exitCode, busy.answer.code], [11, 'REPOSITORY_BUSY'])
    await lock?.release()
    assert.equal((await registerWith(place, credentials, '--passphrase-file', place.passphraseFile)).exitCode, 0)
  })

  it('--again makes a new server and a new copy, and the old one is read with its own passphrase', async (t) => {
    const { place, vault, credentials } = await aVault(t)
    const passphrase = ['--passphrase-file', place.passphraseFile]
    assert.equal((await registerWith(place, credentials, ...passphrase, '--server-name', 'alpha')).exitCode, 0)
    backUp(place, [place.passphraseFile])
    assert.equal((await terp('pool', 'upload', place.pool, ...place.open)).exitCode, 0)
    const other = join(place.folder, 'other-passphrase')
    writeFileSync(other, 'quite another passphrase\n')

    // Cut off before the vault answered: uploads still go to the old copy.
    const failed = await registerWith(place, credentials, '--again', '--passphrase-file', other)
    assert.deepEqual([failed.exitCode, failed.answer.code], [15, 'CREDENTIALS_USED'])
    assert.match((await terp('pool', 'upload', place.pool, ...place.open)).out, /already/)

    const anew = await registerWith(place, newCredentials(vault, place), '--again', '--passphrase-file', other)
    assert.equal(anew.exitCode, 0, anew.err)
    assert.deepEqual([anew.answer.server_name, anew.answer.replaced.server_name], ['alpha-2', 'alpha'])
    assert.equal((await terp('pool', 'upload', place.pool, ...place.open)).exitCode, 0)
    const fresh = newCredentials(vault, place)
    for (const [file, server] of [[place.passphraseFile, 'alpha'] as const, [other, 'alpha-2'] as const]) {
      const { out } = await terp('recover', '--vault-credentials', fresh, '--passphrase-file', file, '--list', '--json')
      assert.deepEqual(
        JSON.parse(out).map((point: { server: string }) => point.server),
        [server],
      )
    }

    // A damaged configuration is none, as its hint says.
    for (const name of globSync('conf/*-vault.conf', { cwd: place.pool })) damage(join(place.pool, name))
    const upload = await terp('pool', 'upload', place.pool, ...place.open, '--json')
    assert.equal(lastLine(upload.out).code, 'CONFIGURATION_DAMAGED')
    const repaired = await registerWith(place, fresh, ...passphrase, '--server-name', 'gamma')
    assert.deepEqual([repaired.exitCode, repaired.answer.warnings[0].code], [3, 'CONFIGURATION_DAMAGED'])
    assert.equal((await terp('pool', 'upload', place.pool, ...place.open)).exitCode, 0)
  })
})

describe('recover', () => {
  it('passes over a server whose copy is damaged, with a warning, and fails only when none opens', async (t) => {
    const { place, vault, credentials } = await aVault(t)
    const passphrase = ['--passphrase-file', place.passphraseFile]
    const alpha = await registerWith(place, credentials, ...passphrase, '--server-name', 'alpha')
    const beta = await registerWith(place, newCredentials(vault, place), ...passphrase, '--again', '--server-name', 'beta')
    assert.deepEqual([alpha.exitCode, beta.exitCode], [0, 0], beta.err)
    backUp(place, [place.passphraseFile])
    assert.equal((await terp('pool', 'upload', place.pool, ...place.open)).exitCode, 0)
    const access = ['recover', '--vault-credentials', newCredentials(vault, place), ...passphrase]
    const damageFormat = (server: string) => {
      for (const path of globSync(`**/${server}/**/FORMAT*`, { cwd: vault.data })) damage(join(vault.data, path))
    }
    damageFormat(alpha.answer.server_id)
    const listed = await terp(...access, '--list', '--json')
    assert.deepEqual([listed.exitCode, JSON.parse(listed.out).length], [3, 1], listed.err)
    assert.match(listed.err, /alpha.*\(REPOSITORY_FORMAT_DAMAGED\)/)
    const restored = terpProcess([...access, '--point', 'latest', '--target', join(place.folder, 'back'), '--json'])
    assert.equal(restored.code, 3, restored.stderr)
    damageFormat(beta.answer.server_id)
    assert.equal((await terp(...access, '--list', '--json')).exitCode, 14)
  })
})
