/** The whole way with the program itself: a server, its first account, a pool volume, an agent, a policy from a file, a backup, and everything back. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { it, type TestContext } from 'node:test'
import { generateSync } from 'otplib'
import { assertSameTree } from '../support/compare-trees.ts'
import { type Json, killHard, lastLine, type Ran, startTerp, terp } from '../support/terp.ts'

interface Program {
  readonly first: string
  stop(): Promise<Ran>
}

/** Until its first line is there. */
async function start(t: TestContext, args: readonly string[]): Promise<Program> {
  const { child, ended } = startTerp(args)
  t.after(() => killHard(child))
  let text = ''
  while (!text.includes('\n')) {
    const [data] = await Promise.race([
      once(child.stdout as NonNullable<typeof child.stdout>, 'data'),
      ended.then((ran) => assert.fail(ran.stderr)),
    ])
    text += data
  }
  return {
    first: text.split('\n')[0] as string,
    async stop() {
      child.kill('SIGTERM')
      return await ended
    },
  }
}

it('a server protects a machine and gives back what it took', { timeout: 300_000 }, async (t) => {
  const folder = mkdtempSync('/tmp/terp-server-e2e-')
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const at = (...names: string[]) => join(folder, ...names)
  const env = { XDG_CONFIG_HOME: at('config') }
  const ok = (...args: string[]): Json => {
    const ran = terp([...args, '--json'], { env })
    assert.equal(ran.code, 0, `terp ${args.join(' ')}\n${ran.stdout}${ran.stderr}`)
    return lastLine(ran.stdout)
  }
  const sources = at('sources')
  mkdirSync(join(sources, 'deep'), { recursive: true })
  writeFileSync(join(sources, 'a.txt'), 'hello\n')
  writeFileSync(join(sources, 'deep/b.bin'), Buffer.alloc(3_000_000, 'terp'))
  writeFileSync(at('password'), 'correct horse battery staple\n')

  const server = await start(t, ['server', 'start', '--data', at('server'), '--port', '0', '--agent-port', '0', '--json'])
  const ready = JSON.parse(server.first)
  assert.match(ready.setup_secret, /^[\w-]{43}$/)

  const who = ['login', '--server', ready.address, '--fingerprint', ready.fingerprint, '--name', 'admin', '--password-file', at('password')]
  assert.deepEqual(ok(...who, '--setup-secret-file', at('server/setup-secret')).must_do, ['enrol-totp'])
  const { secret } = ok('user', 'totp')
  // One code is good once: the next is that of the step to come.
  const code = (aheadSec: number) => generateSync({ secret, epoch: Math.floor(Date.now() / 1000) + aheadSec })
  ok('user', 'totp', '--confirm', code(0))
  ok(...who, '--totp', code(30))

  const { file } = ok('storage', 'add', at('pool'), '--name', 'one', '--confirm', at('pool'), '--recovery-words-out', at('words'))
  assert.equal(readFileSync(file, 'utf8').trim().split(' ').length, 24)
  ok('agent', 'token', '--out', at('token'))
  ok('agent', 'enroll', '--token-file', at('token'), '--data', at('agent'), '--name', 'machine')
  const agent = await start(t, ['agent', 'start', '--data', at('agent'), '--json'])
  assert.equal(JSON.parse(agent.first).state, 'connected')
  assert.equal(ok('agent', 'status', '--data', at('agent')).is_running, true)
  assert.equal(terp(['agent', 'start', '--data', at('agent')]).code, 11)

  const policy = {
    settings: { general: { serverName: 'Berlin' } },
    groups: [{ name: 'all', members: [{ agent: 'machine', path: sources }] }],
  }
  writeFileSync(at('policy.yaml'), JSON.stringify(policy))
  const drift = () => terp(['drift', '-f', at('policy.yaml')], { env }).code
  assert.deepEqual(
    ok('plan', '-f', at('policy.yaml')).changes.map(({ act, kind }: Json) => `${act} ${kind}`),
    ['change setting', 'create group'],
  )
  assert.equal(drift(), 3)
  assert.equal(ok('apply', '-f', at('policy.yaml')).done.length, 2)
  assert.equal(drift(), 0)
  writeFileSync(at('policy.yaml'), JSON.stringify({ ...policy, groups: [{ ...policy.groups[0], slaHours: 24 }] }))
  assert.deepEqual(ok('plan', '-f', at('policy.yaml')).changes[0].differences, [{ path: 'slaHours', wanted: 24 }])
  ok('apply', '-f', at('policy.yaml'))
  assert.equal(drift(), 0)

  const [job] = ok('job', 'list', '--type', 'replica-creation')
  ok('job', 'watch', job.id)
  const [source] = ok('source', 'list')
  assert.equal(source.points, 1)
  assert.equal(ok('recovery-point', 'create', source.id, '--wait').state, 'completed')
  assert.equal(ok('recovery-point', 'restore', 'latest', '--source', source.id, '--target', at('back'), '--wait').state, 'completed')
  assertSameTree(sources, join(at('back'), sources))
  ok('recovery-point', 'download', 'latest', join(sources, 'deep/b.bin'), '--source', source.id, '--out', at('b.bin'))
  assert.ok(readFileSync(at('b.bin')).equals(readFileSync(join(sources, 'deep/b.bin'))))
  assert.equal(terp(['Get-DPMCloudConnection'], { env }).stdout, 'False\n')
  assert.equal(ok('audit', 'verify').broken, undefined)

  assert.equal((await agent.stop()).code, 0)
  assert.equal((await server.stop()).code, 0)
  const away = terp(['status', '--json'], { env })
  assert.deepEqual([away.code, lastLine(away.stdout).code], [13, 'SERVER_UNREACHABLE'])
})
