/**
 * The backup server as a process of its own, which counts what it costs: how long its event loop keeps others waiting, its memory, what it holds open. Told by messages.
 *
 *     node bench/server/server-process.ts DATA-FOLDER [PROFILE]     (begun by bench/server/load.ts)
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { Session } from 'node:inspector/promises'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import manifest from '../../package.json' with { type: 'json' }
import { startOperation } from '../../src/base/operation.ts'
import { systemDisk } from '../../src/platform/index.ts'
import { runServer } from '../../src/server/index.ts'

/** Of one interval; the loop's delay without the step in which it is looked at. */
export interface ServerSample {
  readonly atMs: number
  readonly loopP50Ms: number
  readonly loopP99Ms: number
  readonly loopMaxMs: number
  /** Of the main thread, from 0 to 1. */
  readonly loopBusy: number
  readonly cpuSeconds: number
  readonly rssMib: number
  readonly heapMib: number
  readonly externalMib: number
  readonly fileDescriptors: number
  readonly sockets: number
  readonly threads: number
  readonly resources: number
}

export type FromServer =
  | { readonly type: 'ready'; readonly address: string; readonly agentAddress: string; readonly setupSecret: string | undefined }
  | { readonly type: 'sample'; readonly sample: ServerSample }
  | { readonly type: 'loop'; readonly p50Ms: number; readonly p99Ms: number; readonly p999Ms: number; readonly maxMs: number }
  | { readonly type: 'warning'; readonly code: string; readonly message: string }

/** `measure`: what was so far counts no more. `total`: of all since then. */
export type ToServer = 'measure' | 'total' | 'stop'

const STEP_MS = 10
const SAMPLE_EVERY_MS = 5000
const MIB = 1_048_576

if (import.meta.main) await serve(process.argv[2] ?? '', process.argv[3])

/** `profile`: where the profile of the processor's time from `measure` to `total` goes. */
async function serve(dataFolder: string, profile: string | undefined): Promise<void> {
  const tell = (message: FromServer) => process.send?.(message)
  const op = startOperation({
    onWarning: ({ code, message, item }) => tell({ type: 'warning', code, message: `${message} ${item ?? ''}` }),
  })
  const server = await runServer(op, {
    dataFolder,
    host: '127.0.0.1',
    port: 0,
    agentPort: 0,
    disk: systemDisk(),
    version: manifest.version,
  })
  const { address, agentAddress, setupSecret } = server
  const all = monitorEventLoopDelay({ resolution: STEP_MS })
  const recent = monitorEventLoopDelay({ resolution: STEP_MS })
  all.enable()
  recent.enable()
  let before = { loop: performance.eventLoopUtilization(), cpu: process.cpuUsage() }
  const timer = setInterval(() => {
    const { user, system } = process.cpuUsage(before.cpu)
    const { rss, heapUsed, external, arrayBuffers } = process.memoryUsage()
    tell({
      type: 'sample',
      sample: {
        atMs: Date.now(),
        loopP50Ms: delayMs(recent.percentile(50)),
        loopP99Ms: delayMs(recent.percentile(99)),
        loopMaxMs: delayMs(recent.max),
        loopBusy: performance.eventLoopUtilization(before.loop).utilization,
        cpuSeconds: (user + system) / 1e6,
        rssMib: rss / MIB,
        heapMib: heapUsed / MIB,
        externalMib: (external + arrayBuffers) / MIB,
        fileDescriptors: readdirSync('/proc/self/fd').length,
        sockets: process.getActiveResourcesInfo().filter((name) => /^(TCP|TLS)/.test(name)).length,
        threads: Number(/^Threads:\s*(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]),
        resources: process.getActiveResourcesInfo().length,
      },
    })
    recent.reset()
    before = { loop: performance.eventLoopUtilization(), cpu: process.cpuUsage() }
  }, SAMPLE_EVERY_MS)
  const inspector = new Session()
  process.on('message', (message: ToServer) => {
    if (message === 'measure') {
      all.reset()
      if (profile !== undefined) void beginProfile(inspector)
    } else if (message === 'total') {
      const [p50Ms, p99Ms, p999Ms] = [50, 99, 99.9].map((percent) => delayMs(all.percentile(percent))) as [number, number, number]
      tell({ type: 'loop', p50Ms, p99Ms, p999Ms, maxMs: delayMs(all.max) })
      if (profile !== undefined) void endProfile(inspector, profile)
    } else {
      clearInterval(timer)
      void server.close().then(() => process.disconnect())
    }
  })
  // Whoever began it is gone.
  process.on('disconnect', () => process.exit())
  tell({ type: 'ready', address, agentAddress, setupSecret })
}

async function beginProfile(inspector: Session): Promise<void> {
  inspector.connect()
  await inspector.post('Profiler.enable')
  await inspector.post('Profiler.start')
}

async function endProfile(inspector: Session, path: string): Promise<void> {
  const { profile } = await inspector.post('Profiler.stop')
  writeFileSync(path, JSON.stringify(profile))
}

/** Node counts from look to look, so with the step itself. */
function delayMs(ns: number): number {
  return Math.max(0, Math.round(ns / 1e4 - STEP_MS * 100) / 100)
}
