import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { temporaryFolder } from '../../test/support/temporary-folder.ts'
import { COMMANDS } from './command-table.ts'
import { commandNodes, completionScript, SHELLS } from './completion.ts'
import { buildProgram, runCli } from './run-cli.ts'
import { fakeStreams } from './testing/fake-streams.ts'
import { NO_PROGRAMS } from './testing/no-programs.ts'

async function terp(...given: string[]) {
  const streams = fakeStreams()
  const exitCode = await runCli(given, NO_PROGRAMS, streams)
  return { exitCode, out: streams.outText(), err: streams.errText() }
}

/** What a server is run and looked after with, as far as people were promised it. */
const ON_SERVERS = [
  ...['start', 'status', 'setup'].map((name) => `server ${name}`),
  ...['enroll', 'start', 'status', 'token', 'list', 'disable', 'enable', 'remove'].map((name) => `agent ${name}`),
  ...['list', 'browse'].map((name) => `source ${name}`),
  ...['list', 'show', 'create', 'modify', 'stop', 'move-member'].map((name) => `group ${name}`),
  ...['list', 'show', 'log', 'cancel', 'retry', 'watch'].map((name) => `job ${name}`),
  ...['list', 'create', 'pin', 'undelete', 'restore', 'download'].map((name) => `recovery-point ${name}`),
  ...['list', 'add'].map((name) => `storage ${name}`),
  ...['simulate', 'why-kept', 'why-expired'].map((name) => `retention ${name}`),
  ...['alert list', 'cloud status', 'audit list', 'audit verify', 'Get-DPMCloudConnection'],
  ...['login', 'status', 'search', 'plan', 'apply', 'drift', 'sizing'],
]

const program = () => buildProgram({ run: async () => {} }, '1.2.3', fakeStreams())

describe('the command line', () => {
  it('knows its version and helps', async () => {
    assert.deepEqual(await terp('--version'), { exitCode: 0, out: '1.2.3\n', err: '' })
    const help = await terp('pool', 'backup', '--help')
    assert.equal(help.exitCode, 0)
    assert.match(help.out, /^Usage: terp pool backup/)
  })

  it('has every command of the contract, each with an example and its exit codes', async () => {
    const leaves = commandNodes(await program()).filter(({ below }) => below.length === 0)
    const pool = ['init', 'backup', 'list', 'browse', 'diff', 'restore', 'verify', 'expire', 'prune', 'register', 'upload'].map(
      (name) => `pool ${name}`,
    )
    const vault = ['start', 'create', 'credentials'].map((name) => `vault ${name}`)
    const paths = leaves.map(({ path }) => path)
    assert.deepEqual(
      ['quickstart', ...pool, ...vault, ...ON_SERVERS, 'recover', 'bench', 'completion'].filter((path) => !paths.includes(path)),
      [],
    )
    assert.equal(paths.length, COMMANDS.length)
    for (const { path } of leaves) {
      const { out } = await terp(...path.split(' '), '--help')
      assert.match(out, /^Examples?:\n {2}(terp|source) /m, path)
      assert.match(out, /^Exit codes:\n {2}0 /m, path)
    }
  })

  it('takes every option of the contract', async () => {
    const nodes = new Map(commandNodes(await program()).map((node) => [node.path, node.options.map(({ flag }) => flag)]))
    const contract: Record<string, string[]> = {
      quickstart: ['--protect', '--data', '--port', '--once', '--json'],
      'pool init': ['--passphrase-file', '--key-file', '--recovery-key-out'],
      'pool backup': ['--source', '--exclude', '--exclude-caches', '--one-file-system', '--force-read', '--json'],
      'pool list': ['--source', '--json'],
      'pool browse': ['--json'],
      'pool diff': ['--json'],
      'pool restore': ['--target', '--path', '--overwrite', '--dry-run', '--json'],
      'pool verify': ['--read-data', '--json'],
      'pool expire': ['--dry-run', '--allow-last', '--json'],
      'pool prune': ['--dry-run', '--wait', '--keep-trash', '--accept-unexplained', '--json'],
      'vault start': ['--data', '--listen'],
      'vault create': ['--data', '--redundancy'],
      'vault credentials': ['--data', '--out'],
      'pool register': ['--vault-credentials', '--passphrase-file'],
      'pool upload': ['--json'],
      bench: ['--data', '--json'],
      recover: ['--vault-credentials', '--passphrase-file', '--list', '--point', '--target', '--json'],
    }
    for (const [path, flags] of Object.entries(contract)) {
      for (const flag of flags) assert.ok(nodes.get(path)?.includes(flag), `terp ${path} ${flag}`)
    }
  })

  it('ends with 2 on wrong usage, and says so in its own words', async () => {
    for (const given of [
      ['pool', 'list'],
      ['pool', 'lisst', '/x'],
      ['pool', 'list', '/x', 'y'],
      ['pool', 'list', '/x', '--nonsense'],
      ['pool', 'restore', '/x', 'latest'],
      ['pool', 'restore', '/x', 'latest', '--target', 't', '--overwrite', 'perhaps'],
      ['pool', 'init', '/x', '--key-file', 'a', '--passphrase-file', 'b'],
      ['vault', 'start', '--data', 'd', '--listen', 'here'],
      ['quickstart', '--port', '70000'],
      ['recover', '--vault-credentials', 'f', '--list', '--point', 'x'],
      ['completion', 'csh'],
    ]) {
      const { exitCode, out, err } = await terp(...given)
      assert.equal(exitCode, 2, given.join(' '))
      assert.equal(out, '')
      assert.match(err, /^terp: .+\ncode: USAGE_INVALID\nhint: .+\n$/, given.join(' '))
    }
    assert.equal((await terp('pool')).exitCode, 2)
    assert.equal((await terp()).exitCode, 2)
  })

  it('tells errors as JSON with --json', async () => {
    const { exitCode, out, err } = await terp('pool', 'list', '/nowhere/at/all', '--json')
    assert.equal(exitCode, 10)
    const { message_type, code, kind, message, hint, context } = JSON.parse(out)
    assert.deepEqual([message_type, code, kind], ['error', 'REPOSITORY_NOT_FOUND', 'not-found'])
    assert.ok(message && hint && context)
    assert.match(err, /^terp: .*\ncode: REPOSITORY_NOT_FOUND\nhint: /)
    assert.equal(JSON.parse((await terp('pool', 'list', '--json')).out).code, 'USAGE_INVALID')
  })
})

describe('completion', () => {
  for (const shell of SHELLS) {
    it(`for ${shell} knows commands, options and choices`, async () => {
      const script = completionScript(shell, commandNodes(await program()))
      for (const word of ['quickstart', 'backup', 'exclude-caches', 'if-changed', 'zsh']) assert.ok(script.includes(word), word)
    })
  }

  it('for bash completes', async () => {
    const script = completionScript('bash', commandNodes(await program()))
    const complete = (...words: string[]) => {
      const run = `${script}\nCOMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}; _terp; printf '%s\\n' "\${COMPREPLY[@]}"`
      return execFileSync('bash', ['-c', run], { encoding: 'utf8' }).trim().split('\n')
    }
    assert.deepEqual(complete('terp', 'qu'), ['quickstart'])
    assert.deepEqual(complete('terp', 'pool', 're'), ['restore', 'register'])
    assert.deepEqual(complete('terp', 'pool', 'restore', '--overwrite', 'if'), ['if-changed'])
    assert.deepEqual(complete('terp', 'pool', 'backup', '--exclude-'), ['--exclude-caches'])
  })
})

describe('pool init', () => {
  const place = (t: TestContext) => {
    const folder = temporaryFolder(t)
    const at = (name: string) => join(folder, name)
    return { at, key: at('key'), pool: at('deep/pool') }
  }

  it('makes folder, key file and recovery key, and both open the pool', async (t) => {
    const { at, key, pool } = place(t)
    const made = await terp('pool', 'init', pool, '--key-file', key, '--recovery-key-out', at('recovery'))
    assert.deepEqual([made.exitCode, made.out], [0, `made the pool ${pool}\n`])
    assert.match(readFileSync(key, 'utf8'), /^[0-9a-f]{64}\n$/)
    assert.match(readFileSync(at('recovery'), 'utf8'), /^#.*\n#.*\n([a-z]+ ){23}[a-z]+\n$/)
    for (const file of [key, at('recovery')]) {
      assert.equal(statSync(file).mode & 0o777, 0o600)
      const { exitCode, out } = await terp('pool', 'list', pool, '--key-file', file, '--json')
      assert.deepEqual([exitCode, JSON.parse(out)], [0, []])
    }
    writeFileSync(at('other'), 'x'.repeat(64))
    assert.equal((await terp('pool', 'list', pool, '--key-file', at('other'))).exitCode, 12)
  })

  it('warns when there is one key slot only, and shows no words to nobody', async (t) => {
    const { key, pool } = place(t)
    const { exitCode, out, err } = await terp('pool', 'init', pool, '--key-file', key)
    assert.equal(exitCode, 0)
    assert.match(err, /only one key slot/)
    assert.equal(out, `made the pool ${pool}\n`)
    const { out: summary } = await terp('pool', 'init', `${pool}-2`, '--key-file', key, '--json')
    assert.deepEqual(
      JSON.parse(summary).warnings.map(({ code }: { code: string }) => code),
      ['ONE_KEY_SLOT'],
    )
  })

  it('refuses a pool, a full folder, a file, and to overwrite a recovery key, and changes nothing', async (t) => {
    const { at, key, pool } = place(t)
    await terp('pool', 'init', pool, '--key-file', key)
    const code = async (...given: string[]) => {
      const { exitCode, err } = await terp('pool', 'init', ...given)
      return [exitCode, /^code: (\w+)/m.exec(err)?.[1]]
    }
    assert.deepEqual(await code(pool, '--key-file', key), [15, 'REPOSITORY_EXISTS'])
    mkdirSync(at('full'))
    writeFileSync(at('full/letter'), 'dear')
    assert.deepEqual(await code(at('full'), '--key-file', key), [15, 'REPOSITORY_FOLDER_NOT_EMPTY'])
    assert.deepEqual(await code(at('full/letter'), '--key-file', key), [2, 'USAGE_INVALID'])
    assert.deepEqual(await code(at('new'), '--key-file', at('new-key'), '--recovery-key-out', key), [15, 'FILE_EXISTS'])
    assert.deepEqual(await code(at('new')), [2, 'USAGE_INVALID'])
    assert.deepEqual(await code(at('new'), '--key-file', at('new/key')), [2, 'USAGE_INVALID'])
    writeFileSync(at('short'), 'too short')
    assert.deepEqual(await code(at('new'), '--passphrase-file', at('short')), [12, 'PASSPHRASE_INVALID'])
    assert.ok(!existsSync(at('new')) && !existsSync(at('new-key')))
  })
})
