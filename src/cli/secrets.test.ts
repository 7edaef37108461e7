import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { temporaryFolder } from '../../test/support/temporary-folder.ts'
import { startOperation } from '../base/operation.ts'
import { systemDisk } from '../platform/index.ts'
import { readConfig } from './config.ts'
import { Output } from './output.ts'
import { findSecret, getSecret } from './secrets.ts'
import { fakeStreams } from './testing/fake-streams.ts'

const op = startOperation()

function places(t: TestContext, environment: Record<string, string> = {}, typed?: string) {
  const folder = temporaryFolder(t)
  const file = (name: string, text: string) => {
    writeFileSync(join(folder, name), text)
    return join(folder, name)
  }
  const streams = fakeStreams(typed === undefined ? {} : { askSecret: async () => typed })
  const output = new Output(streams, { isJson: false, color: false, debug: false })
  const make = (names: Record<string, string> = environment) => ({ disk: systemDisk(), config: readConfig(names), output })
  return { file, make }
}

const PASSPHRASE = 'correct horse battery'

describe('the secret of a pool', () => {
  it('comes from the named passphrase file first, without its line end', async (t) => {
    const { file, make } = places(t)
    const passphraseFile = file('pass', `${PASSPHRASE}\n`)
    const found = await findSecret(op, make({ TERP_PASSPHRASE_COMMAND: 'exit 1' }), { passphraseFile })
    assert.deepEqual(found, { kind: 'passphrase', text: PASSPHRASE })
  })

  it('comes from a named key file, which may hold 24 words and comments', async (t) => {
    const { file, make } = places(t)
    const words = `${'abandon '.repeat(23)}art`
    const found = await findSecret(op, make(), { keyFile: file('words', `# kept apart\n# since\n${words}\n`) })
    assert.equal(found?.kind, 'recovery')
    assert.equal((await findSecret(op, make(), { keyFile: file('hex', `${'ab'.repeat(32)}\n`) }))?.kind, 'key-file')
  })

  it('comes from the environment in the order file, command, key file', async (t) => {
    const { file, make } = places(t)
    const TERP_PASSPHRASE_FILE = file('pass', PASSPHRASE)
    const TERP_KEY_FILE = file('key', 'k'.repeat(40))
    const TERP_PASSPHRASE_COMMAND = `printf '%s\\n' 'from the command, long'`
    const kindOf = async (names: Record<string, string>) => {
      const found = await findSecret(op, make(names), {})
      return found?.kind === 'passphrase' ? found.text : found?.kind
    }
    assert.equal(await kindOf({ TERP_PASSPHRASE_FILE, TERP_PASSPHRASE_COMMAND, TERP_KEY_FILE }), PASSPHRASE)
    assert.equal(await kindOf({ TERP_PASSPHRASE_COMMAND, TERP_KEY_FILE }), 'from the command, long')
    assert.equal(await kindOf({ TERP_KEY_FILE }), 'key-file')
    assert.equal(await kindOf({ TERP_KEY_FILE: '' }), undefined)
  })

  it('is asked for on a terminal, and missing without one', async (t) => {
    const asked = await getSecret(op, places(t, {}, PASSPHRASE).make(), {}, 'a pool')
    assert.deepEqual(asked, { kind: 'passphrase', text: PASSPHRASE })
    await assert.rejects(getSecret(op, places(t).make(), {}, 'a pool'), { code: 'SECRET_MISSING' })
  })

  it('says what is wrong with a file or a command', async (t) => {
    const { file, make } = places(t)
    await assert.rejects(findSecret(op, make(), { keyFile: file('short', 'short') }), { code: 'KEY_FILE_INVALID' })
    await assert.rejects(findSecret(op, make(), { passphraseFile: file('short', 'short') }), { code: 'PASSPHRASE_INVALID' })
    await assert.rejects(findSecret(op, make(), { passphraseFile: file('umlaut', 'ärgerlich lange Sätze') }), {
      code: 'PASSPHRASE_INVALID',
    })
    await assert.rejects(findSecret(op, make(), { passphraseFile: '/nowhere/at/all' }), { code: 'FILE_NOT_FOUND' })
    await assert.rejects(findSecret(op, make(), { passphraseFile: '/' }), { code: 'FILE_UNREADABLE' })
    await assert.rejects(findSecret(op, make({ TERP_PASSPHRASE_COMMAND: 'echo no >&2; exit 7' }), {}), {
      code: 'SECRET_COMMAND_FAILED',
      message: /ended with 7: no$/,
    })
  })
})
