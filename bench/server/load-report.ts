/** What the samples of a run under load come to, and which bars it meets. */
import type { describeMachine } from '../machine.ts'
import { barText, type Figure, isMet } from '../results.ts'
import type { LoadOptions } from './load.ts'
import type { Look } from './people.ts'
import type { FromServer, ServerSample } from './server-process.ts'

export interface RunFacts {
  readonly due: number
  readonly missed: readonly string[]
  /** Begun after it was due. */
  readonly lateMs: readonly number[]
  readonly durationMs: readonly number[]
  readonly attempted: number
}

export interface LoadFacts {
  readonly options: LoadOptions
  readonly startMs: number
  readonly endMs: number
  readonly machine: ReturnType<typeof describeMachine>
  readonly loop: Extract<FromServer, { type: 'loop' }>
  readonly samples: readonly ServerSample[]
  readonly looks: readonly Look[]
  readonly runs: RunFacts
  readonly warnings: Readonly<Record<string, number>>
}

export interface LoadResults extends Omit<LoadFacts, 'looks' | 'runs'> {
  readonly format: 'terp-server-load/1'
  readonly figures: readonly Figure[]
  readonly routes: readonly {
    readonly route: string
    readonly count: number
    readonly p50Ms: number
    readonly p99Ms: number
    readonly maxMs: number
  }[]
  readonly runs: { readonly due: number; readonly missed: readonly string[] }
}

export function judge({ looks, runs, ...facts }: LoadFacts): LoadResults {
  const { samples, loop } = facts
  const times = looks.map(({ ms }) => ms)
  const third = (list: readonly ServerSample[], part: 0 | 2) =>
    list.slice(Math.floor((list.length * part) / 3), Math.ceil((list.length * (part + 1)) / 3))
  const middle = (list: readonly ServerSample[], of: (sample: ServerSample) => number) => percentile(list.map(of), 50)
  const growth = (of: (sample: ServerSample) => number) => middle(third(samples, 2), of) - middle(third(samples, 0), of)
  const hours = (facts.endMs - facts.startMs) / 3_600_000
  const figures: Figure[] = [
    { what: 'runs that were due', value: runs.due, unit: '' },
    { what: 'runs missed', value: runs.missed.length, unit: '', bar: { atMost: 0 } },
    { what: 'begun after it was due, p99', value: percentile(runs.lateMs, 99) / 1000, unit: 's' },
    { what: 'from begin to end, median', value: percentile(runs.durationMs, 50) / 1000, unit: 's' },
    { what: 'requests of the API', value: looks.length, unit: '' },
    { what: 'requests that failed', value: looks.filter(({ status }) => status !== 200).length, unit: '', bar: { atMost: 0 } },
    { what: 'API latency p50', value: percentile(times, 50), unit: 'ms' },
    { what: 'API latency p99', value: percentile(times, 99), unit: 'ms', bar: { atMost: 150 } },
    { what: 'event loop delay p99', value: loop.p99Ms, unit: 'ms', bar: { atMost: 50 } },
    { what: 'event loop delay p99.9', value: loop.p999Ms, unit: 'ms' },
    { what: 'event loop delay, longest', value: loop.maxMs, unit: 'ms' },
    {
      what: 'main thread busy',
      value:
        100 *
        percentile(
          samples.map(({ loopBusy }) => loopBusy),
          50,
        ),
      unit: '%',
    },
    { what: 'memory, most', value: Math.max(...samples.map(({ rssMib }) => rssMib)), unit: 'MiB', bar: { atMost: 1024 } },
    {
      what: 'memory, growth from the first third to the last',
      value: growth(({ rssMib }) => rssMib),
      unit: 'MiB',
      bar: { atMost: Math.max(32, 100 * hours) },
    },
    { what: 'open descriptors, growth', value: growth(({ fileDescriptors }) => fileDescriptors), unit: '', bar: { atMost: 8 } },
    { what: 'open descriptors, most', value: Math.max(...samples.map(({ fileDescriptors }) => fileDescriptors)), unit: '' },
    { what: 'threads, growth', value: growth(({ threads }) => threads), unit: '', bar: { atMost: 1 } },
  ]
  const routes = [...new Set(looks.map(({ route }) => route))].map((route) => {
    const own = looks.filter((each) => each.route === route).map(({ ms }) => ms)
    return { route, count: own.length, p50Ms: percentile(own, 50), p99Ms: percentile(own, 99), maxMs: Math.max(...own) }
  })
  return { format: 'terp-server-load/1', ...facts, figures, routes, runs: { due: runs.due, missed: runs.missed.slice(0, 1000) } }
}

export function present({ figures, routes, samples, startMs, runs, warnings }: LoadResults): string {
  const met = (figure: Figure) => ({ true: 'met', false: 'NOT MET', undefined: '' })[String(isMet(figure))] ?? ''
  const lines = figures.map((figure) => [
    figure.what,
    `${round(figure.value)} ${figure.unit}`.trim(),
    figure.bar ? barText(figure) : '',
    met(figure),
  ])
  const perRoute = routes.map(({ route, count, p50Ms, p99Ms, maxMs }) => [route, String(count), round(p50Ms), round(p99Ms), round(maxMs)])
  const every = Math.max(1, Math.floor(samples.length / 12))
  const overTime = samples
    .filter((_, n) => n % every === every - 1)
    .map((sample) => [
      `${round((sample.atMs - startMs) / 60_000)}`,
      round(sample.rssMib),
      round(sample.heapMib),
      round(sample.externalMib),
      String(sample.fileDescriptors),
      String(sample.sockets),
      String(sample.threads),
      String(sample.resources),
    ])
  return [
    table(['Figure', 'Measured', 'Bar', ''], lines),
    table(['Route', 'Requests', 'p50 ms', 'p99 ms', 'longest ms'], perRoute),
    table(['Minute', 'RSS MiB', 'heap', 'external', 'descriptors', 'sockets', 'threads', 'handles'], overTime),
    ...(runs.missed.length > 0 ? [`missed:\n${runs.missed.slice(0, 10).join('\n')}`] : []),
    ...(Object.keys(warnings).length > 0 ? [`warnings of the server: ${JSON.stringify(warnings)}`] : []),
  ].join('\n\n')
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((cell, n) => Math.max(cell.length, ...rows.map((row) => row[n]?.length ?? 0)))
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, n) => cell.padEnd(widths[n] ?? 0))
      .join('  ')
      .trimEnd()
  return [line(head), widths.map((width) => '-'.repeat(width)).join('  '), ...rows.map(line)].join('\n')
}

function round(value: number): string {
  return Number.isFinite(value) ? String(Math.round(value * 100) / 100) : 'none'
}

/** The nearest rank; not a number of none. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil((sorted.length * percent) / 100) - 1)] ?? Number.NaN
}
