/** The agent as a process replaces its own file and goes on as what is in its place: the same process, another program. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { enroll } from '../../src/agent/index.ts'
import { systemDisk } from '../../src/platform/index.ts'
import type { AgentDesk } from '../../src/server/agents/desk.ts'
import { bundleLine } from '../../src/wire/index.ts'
import { anAgentServer, type TestJob } from '../support/agent-server.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const MAIN = join(import.meta.dirname, '../../src/main.ts')
const JOB = 'e'.repeat(32)

/** As the launcher of a single file does it, without the runtime in it. */
function aProgram(version: string, log: string): string {
  return `#!/bin/sh
${bundleLine({ version, arch: process.arch })}
TERP_BUNDLE=$(readlink -f "$0")
export TERP_BUNDLE
case "\${1:-}" in agent) ;; *) set -- agent "$@" ;; esac
echo "${version} $$ $*" >> ${log}
exec ${process.execPath} --disable-warning=ExperimentalWarning ${MAIN} "$@"
`
}

test('§10.12: an agent that takes updates goes on as the new file, as the same process', { timeout: 300_000 }, async (t) => {
  const root = temporaryFolder(t)
  const [own, log, folder] = [join(root, 'terp-agent'), join(root, 'log'), join(root, 'data')]
  writeFileSync(own, aProgram('0.0.1', log), { mode: 0o755 })
  const server = await anAgentServer(t)
  const token = server.tokenText(server.token())
  const { agentId } = await enroll(server.op, { disk: systemDisk(), folder, token, name: 'a', version: '0.0.1', replace: false })
  const next = Buffer.from(aProgram('0.0.2', log))
  const sha256 = createHash('sha256').update(next).digest('hex')
  const desk: AgentDesk = server.desk
  desk.bundlePart = async (asked, offset) => (asked === sha256 ? next.subarray(offset, offset + 100) : undefined)

  const child = spawn(own, ['start', '--data', folder, '--accept-updates', '--json'], { stdio: ['ignore', 'pipe', 'pipe'] })
  t.after(() => child.kill('SIGKILL'))
  let told = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (part: Buffer) => (told += part.toString('utf8')))
  const hellos = () => server.desk.agents.get(agentId)?.hellos ?? []
  const first = await server.desk.until(() => hellos()[0])
  assert.equal(first.platform.takesUpdates, true)
  const task = { kind: 'update', jobId: JOB, version: '0.0.2', sha256, sizeBytes: next.length } as const
  const job = { id: JOB, agentId, task, events: [], firsts: [], point: undefined, isCancelled: false, sessions: 0 }
  server.desk.jobs.set(JOB, job as unknown as TestJob)
  server.desk.send(agentId, task)
  const last = await server.desk.last(job as unknown as TestJob)
  assert.equal(last.type, 'finished', `${JSON.stringify(last)}\n${told}`)
  await server.desk.until(() => hellos()[1])
  const lines = readFileSync(log, 'utf8').trim().split('\n')
  const words = `agent start --data ${folder} --accept-updates --json`
  assert.deepEqual(lines, [`0.0.1 ${child.pid} agent start --data ${folder} --accept-updates --json`, `0.0.2 ${child.pid} ${words}`], told)
  assert.ok(readFileSync(own).equals(next))
  child.kill('SIGTERM')
  const [status] = await once(child, 'exit')
  assert.equal(status, 0, told)
})
