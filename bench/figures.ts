/** Figures out of samples: medians of one program, and medians of the ratios of pairs. */
import type { Context } from './context.ts'
import type { Figure, ProgramName, Sample } from './results.ts'
import { median, medianRatio } from './statistics.ts'

type Quantity = 'seconds' | 'cpuSeconds' | 'peakMib' | 'storedBytes'

const NAMES: Readonly<Record<Quantity, string>> = { seconds: 'time', cpuSeconds: 'CPU time', peakMib: 'peak memory', storedBytes: 'stored' }

/** Undefined when one of both has no samples: the peer was left out. */
export function ratio(
  context: Context,
  work: string,
  peer: ProgramName,
  options: { readonly what?: string; readonly quantity?: Quantity; readonly atMost?: number } = {},
): Figure | undefined {
  const { quantity = 'seconds', atMost } = options
  const theirs = new Map(context.of(work, peer).map((sample) => [sample.pair, sample[quantity]]))
  const pairs = context.of(work, 'terp').flatMap((sample): [number, number][] => {
    const [ours, other] = [sample[quantity], theirs.get(sample.pair)]
    return ours === undefined || other === undefined ? [] : [[ours, other]]
  })
  if (pairs.length === 0) return undefined
  const what = `${options.what ?? work}: ${NAMES[quantity]} / ${peer}`
  return { what, value: medianRatio(pairs), unit: '×', ...(atMost === undefined ? {} : { bar: { atMost } }) }
}

export function medianOfSamples(samples: readonly Sample[], quantity: Quantity): number {
  return median(samples.flatMap((sample) => sample[quantity] ?? []))
}

/** Those that exist. */
export function present(figures: readonly (Figure | undefined)[]): Figure[] {
  return figures.filter((figure) => figure !== undefined)
}

export function medianOf(context: Context, work: string, program: ProgramName, quantity: Quantity): number {
  return medianOfSamples(context.of(work, program), quantity)
}
