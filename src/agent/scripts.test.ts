/** Scripts before and after a backup: only what the machine's administrator put there, for as long as it may run, and nothing of it after that. */
import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { temporaryFolder } from '../../test/support/temporary-folder.ts'
import { hasCode } from '../base/errors.ts'
import { startOperation } from '../base/operation.ts'
import { runScript } from './scripts.ts'

function aScript(t: TestContext, text: string, mode = 0o755) {
  const folder = join(temporaryFolder(t), 'scripts')
  mkdirSync(folder, { mode: 0o755 })
  writeFileSync(join(folder, 'hook'), `#!/bin/sh\n${text}\n`)
  chmodSync(join(folder, 'hook'), mode)
  const run = (more: { args?: readonly string[]; timeoutMs?: number; succeeded?: boolean; path?: string; signal?: AbortSignal } = {}) =>
    runScript(startOperation(more.signal ? { signal: more.signal } : {}), {
      path: more.path ?? '/anywhere/hook',
      folder,
      timeoutMs: more.timeoutMs ?? 20_000,
      succeeded: more.succeeded,
      jobId: 'a'.repeat(32),
      ...(more.args && { arguments: more.args }),
    })
  return { folder, run }
}

const isFailed = (pattern: RegExp) => (error: unknown) => hasCode(error, 'AGENT_SCRIPT_FAILED') && pattern.test(error.message)
const isForbidden = (error: unknown) => hasCode(error, 'AGENT_SCRIPT_FORBIDDEN')

test('it is told the job, and afterwards how that went', async (t) => {
  const { folder, run } = aScript(t, 'echo "$TERP_JOB [$TERP_SUCCEEDED] [$1] [$HOME]" >> "$(dirname "$0")/out"')
  await run()
  await run({ succeeded: false })
  assert.equal(readFileSync(join(folder, 'out'), 'utf8'), `${'a'.repeat(32)} [] [] []\n${'a'.repeat(32)} [false] [false] []\n`)
})

test('§3.10: arguments of the group come as they are, whatever a shell would make of them, and how it went comes last', async (t) => {
  const { folder, run } = aScript(t, 'for word in "$@"; do echo "<$word>"; done >> "$(dirname "$0")/out"')
  const args = ['--db', 'a b', '$(touch here); `x`', '']
  await run({ args })
  await run({ args: ['z'], succeeded: true })
  assert.equal(readFileSync(join(folder, 'out'), 'utf8'), '<--db>\n<a b>\n<$(touch here); `x`>\n<>\n<z>\n<true>\n')
  await assert.rejects(run({ args: ['a\0b'] }), isForbidden)
})

test('a status that is not 0 is told with the last words', async (t) => {
  await assert.rejects(aScript(t, 'echo no database >&2; exit 3').run(), isFailed(/ended with status 3: no database/))
})

test('only programs in the folder, which nobody else can change', async (t) => {
  const { folder, run } = aScript(t, 'true')
  for (const path of ['other', '..', '/bin/sh', '']) await assert.rejects(run({ path }), isForbidden)
  await assert.rejects(aScript(t, 'true', 0o775).run(), isForbidden)
  chmodSync(folder, 0o777)
  await assert.rejects(run(), isForbidden)
})

test('when its time is up it ends with all that it started', async (t) => {
  const { folder, run } = aScript(t, '(sleep 1; touch "$(dirname "$0")/late") & sleep 30')
  await assert.rejects(run({ timeoutMs: 200 }), isFailed(/was ended after/))
  await startOperation().clock.sleep(1200)
  assert.equal(existsSync(join(folder, 'late')), false)
})

test('what it leaves running on purpose is not waited for', async (t) => {
  const clock = startOperation().clock
  const startMs = clock.monotonicMs()
  await aScript(t, 'sleep 20 &').run()
  assert.ok(clock.monotonicMs() - startMs < 10_000)
})

test('it ends with the job', async (t) => {
  const over = new AbortController()
  const running = aScript(t, 'sleep 30').run({ signal: over.signal })
  const ended = assert.rejects(running, isFailed(/interrupted/))
  await startOperation().clock.sleep(50)
  over.abort()
  await ended
})

test('what can not be run is told', async (t) => {
  const { folder, run } = aScript(t, 'true')
  writeFileSync(join(folder, 'text'), 'no program')
  chmodSync(join(folder, 'text'), 0o644)
  await assert.rejects(run({ path: 'text' }), isFailed(/could not be run \(EACCES\)/))
})
