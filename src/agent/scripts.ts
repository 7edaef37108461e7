/**
 * Scripts before and after a backup. The server names one; which ones there are is for the machine's own administrator to say, by what lies in the agent's scripts
 * folder: so who takes over the server can't run what he likes here.
 */
import { spawn } from 'node:child_process'
import { stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { letOthersRun } from '../base/clock.ts'
import type { Operation } from '../base/operation.ts'
import { agentProgramError } from './errors.ts'

export interface ScriptRun {
  /** A name in the folder, or a path that ends with one. */
  readonly path: string
  readonly folder: string
  readonly timeoutMs: number
  /** Of the backup, for the script after it; undefined before. */
  readonly succeeded: boolean | undefined
  readonly jobId: string
  /** As the group says; after them comes how the backup went. */
  readonly arguments?: readonly string[]
}

/** Others may not be able to change what runs as the agent. */
const WRITABLE_BY_OTHERS = 0o022
const MOST_OUTPUT = 65_536

/** AGENT_SCRIPT_FORBIDDEN, AGENT_SCRIPT_FAILED. */
export async function runScript(
  op: Operation,
  { path, folder, timeoutMs, succeeded, jobId, arguments: given = [] }: ScriptRun,
): Promise<void> {
  const name = basename(path)
  const program = join(folder, name)
  const place = await stat(folder).catch(() => undefined)
  if (place && (place.mode & WRITABLE_BY_OTHERS) !== 0)
    throw agentProgramError('AGENT_SCRIPT_FORBIDDEN', `${folder} may be changed by others than its owner`)
  const found = await stat(program).catch(() => undefined)
  if (!found?.isFile()) throw agentProgramError('AGENT_SCRIPT_FORBIDDEN', `there is no script ${name} in ${folder}`)
  if ((found.mode & WRITABLE_BY_OTHERS) !== 0)
    throw agentProgramError('AGENT_SCRIPT_FORBIDDEN', `${program} may be changed by others than its owner`)
  const env = {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    TERP_JOB: jobId,
    ...(succeeded === undefined ? {} : { TERP_SUCCEEDED: String(succeeded) }),
  }
  for (const text of given)
    if (text.includes('\0')) throw agentProgramError('AGENT_SCRIPT_FORBIDDEN', `an argument of ${name} has a zero byte`)
  // No shell reads them.
  const args = succeeded === undefined ? given : [...given, String(succeeded)]
  const { how, errors } = await run(op, program, args, env, timeoutMs)
  if (how !== undefined) throw agentProgramError('AGENT_SCRIPT_FAILED', `${name} ${how}: ${errors.trim().slice(-500)}`)
}

/** With all that it starts as one group, so that nothing of it is left when its time is up. What it leaves behind on purpose is not waited for. */
function run(
  op: Operation,
  program: string,
  args: readonly string[],
  env: Record<string, string>,
  timeoutMs: number,
): Promise<{ readonly how: string | undefined; readonly errors: string }> {
  return new Promise((resolve) => {
    const child = spawn(program, args, { env, detached: true, stdio: ['ignore', 'ignore', 'pipe'] })
    let errors = ''
    let killed: string | undefined
    const over = new AbortController()
    const kill = (why: string) => {
      killed = why
      try {
        if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
      } catch {
        // It ended by itself just now.
      }
    }
    const onAbort = () => kill('was interrupted')
    if (op.signal.aborted) onAbort()
    op.signal.addEventListener('abort', onAbort, { once: true })
    op.clock.sleep(timeoutMs, over.signal).then(
      () => kill(`was ended after ${Math.round(timeoutMs / 1000)} s`),
      () => undefined,
    )
    const end = (how: string | undefined) => {
      over.abort()
      op.signal.removeEventListener('abort', onAbort)
      child.stderr.destroy()
      resolve({ how, errors })
    }
    child.stderr.on('data', (part: Buffer) => {
      errors = (errors + part.toString('utf8')).slice(-MOST_OUTPUT)
    })
    child.on('error', (error: NodeJS.ErrnoException) => end(`could not be run (${String(error.code)})`))
    child.on('exit', (code, signal) => {
      const how = killed ?? (code === 0 ? undefined : signal ? `was ended by ${signal}` : `ended with status ${code}`)
      // What it wrote last is still on its way.
      void letOthersRun().then(() => end(how))
    })
  })
}
