/** What a run leaves behind: every sample, and per row the figures that were made of them. The page is written from this alone. */

export type ProgramName = 'terp' | 'restic' | 'borg' | 'tar+zstd'

export interface Sample {
  /** What was done: `usr-lib/first`. */
  readonly work: string
  readonly program: ProgramName
  /** From 0. */
  readonly pair: number
  readonly seconds: number
  /** User and system, of the process and all that it waited for. */
  readonly cpuSeconds: number
  /** Of the largest process, as the kernel counts resident memory. */
  readonly peakMib: number
  /** Of the repository after it, where that is of interest. */
  readonly storedBytes?: number
}

export interface Figure {
  /** `time / restic`. */
  readonly what: string
  readonly value: number
  /** `×`, `s`, `MiB`, `GB/s`; for people. */
  readonly unit: string
  readonly bar?: { readonly atMost: number } | { readonly atLeast: number }
}

export interface RowResult {
  readonly row: number
  readonly title: string
  readonly figures: readonly Figure[]
  readonly notes: readonly string[]
  /** Why there are no figures, or not all. */
  readonly failure?: string
}

/** One line of a plot: how a cost grows with a size. */
export interface Growth {
  readonly title: string
  readonly xLabel: string
  readonly yLabel: string
  readonly points: readonly { readonly x: number; readonly y: number }[]
}

export interface ProfileLine {
  readonly what: string
  /** Of the time in which threads were not idle. */
  readonly share: number
  readonly seconds: number
}

export interface CorpusFacts {
  readonly name: string
  readonly files: number
  readonly bytes: number
  /** BLAKE2b of names and content, for corpora that come from a seed. */
  readonly digest?: string
}

export interface Results {
  readonly format: 'terp-bench/1'
  readonly started: string
  readonly finished: string
  readonly command: string
  readonly pairs: number
  readonly scale: number
  readonly machine: Readonly<Record<string, string>>
  readonly programs: Readonly<Record<string, string>>
  readonly corpora: readonly CorpusFacts[]
  readonly rows: readonly RowResult[]
  readonly growth: readonly Growth[]
  readonly profile: readonly ProfileLine[]
  readonly samples: readonly Sample[]
}

/** Undefined where there is no bar. */
export function isMet({ bar, value }: Figure): boolean | undefined {
  if (bar === undefined) return undefined
  return 'atMost' in bar ? value <= bar.atMost : value >= bar.atLeast
}

export function barText({ bar, unit }: Figure): string {
  if (bar === undefined) return ''
  return 'atMost' in bar ? `≤ ${numberText(bar.atMost)} ${unit}` : `≥ ${numberText(bar.atLeast)} ${unit}`
}

export function numberText(value: number): string {
  if (!Number.isFinite(value)) return '–'
  const size = Math.abs(value)
  if (size >= 1000) return Math.round(value).toLocaleString('en-US')
  if (size >= 100) return value.toFixed(0)
  return size >= 10 ? value.toFixed(1) : String(Number(value.toFixed(size >= 0.1 ? 2 : 4)))
}
