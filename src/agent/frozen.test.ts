/** §3.10: what a script froze does not stay frozen, whatever becomes of the job, of the script after it, and of the agent. */
import assert from 'node:assert/strict'
import { fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type AgentServer, aBackup, anAgentServer } from '../../test/support/agent-server.ts'
import { noise, writeFiles } from '../../test/support/pool.ts'
import { needsVolumes, Volumes } from '../../test/support/volumes.ts'
import { systemDisk } from '../platform/index.ts'
import { enroll } from './enroll.ts'

const skip = needsVolumes('mkfs.ext4', 'fsfreeze')

interface Scene {
  readonly server: AgentServer
  readonly agentId: string
  /** Of the protected volume. */
  readonly source: string
  readonly child: ReturnType<typeof fork>
  readonly folder: string
  /** A script of the agent: what it does with the volume `$V`. */
  script(name: string, text: string): void
}

async function aScene(t: TestContext): Promise<Scene> {
  const volumes = new Volumes(t)
  const { path } = volumes.make('ext4', 100)
  const source = join(path, 'source')
  writeFiles(source, Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`${n}`, noise(`${n}`, 60_000)])))
  const server = await anAgentServer(t)
  const folder = join(volumes.folder, 'agent')
  const options = { disk: systemDisk(), folder, token: server.tokenText(server.token()), name: 'a1', version: 'v', replace: false }
  const { agentId } = await enroll(server.op, options)
  mkdirSync(join(folder, 'scripts'), { mode: 0o700 })
  const child = fork(join(import.meta.dirname, 'agent-process.fixture.ts'), [folder], {
    execArgv: ['--disable-warning=ExperimentalWarning'],
  })
  t.after(() => child.kill('SIGKILL'))
  const script = (name: string, text: string) =>
    writeFileSync(join(folder, 'scripts', name), `#!/bin/sh\nV=${path}\n${text}\n`, { mode: 0o700 })
  return { server, agentId, source, child, folder, script }
}

/** Ends once somebody can write to the volume, after so many milliseconds. */
async function written(server: AgentServer, source: string): Promise<number> {
  const startMs = server.op.clock.monotonicMs()
  await once(spawn('touch', [join(source, 'written')]), 'exit')
  return server.op.clock.monotonicMs() - startMs
}

const until = async (server: AgentServer, what: () => boolean) => {
  while (!what()) await server.op.clock.sleep(50)
}

test('§3.10: an agent that is killed while a script holds a volume still: writers go on', { skip, timeout: 120_000 }, async (t) => {
  const { server, agentId, source, child, folder, script } = await aScene(t)
  script('freeze', `fsfreeze -f $V; touch ${join(folder, 'is-frozen')}; sleep 600`)
  server.desk.begin(agentId, { ...aBackup(source), scripts: { before: 'freeze', timeoutMs: 60_000 } })
  await until(server, () => existsSync(join(folder, 'is-frozen')))
  const writer = written(server, source)
  await server.op.clock.sleep(500)
  child.kill('SIGKILL')
  const ms = await writer
  assert.ok(ms >= 500 && ms < 40_000, `it waited ${ms} ms`)
})

test('§3.10: a volume that a script leaves frozen is thawed when its time is up, and the job goes on and tells', {
  skip,
  timeout: 120_000,
}, async (t) => {
  const { server, agentId, source, script } = await aScene(t)
  script('freeze', 'fsfreeze -f $V')
  const wish = { ...aBackup(source), scripts: { before: 'freeze', timeoutMs: 4000 }, throttle: 100_000 }
  const job = server.desk.begin(agentId, wish)
  await server.desk.until(() => (job.sessions > 0 ? true : undefined))
  const ms = await written(server, source)
  assert.ok(ms < 30_000, `it waited ${ms} ms`)
  const last = await server.desk.last(job)
  assert.equal(last.type, 'finished')
  const views = job.events.flatMap((event) => (event.type === 'step' && event.name === 'view' ? [event.detail ?? ''] : []))
  assert.match(views[0] ?? '', /a script holds the volume still/)
  const warned = job.events.flatMap((event) => (event.type === 'warning' ? [event.warning] : []))
  assert.deepEqual(
    warned.map(({ code }) => code),
    ['SOURCE_THAWED'],
  )
  assert.match(warned[0]?.message ?? '', /its time was up/)
})

test('§3.10: a volume that the script after the job forgets is thawed at its end; one that it thaws is no warning', {
  skip,
  timeout: 120_000,
}, async (t) => {
  const { server, agentId, source, script } = await aScene(t)
  script('freeze', 'fsfreeze -f $V')
  script('thaw', 'fsfreeze -u $V')
  script('forget', 'true')
  const warningsOf = async (after: string) => {
    const job = server.desk.begin(agentId, { ...aBackup(source), scripts: { before: 'freeze', after, timeoutMs: 60_000 } })
    assert.equal((await server.desk.last(job)).type, 'finished')
    await written(server, source)
    return job.events.flatMap((event) => (event.type === 'warning' ? [event.warning.code] : []))
  }
  assert.deepEqual(await warningsOf('thaw'), [])
  assert.deepEqual(await warningsOf('forget'), ['SOURCE_THAWED'])
})
