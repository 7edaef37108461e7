/** Short versions of what `npm run soak -- --server …` does for days: real processes, simulated time, kills. Longer ones: test/server/soak.ts. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { it } from 'node:test'
import { promisify } from 'node:util'
import { whyNoNamespaces } from '../support/network-namespaces.ts'

const SOAK = join(import.meta.dirname, 'soak.ts')

/** What it counted. */
async function soak(...args: string[]): Promise<Record<string, number>> {
  const options = ['--disable-warning=ExperimentalWarning', SOAK, ...args]
  const { stdout } = await promisify(execFile)(process.execPath, options, { maxBuffer: 1 << 26 })
  const last = stdout.trim().split('\n').at(-1) ?? ''
  return JSON.parse(last.slice(last.indexOf('{')))
}

const skip = whyNoNamespaces()

it('three machines lose nothing that was acknowledged when their server, an agent and a line fail', {
  timeout: 900_000,
  skip,
}, async () => {
  const args = ['--hours', '5', '--kills', '6', '--agent-kills', '1', '--cuts', '1', '--cut-hours', '0.5', '--seed', '1']
  const counts = await soak('--server', 'three-machines', ...args)
  assert.ok((counts.serverKills ?? 0) >= 6 && counts.agentKills === 1 && counts.cuts === 1, JSON.stringify(counts))
  assert.ok((counts.restored ?? 0) >= 6, JSON.stringify(counts))
})

it('a server that is killed while it expires and prunes keeps what policy keeps, and nothing else', { timeout: 900_000 }, async () => {
  const counts = await soak('--server', 'thirty-days', '--days', '1', '--cool-off-days', '0', '--kills', '6', '--seed', '1')
  assert.ok((counts.serverKills ?? 0) >= 6 && (counts.pruned ?? 0) > 0, JSON.stringify(counts))
})
