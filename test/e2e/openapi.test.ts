/** The description of the API is enough: a client that a generator makes of it, and nothing else, runs a backup and a restore on a real server. */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { it, type TestContext } from 'node:test'
import { validate } from '@readme/openapi-parser'
import { generate } from 'openapi-typescript-codegen'
import { generateSync } from 'otplib'
import { assertSameTree } from '../support/compare-trees.ts'
import { type Json, killHard, lastLine, startTerp, terp } from '../support/terp.ts'

const ROOT = join(import.meta.dirname, '../..')

/** Until its first line is there. */
async function start(t: TestContext, args: readonly string[]): Promise<Json> {
  const { child, ended } = startTerp([...args, '--json'])
  t.after(async () => {
    killHard(child)
    await ended
  })
  let printed = ''
  while (!printed.includes('\n')) {
    const [data] = await Promise.race([
      once(child.stdout as NonNullable<typeof child.stdout>, 'data'),
      ended.then((ran) => assert.fail(ran.stderr)),
    ])
    printed += data
  }
  return JSON.parse(printed.split('\n')[0] as string)
}

function read(url: string, ca: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { ca, agent: false }, (answer) => text(answer).then(resolve, reject))
    sent.on('error', reject)
    sent.end()
  })
}

it('a client that is generated from the description of the API runs a backup and a restore', { timeout: 900_000 }, async (t) => {
  const folder = mkdtempSync('/tmp/terp-openapi-e2e-')
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const at = (...names: string[]) => join(folder, ...names)
  const env = { XDG_CONFIG_HOME: at('config') }
  const ok = (...args: string[]): Json => {
    const ran = terp([...args, '--json'], { env })
    assert.equal(ran.code, 0, `terp ${args.join(' ')}\n${ran.stdout}${ran.stderr}`)
    return lastLine(ran.stdout)
  }
  mkdirSync(at('source/deep'), { recursive: true })
  writeFileSync(at('source/a.txt'), 'hello\n')
  writeFileSync(at('source/deep/b.bin'), Buffer.alloc(1_000_000, 'terp'))
  writeFileSync(at('password'), 'correct horse battery staple\n')

  const { address } = await start(t, ['server', 'start', '--data', at('server'), '--port', '0', '--agent-port', '0'])
  const ca = readFileSync(at('server/tls/certificate.pem'), 'utf8')
  const description = JSON.parse(await read(`${address}/api/v1/openapi.json`, ca))
  assert.equal((await validate(structuredClone(description))).valid, true)
  writeFileSync(at('openapi.json'), JSON.stringify(description))
  await generate({ input: at('openapi.json'), output: at('client'), useUnionTypes: true, httpClient: 'fetch' })
  const strict = '--noEmit --strict --skipLibCheck --target es2022 --module esnext --moduleResolution bundler --lib es2022,dom'.split(' ')
  const checked = spawnSync(join(ROOT, 'node_modules/.bin/tsc'), [...strict, '--ignoreConfig', at('client/index.ts')], {
    encoding: 'utf8',
    cwd: folder,
  })
  assert.equal(checked.status, 0, checked.stdout)

  const who = ['login', '--data', at('server'), '--name', 'admin', '--password-file', at('password')]
  ok(...who)
  const { secret } = ok('user', 'totp')
  // Right after the password: both are proved, and what needs a fresh proof can be done.
  ok('user', 'totp', '--confirm', generateSync({ secret }))
  ok('storage', 'add', at('pool'), '--name', 'one', '--confirm', at('pool'), '--recovery-words-out', at('words'))
  ok('token', 'create', 'generated', '--role', 'backup-admin', '--out', at('api-token'))
  ok('agent', 'token', '--out', at('agent-token'))
  ok('agent', 'enroll', '--token-file', at('agent-token'), '--data', at('agent'), '--name', 'machine')
  await start(t, ['agent', 'start', '--data', at('agent')])

  const token = readFileSync(at('api-token'), 'utf8').trim()
  const program = join(ROOT, 'test/support/openapi-client.ts')
  const given = ['--disable-warning=ExperimentalWarning', program, at('client'), address, token, 'machine', at('source'), at('back')]
  const clientEnv = { ...process.env, NODE_EXTRA_CA_CERTS: at('server/tls/certificate.pem') }
  const done = JSON.parse(execFileSync(process.execPath, given, { encoding: 'utf8', env: clientEnv, timeout: 600_000 }))
  assert.deepEqual(done, {
    group: 'generated',
    states: ['completed', 'completed', 'completed'],
    planned: 2,
    file: 'hello\n',
    missing: [404, 'CATALOG_RECORD_NOT_FOUND'],
  })
  assertSameTree(at('source'), join(at('back'), at('source')))
})
