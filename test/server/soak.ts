/**
 * A server over days of simulated time, killed at random moments:
 *
 *   npm run soak -- --server three-machines --hours 72 --kills 100 --seed 1
 *   npm run soak -- --server thirty-days --days 30 --kills 200 --seed 1
 *
 * Of the first, the work is done by a process of its own in the server's network namespace, so that this one can remove the namespaces however that ends.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { NetworkNamespaces, whyNoNamespaces } from '../support/network-namespaces.ts'
import { thirtyDays } from './thirty-days.ts'
import { threeMachines } from './three-machines.ts'

const INSIDE = 'TERP_SOAK_INSIDE'

const { values } = parseArgs({
  options: {
    server: { type: 'string', default: 'three-machines' },
    seed: { type: 'string', default: String(process.pid) },
    kills: { type: 'string' },
    hours: { type: 'string', default: '72' },
    days: { type: 'string', default: '30' },
    'cool-off-days': { type: 'string', default: '1' },
    'agent-kills': { type: 'string', default: '9' },
    cuts: { type: 'string', default: '3' },
    'cut-hours': { type: 'string', default: '5' },
    slow: { type: 'string', default: '30' },
    fast: { type: 'string' },
    folder: { type: 'string', default: '/tmp' },
    keep: { type: 'boolean', default: false },
  },
})
const began = performance.now()
const log = (text: string) => console.log(`${String(Math.round((performance.now() - began) / 1000)).padStart(5)} s  ${text}`)

const pace = { seed: values.seed, slow: Number(values.slow), log }

if (process.env[INSIDE] !== undefined) await inside()
else if (values.server === 'three-machines') await inNamespaces()
else if (values.server === 'thirty-days') await inFolder(days)
else throw new Error(`there is no soak ${values.server}`)

async function inNamespaces(): Promise<void> {
  const why = whyNoNamespaces()
  if (why !== false) return console.log(`soak: skipped: ${why}`)
  await inFolder(async (folder) => {
    const network = new NetworkNamespaces(3)
    const stop = new AbortController()
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop.abort())
    try {
      const args = ['--disable-warning=ExperimentalWarning', import.meta.filename, ...process.argv.slice(2), '--seed', values.seed]
      const [program = '', ...rest] = ['setpriv', '--pdeathsig', 'KILL', ...network.server.under, process.execPath, ...args]
      const env = { ...process.env, [INSIDE]: JSON.stringify({ folder, network }) }
      const child = spawn(program, rest, { stdio: 'inherit', env })
      stop.signal.addEventListener('abort', () => child.kill('SIGKILL'))
      const code = await new Promise<number>((resolve) => child.on('close', (status) => resolve(status ?? 1)))
      if (code !== 0) throw new Error(`three machines ended with ${code}`)
    } finally {
      network.remove()
    }
  })
}

/** Gone afterwards, unless it failed and is to be looked at. */
async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(values.folder, 'terp-soak-'))
  let hasFailed = true
  try {
    await work(folder)
    hasFailed = false
  } finally {
    if (hasFailed && values.keep) console.log(`soak: kept ${folder}`)
    else rmSync(folder, { recursive: true, force: true })
  }
}

async function inside(): Promise<void> {
  const { folder, network } = JSON.parse(process.env[INSIDE] ?? '') as {
    folder: string
    network: Pick<NetworkNamespaces, 'server' | 'agents'>
  }
  const { hours, cuts } = values
  const serverKills = Number(values.kills ?? 100)
  log(`soak: three machines, seed ${values.seed}, ${hours} hours, ${serverKills} kills`)
  const counts = await threeMachines({
    ...pace,
    folder,
    network: { ...network, setLine: NetworkNamespaces.prototype.setLine },
    hours: Number(hours),
    serverKills,
    agentKills: Number(values['agent-kills']),
    cuts: Number(cuts),
    cutHours: Number(values['cut-hours']),
    fast: Number(values.fast ?? 600),
  })
  log(`soak: ${JSON.stringify(counts)}`)
}

async function days(folder: string): Promise<void> {
  const serverKills = Number(values.kills ?? 200)
  log(`soak: thirty days, seed ${values.seed}, ${values.days} days, ${serverKills} kills`)
  const numbers = { days: Number(values.days), coolOffDays: Number(values['cool-off-days']), fast: Number(values.fast ?? 2000) }
  const counts = await thirtyDays({ ...pace, ...numbers, folder, serverKills })
  log(`soak: ${JSON.stringify(counts)}`)
}
