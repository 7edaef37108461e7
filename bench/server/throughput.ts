/**
 * How fast an agent brings new data to its server, everything verified: over loopback beside the local engine, and over a long line beside a client that asks for each chunk
 * and waits.
 *
 *   npm run bench:server -- throughput [--pairs 3] [--folder /usr/lib] [--only loopback|line] [--line-mb 400] [--work FOLDER]
 *
 * Each act begins with an empty pool. The line is made in user space (test/support/delay-proxy.ts): 100 ms there and back, 200 Mbit/s, and every hundredth piece of 64 KiB
 * late by 200 ms with all behind it.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, createServer, request } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { systemRandom } from '../../src/base/random.ts'
import { makeCertificate } from '../../src/certificates/index.ts'
import { aLine, type Line } from '../../test/support/delay-proxy.ts'
import { runOk } from '../command.ts'
import { SeededBytes } from '../corpora/seeded-bytes.ts'
import { describeMachine } from '../machine.ts'
import { prepare, writeOut } from '../measure.ts'
import { terp } from '../programs/terp.ts'
import { barText, type Figure, isMet } from '../results.ts'
import { median, medianRatio } from '../statistics.ts'
import { endAll, startServer } from './start-server.ts'

const LINE = { delayMs: 50, bitsPerSecond: 200_000_000, stalls: 0.01, stallMs: 200 } as const
const LINE_BYTES_PER_SECOND = LINE.bitsPerSecond / 8
/** What the engine's chunks are on average. */
const CHUNK_BYTES = 1_048_576
/** A client that gets a tenth need not send all. */
const SERIAL_CHUNKS = 60
const STEP_BYTES = 1 << 20

interface Options {
  readonly pairs: number
  readonly source: string
  readonly only: string | undefined
  readonly lineMb: number
  readonly work: string
  readonly launcher: string
}

export function readThroughputOptions(args: string[]): Options {
  const { values } = parseArgs({
    args,
    options: {
      pairs: { type: 'string', default: '3' },
      folder: { type: 'string', default: '/usr/lib' },
      only: { type: 'string' },
      'line-mb': { type: 'string', default: '400' },
      work: { type: 'string', default: join(import.meta.dirname, '../../.bench') },
    },
  })
  const [pairs, lineMb] = [Number(values.pairs), Number(values['line-mb'])]
  if (!(Number.isInteger(pairs) && pairs > 0 && lineMb > 0)) throw new Error('--pairs and --line-mb are numbers above 0')
  const launcher = join(import.meta.dirname, '../../terp')
  return { pairs, source: resolve(values.folder), only: values.only, lineMb, work: resolve(values.work), launcher }
}

export async function runThroughput(options: Options): Promise<void> {
  mkdirSync(options.work, { recursive: true })
  const folder = mkdtempSync(join(options.work, 'throughput-'))
  const figures: Figure[] = []
  const samples: Record<string, unknown> = {}
  try {
    if (options.only !== 'line') {
      const pairs = await loopback(options, folder)
      samples.loopback = pairs
      figures.push(
        {
          what: 'agent over loopback: speed / local engine',
          value: medianRatio(pairs.map(({ agent, local }) => [local, agent])),
          unit: '×',
          bar: { atLeast: 0.6 },
        },
        { what: 'agent over loopback', value: median(pairs.map(({ agent }) => agent)), unit: 's' },
        { what: 'local engine', value: median(pairs.map(({ local }) => local)), unit: 's' },
      )
    }
    if (options.only !== 'loopback') {
      const { agent, serial } = await overLine(options, folder)
      samples.line = { agent, serial }
      const share = (bytesPerSecond: number) => (100 * bytesPerSecond) / LINE_BYTES_PER_SECOND
      figures.push(
        { what: 'agent over the line: share of it', value: share(agent), unit: '%', bar: { atLeast: 60 } },
        { what: 'a request for each chunk, one after the other', value: share(serial), unit: '%' },
      )
    }
    const results = { format: 'terp-throughput/1', machine: describeMachine(options.work, import.meta.dirname), options, figures, samples }
    const file = join(options.work, 'server-throughput.json')
    writeFileSync(file, `${JSON.stringify(results, undefined, 1)}\n`)
    for (const figure of figures) {
      const met = figure.bar ? `${barText(figure)} ${isMet(figure) ? 'met' : 'NOT MET'}` : ''
      console.log(`${figure.what.padEnd(48)} ${String(Math.round(figure.value * 100) / 100).padStart(8)} ${figure.unit.padEnd(2)} ${met}`)
    }
    console.log(`all samples: ${file}`)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

interface Pair {
  readonly agent: number
  readonly local: number
}

async function loopback(options: Options, folder: string): Promise<Pair[]> {
  const pairs: Pair[] = []
  for (let pair = 0; pair < options.pairs; pair++) {
    const seconds = { agent: 0, local: 0 }
    for (const act of pair % 2 === 0 ? (['agent', 'local'] as const) : (['local', 'agent'] as const)) {
      const own = join(folder, act)
      mkdirSync(own)
      seconds[act] = act === 'local' ? await backUpHere(options, own) : (await backUpByAgent(options, own, options.source)).seconds
      rmSync(own, { recursive: true, force: true })
      writeOut()
      console.log(`  ${pair + 1} ${act.padEnd(6)} ${seconds[act].toFixed(2)} s`)
    }
    pairs.push(seconds)
  }
  return pairs
}

async function backUpHere({ launcher, source }: Options, folder: string): Promise<number> {
  const program = await terp(folder, launcher)
  await program.init()
  await prepare({ contents: [...program.own, source] })
  const startMs = performance.now()
  await runOk(program.backup([source]))
  return (performance.now() - startMs) / 1000
}

interface Brought {
  readonly seconds: number
  /** Over the line, where there is one. */
  readonly sentBytes: number
}

/** From the moment at which the job is taken up until its recovery point is durable and known to the catalog. */
async function backUpByAgent({ launcher }: Options, folder: string, source: string, withLine = false): Promise<Brought> {
  const children: ChildProcess[] = []
  let line: Line | undefined
  try {
    const server = await startServer(folder, children, { warning: (code, message) => console.log(`the server warns: ${code} ${message}`) })
    const { administrator, agentAddress } = server
    if (withLine) line = await aLine({ toPort: Number(new URL(agentAddress).port), ...LINE })
    const { token } = (await administrator.ask('POST', '/enrolments', { name: 'machine' })).json
    const data = join(folder, 'agent')
    const url = line ? ['--server', `https://127.0.0.1:${line.port}`] : []
    await runOk({ argv: [launcher, 'agent', 'enroll', '--token', token, '--data', data, '--name', 'machine', ...url] })
    const agent = spawn(launcher, ['agent', 'start', '--data', data, '--json'], { stdio: ['ignore', 'pipe', 'inherit'] })
    children.push(agent)
    await once(agent.stdout, 'data')
    const [{ id: agentId }] = (await administrator.ask('GET', '/agents')).json.items
    await prepare({ contents: [source] })
    const sentBefore = line?.sent.toServer ?? 0
    const members = [{ agentId, path: source, workload: 'files' }]
    await administrator.ask('POST', '/groups', { name: 'all', members })
    for (;;) {
      const [job] = (await administrator.ask('GET', '/jobs?type=replica-creation')).json.items
      if (/^(failed|cancelled)$/.test(job?.state ?? '')) throw new Error(JSON.stringify(job.error))
      if (job?.finished !== undefined) {
        const seconds = (Date.parse(job.finished) - Date.parse(job.started)) / 1000
        const sentBytes = (line?.sent.toServer ?? 0) - sentBefore
        agent.kill('SIGTERM')
        await once(agent, 'exit')
        await server.stop()
        return { seconds, sentBytes }
      }
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
  } finally {
    endAll(children)
    await line?.close()
  }
}

/** Bytes of content that arrived in a second. */
async function overLine(options: Options, folder: string): Promise<{ agent: number; serial: number }> {
  const own = join(folder, 'line')
  const source = join(folder, 'new-data')
  mkdirSync(own)
  mkdirSync(source)
  const dice = new SeededBytes('terp bench, a long line')
  const files = 8
  const bytes = Math.round((options.lineMb * 1e6) / files / STEP_BYTES) * STEP_BYTES
  for (let n = 0; n < files; n++) {
    const parts = Array.from({ length: bytes / STEP_BYTES }, () => dice.random(STEP_BYTES))
    writeFileSync(join(source, `file-${n}`), Buffer.concat(parts))
  }
  const { seconds, sentBytes } = await backUpByAgent(options, own, source, true)
  console.log(`  line   agent  ${seconds.toFixed(2)} s for ${(files * bytes) / 1e6} MB, ${(sentBytes / 1e6).toFixed(0)} MB sent`)
  const serial = await serialClient()
  return { agent: (files * bytes) / seconds, serial }
}

/** Over the same line: whether the chunk is there, and then the chunk, each answered before the next is asked, on one connection. */
async function serialClient(): Promise<number> {
  const made = await makeCertificate({ name: 'sink', hosts: ['127.0.0.1'], random: systemRandom(), nowMs: Date.now(), algorithm: 'p-256' })
  const sink = createServer({ cert: made.certificate, key: made.privateKey }, (asked, answer) => {
    asked.resume()
    asked.on('end', () => answer.writeHead(asked.method === 'HEAD' ? 404 : 201).end())
  })
  await new Promise<void>((listening) => sink.listen(0, '127.0.0.1', listening))
  const line = await aLine({ toPort: (sink.address() as AddressInfo).port, ...LINE })
  const agent = new Agent({ keepAlive: true, maxSockets: 1, rejectUnauthorized: false })
  const ask = (method: string, body?: Buffer) =>
    new Promise<void>((done, fail) => {
      const asked = request(`https://127.0.0.1:${line.port}/chunk`, { agent, method }, (answer) => answer.resume().on('end', done))
      asked.on('error', fail)
      asked.end(body)
    })
  const chunk = new SeededBytes('terp bench, one chunk').random(CHUNK_BYTES)
  try {
    await ask('HEAD')
    const startMs = performance.now()
    for (let n = 0; n < SERIAL_CHUNKS; n++) {
      await ask('HEAD')
      await ask('PUT', chunk)
    }
    return (SERIAL_CHUNKS * CHUNK_BYTES) / ((performance.now() - startMs) / 1000)
  } finally {
    agent.destroy()
    await line.close()
    sink.close()
  }
}

if (import.meta.main) await runThroughput(readThroughputOptions(process.argv.slice(2)))
