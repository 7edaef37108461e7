/** The program itself across the changes of daylight saving: server and agent run under a clock that is set to shortly before them (faketime). */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { it, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { generateSync } from 'otplib'
import { type Json, killHard, lastLine, startTerp, terp } from '../support/terp.ts'

const hasFaketime = spawnSync('faketime', ['--version']).status === 0

it('§3.4, complaint 15: a backup at 02:30 runs at the end of the gap, and once in the hour that comes twice', {
  skip: hasFaketime ? false : 'needs faketime',
  timeout: 1_500_000,
}, async (t) => {
  const folder = mkdtempSync('/tmp/terp-summer-time-')
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const at = (...names: string[]) => join(folder, ...names)
  mkdirSync(at('sources'))
  writeFileSync(at('sources/a'), 'a')
  writeFileSync(at('password'), 'correct horse battery staple\n')

  let offsetSec = 0
  const under = () => ['faketime', '-f', `${offsetSec >= 0 ? '+' : ''}${offsetSec}s`]
  const nowSec = () => Math.floor(Date.now() / 1000) + offsetSec
  const setClock = (time: string) => {
    offsetSec = Math.round((Date.parse(time) - Date.now()) / 1000)
  }
  const ok = (...args: string[]): Json => {
    const ran = terp([...args, '--json'], { env: { XDG_CONFIG_HOME: at('config') }, under: under() })
    assert.equal(ran.code, 0, `terp ${args.join(' ')}\n${ran.stdout}${ran.stderr}`)
    return lastLine(ran.stdout)
  }
  const start = async (outer: TestContext, args: readonly string[]) => {
    const { child, ended } = startTerp(args, { under: under() })
    outer.after(() => killHard(child))
    let text = ''
    while (!text.includes('\n')) {
      const stdout = child.stdout as NonNullable<typeof child.stdout>
      const [data] = await Promise.race([once(stdout, 'data'), ended.then((ran) => assert.fail(ran.stderr))])
      text += data
    }
    const stop = async () => {
      // `faketime` passes no signal on: the whole group is told.
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGTERM')
      await ended
    }
    return { first: JSON.parse(text.split('\n')[0] as string), stop }
  }
  const portOf = (url: string) => new URL(url).port

  // All is made the evening before.
  setClock('2026-03-28T20:00:00Z')
  const run = async (port: string, agentPort: string) =>
    await start(t, ['server', 'start', '--data', at('server'), '--port', port, '--agent-port', agentPort, '--json'])
  let server = await run('0', '0')
  const { address, agent_address: agentAddress, fingerprint } = server.first
  const who = ['login', '--server', address, '--fingerprint', fingerprint, '--name', 'admin', '--password-file', at('password')]
  ok(...who, '--setup-secret-file', at('server/setup-secret'))
  const { secret } = ok('user', 'totp')
  const code = (aheadSec: number) => generateSync({ secret, epoch: nowSec() + aheadSec })
  ok('user', 'totp', '--confirm', code(0))
  ok(...who, '--totp', code(30))
  ok('storage', 'add', at('pool'), '--name', 'one', '--confirm', at('pool'), '--recovery-words-out', at('words'))
  ok('agent', 'token', '--out', at('token'))
  ok('agent', 'enroll', '--token-file', at('token'), '--data', at('agent'), '--name', 'machine')
  const runAgent = async () => await start(t, ['agent', 'start', '--data', at('agent'), '--json'])
  let agent = await runAgent()
  const shortTerm = { recoveryPoints: { kind: 'cron', expression: '30 2 * * *' }, synchronisation: { kind: 'before-recovery-point' } }
  const group = { name: 'all', timeZone: 'Europe/Amsterdam', members: [{ agent: 'machine', path: at('sources') }], shortTerm }
  writeFileSync(at('policy.yaml'), JSON.stringify({ settings: { protection: { spreadSeconds: 0 } }, groups: [group] }))
  ok('apply', '-f', at('policy.yaml'))
  const [first] = ok('job', 'list', '--type', 'replica-creation')
  ok('job', 'watch', first.id)

  const restartAt = async (time: string) => {
    await agent.stop()
    await server.stop()
    setClock(time)
    server = await run(portOf(address), portOf(agentAddress))
    agent = await runAgent()
    // A code is good for a minute, and on a busy machine the program may take longer to begin.
    for (let tries = 3; ; tries--) {
      const ran = terp([...who, '--totp', code(30), '--json'], { env: { XDG_CONFIG_HOME: at('config') }, under: under() })
      if (ran.code === 0) break
      assert.ok(tries > 0, ran.stderr)
    }
  }
  const until = async (time: string) => {
    while (nowSec() * 1000 < Date.parse(time)) await sleep(1000)
  }
  const due = (): string[] =>
    ok('job', 'list', '--type', 'recovery-point')
      .filter(({ state }: Json) => state === 'completed')
      .map((job: Json) => job.due)
      .sort()
  const isMade = async (wanted: string) => {
    for (let n = 0; n < 120 && !due().includes(wanted); n++) await sleep(2000)
    assert.ok(due().includes(wanted), `${wanted} in ${due()}`)
  }

  // At 01:00 UTC the wall clock goes from 02:00 to 03:00.
  await restartAt('2026-03-29T00:59:00Z')
  assert.deepEqual(due(), [])
  await until('2026-03-29T01:00:05Z')
  await isMade('2026-03-29T01:00:00.000Z')

  // In autumn 02:30 comes at 00:30 and again at 01:30 UTC. What was missed in between is made up for once, by the run of the day before.
  await restartAt('2026-10-25T00:29:00Z')
  await isMade('2026-10-24T00:30:00.000Z')
  await until('2026-10-25T00:30:05Z')
  await isMade('2026-10-25T00:30:00.000Z')
  await restartAt('2026-10-25T01:29:00Z')
  await until('2026-10-25T01:31:00Z')
  assert.deepEqual(due(), ['2026-03-29T01:00:00.000Z', '2026-10-24T00:30:00.000Z', '2026-10-25T00:30:00.000Z'])
  await agent.stop()
  await server.stop()
})
