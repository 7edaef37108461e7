/**
 * The backup server under the load of many machines: 50 agents with 2,000 data sources, each brought up to date every 15 minutes.
 *
 *   npm run bench:server -- load [--minutes 60] [--agents 50] [--sources 2000] [--every 15] [--spread 900] [--looks 10] [--work FOLDER] [--cpu-prof FILE]
 *
 * Server, agents (two processes) and the one who looks at it (this process) share the machine. The first copies are made before the clock starts. What counts as met is
 * in `BARS`; all samples go to `server-load.json` in the work folder.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { parseArgs } from 'node:util'
import { spreadMs } from '../../src/protection/index.ts'
import { describeMachine } from '../machine.ts'
import type { Begin, FromAgents } from './agents-process.ts'
import { judge, type LoadResults, present, type RunFacts } from './load-report.ts'
import { aReader, type Caller, look } from './people.ts'
import type { ServerSample } from './server-process.ts'
import { endAll, messageOf, startServer } from './start-server.ts'

const AGENT_PROCESSES = 2
const FILES_IN_SOURCE = 8
const MINUTE_MS = 60_000
const GRACE_MS = 20_000

export interface LoadOptions {
  readonly minutes: number
  readonly agents: number
  readonly sources: number
  readonly everyMinutes: number
  readonly spreadSeconds: number
  readonly looksPerSecond: number
  readonly work: string
  readonly cpuProfile: string | undefined
}

export function readLoadOptions(args: string[]): LoadOptions {
  const { values } = parseArgs({
    args,
    options: {
      minutes: { type: 'string', default: '60' },
      agents: { type: 'string', default: '50' },
      sources: { type: 'string', default: '2000' },
      every: { type: 'string', default: '15' },
      spread: { type: 'string', default: '900' },
      looks: { type: 'string', default: '10' },
      work: { type: 'string', default: join(import.meta.dirname, '../../.bench') },
      'cpu-prof': { type: 'string' },
    },
  })
  const number = (name: 'minutes' | 'agents' | 'sources' | 'every' | 'spread' | 'looks') => {
    const value = Number(values[name])
    if (!(value > 0) && name !== 'spread') throw new Error(`--${name} is a number above 0`)
    return value
  }
  return {
    minutes: number('minutes'),
    agents: number('agents'),
    sources: number('sources'),
    everyMinutes: number('every'),
    spreadSeconds: number('spread'),
    looksPerSecond: number('looks'),
    work: resolve(values.work),
    cpuProfile: values['cpu-prof'] && resolve(values['cpu-prof']),
  }
}

export async function runLoad(options: LoadOptions): Promise<LoadResults> {
  mkdirSync(options.work, { recursive: true })
  const folder = mkdtempSync(join(options.work, 'server-load-'))
  const children: ChildProcess[] = []
  try {
    return await measure(options, folder, children)
  } finally {
    endAll(children)
    rmSync(folder, { recursive: true, force: true })
  }
}

async function measure(options: LoadOptions, folder: string, children: ChildProcess[]): Promise<LoadResults> {
  const say = (text: string) => console.log(`${new Date().toISOString().slice(11, 19)} ${text}`)
  const samples: ServerSample[] = []
  const warnings = new Map<string, number>()
  const told = {
    sample: (sample: ServerSample) => void samples.push(sample),
    warning: (code: string, message: string) => {
      if (!warnings.has(code)) say(`the server warns: ${code} ${message}`)
      warnings.set(code, (warnings.get(code) ?? 0) + 1)
    },
  }
  const server = await startServer(folder, children, told, options.cpuProfile)
  const { administrator } = server
  const settings = await administrator.ask('GET', '/settings/protection')
  const wanted = { ...settings.json, caps: 'lifted', spreadSeconds: options.spreadSeconds }
  await administrator.ask('PUT', '/settings/protection', wanted, { 'if-match': String(settings.headers.etag) })

  say(`${options.agents} agents are enrolled`)
  const perAgent = Math.ceil(options.sources / options.agents)
  const agents = Array.from({ length: options.agents }, (_, n) => ({
    name: `machine-${n}`,
    folder: join(folder, 'agents', String(n)),
    sources: Array.from({ length: Math.min(perAgent, options.sources - n * perAgent) }, (_, m) => join(folder, 'sources', `${n}-${m}`)),
  }))
  const enrolled = await startAgents(agents, administrator, children, say)
  const reader = await aReader(server.address, administrator)
  const groups: string[] = []
  for (const { name, sources } of agents) {
    const agentId = enrolled.get(name)
    const members = sources.map((path) => ({ agentId, path, workload: 'files' }))
    const synchronisation = { kind: 'every', minutes: options.everyMinutes }
    const made = await administrator.ask('POST', '/groups', { name: name.replace('-', ' '), members, shortTerm: { synchronisation } })
    groups.push(made.json.group.id)
  }
  await firstCopies(reader, options.sources, say)

  const routes = await routesOf(reader, groups)
  const everyMs = options.everyMinutes * MINUTE_MS
  // Whoever was not ready at the moment to which a run belongs has none of it.
  const beginMs = Math.ceil(Date.now() / everyMs) * everyMs
  say(`the next round begins at ${new Date(beginMs).toISOString().slice(11, 19)}`)
  await new Promise((resolve) => setTimeout(resolve, beginMs - Date.now()))
  const stop = new AbortController()
  server.send('measure')
  const startMs = Date.now()
  const endMs = startMs + options.minutes * MINUTE_MS
  say(`measuring for ${options.minutes} minutes`)
  const looking = look(reader, routes, options.looksPerSecond, stop.signal)
  for (let left = endMs - Date.now(); left > 0; left = endMs - Date.now()) {
    await new Promise((resolve) => setTimeout(resolve, Math.min(left, MINUTE_MS)))
    const last = samples.at(-1)
    if (last)
      say(
        `loop p99 ${last.loopP99Ms.toFixed(0)} ms, busy ${(last.loopBusy * 100).toFixed(0)} %, rss ${last.rssMib.toFixed(0)} MiB, ` +
          `${last.fileDescriptors} descriptors, ${last.threads} threads`,
      )
  }
  stop.abort()
  const looks = await looking
  const loop = await server.total()
  const windowEndMs = Date.now()
  // What was due just before the end could not end in time.
  const runs = runsOf(join(folder, 'data', 'catalog.db'), options, startMs, windowEndMs - GRACE_MS)
  reader.close()
  for (const child of children.slice(1)) child.disconnect()
  await server.stop()
  const results: LoadResults = judge({
    options,
    startMs,
    endMs: windowEndMs,
    machine: describeMachine(options.work, import.meta.dirname),
    loop,
    samples: samples.filter(({ atMs }) => atMs >= startMs && atMs <= windowEndMs),
    looks,
    runs,
    warnings: Object.fromEntries(warnings),
  })
  const file = join(options.work, 'server-load.json')
  writeFileSync(file, `${JSON.stringify(results, undefined, 1)}\n`)
  console.log(`${present(results)}\n\nall samples: ${file}`)
  return results
}

/** The agents' ids by their names. */
async function startAgents(
  agents: readonly Omit<Begin['agents'][number], 'token'>[],
  administrator: Caller,
  children: ChildProcess[],
  say: (text: string) => void,
): Promise<Map<string, string>> {
  const ids = new Map<string, string>()
  const share = Math.ceil(agents.length / AGENT_PROCESSES)
  for (let first = 0; first < agents.length; first += share) {
    const begin: Begin['agents'][number][] = []
    for (const agent of agents.slice(first, first + share)) {
      const { token } = (await administrator.ask('POST', '/enrolments', { name: agent.name })).json
      begin.push({ ...agent, token })
    }
    const child = fork(join(import.meta.dirname, 'agents-process.ts'), [], { execArgv: ['--disable-warning=ExperimentalWarning'] })
    children.push(child)
    child.on('message', (message: FromAgents) => {
      if (message.type === 'ended') say(`${message.name} ended: ${message.error}`)
    })
    const enrolled = messageOf<FromAgents, 'enrolled'>(child, 'enrolled')
    child.send({ agents: begin, files: FILES_IN_SOURCE, changesPerSecond: 1 } satisfies Begin)
    for (const { name, agentId } of (await enrolled).agents) ids.set(name, agentId)
  }
  return ids
}

async function firstCopies(reader: Caller, sources: number, say: (text: string) => void): Promise<void> {
  for (let told = -1; ; ) {
    let done = 0
    for (let cursor: string | undefined = ''; cursor !== undefined; ) {
      const query: string = cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`
      const { items, next } = (await reader.ask('GET', `/sources?limit=500${query}`)).json
      done += items.filter(({ state }: { state: string }) => state === 'ok').length
      cursor = next ?? undefined
    }
    if (done >= sources) return
    if (done !== told) say(`first copies: ${done} of ${sources}`)
    told = done
    await new Promise((resolve) => setTimeout(resolve, 5000))
  }
}

async function routesOf(reader: Caller, groups: readonly string[]) {
  const sources: { id: string }[] = (await reader.ask('GET', '/sources?limit=100')).json.items
  let n = 0
  const one = <T>(list: readonly T[]) => list[n++ % list.length] as T
  return [
    { route: '/jobs', path: () => '/jobs?limit=50' },
    { route: '/groups', path: () => '/groups?limit=50' },
    { route: '/recovery-points of a source', path: () => `/recovery-points?source=${one(sources).id}&limit=50` },
    { route: '/sources', path: () => '/sources?limit=50' },
    { route: '/groups/{id}', path: () => `/groups/${one(groups)}` },
    { route: '/alerts', path: () => '/alerts?limit=50' },
    { route: '/agents', path: () => '/agents?limit=100' },
    { route: '/jobs in progress', path: () => '/jobs?state=in-progress&limit=50' },
    { route: '/status', path: () => '/status' },
    { route: '/metrics', path: () => '/metrics' },
  ]
}

/** Of all synchronisations that were due in the window: which were made, and how late. */
function runsOf(catalogPath: string, { everyMinutes, spreadSeconds }: LoadOptions, fromMs: number, untilMs: number): RunFacts {
  const database = new DatabaseSync(catalogPath, { readOnly: true })
  try {
    const everyMs = everyMinutes * MINUTE_MS
    const jobs = database
      .prepare("select source_id as source, created_ms, due_ms, started_ms, finished_ms, state from jobs where type = 'synchronisation'")
      .all() as { source: string; created_ms: number; due_ms: number; started_ms: number; finished_ms: number; state: string }[]
    const bySlot = new Map(jobs.map((job) => [`${job.source} ${Math.floor(job.created_ms / everyMs)}`, job]))
    const facts = { due: 0, missed: [] as string[], lateMs: [] as number[], durationMs: [] as number[], attempted: jobs.length }
    for (const { id } of database.prepare('select id from data_sources').all() as { id: string }[]) {
      const afterMs = spreadMs(id, spreadSeconds * 1000)
      for (let slot = Math.floor(fromMs / everyMs); slot * everyMs <= untilMs; slot++) {
        const dueMs = slot * everyMs + afterMs
        if (dueMs < fromMs || dueMs > untilMs) continue
        facts.due++
        const job = bySlot.get(`${id} ${slot}`)
        const isMade = job !== undefined && /^completed/.test(job.state) && job.finished_ms < dueMs + everyMs
        if (!isMade) facts.missed.push(`${id} ${new Date(dueMs).toISOString()} ${job?.state ?? 'no job'}`)
        else {
          facts.lateMs.push(job.started_ms - dueMs)
          facts.durationMs.push(job.finished_ms - job.started_ms)
        }
      }
    }
    return facts
  } finally {
    database.close()
  }
}

if (import.meta.main) await runLoad(readLoadOptions(process.argv.slice(2)))
