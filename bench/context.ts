/** What every row of the benchmark works with: places, samples, and a line on the terminal for each of them. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { type Command, runOk } from './command.ts'
import type { Corpus } from './corpora/corpus.ts'
import { type Before, type Measured, measure, writeOut } from './measure.ts'
import { numberText, type ProgramName, type Sample } from './results.ts'
import { Turns } from './turns.ts'

export interface Options {
  readonly rows: readonly number[]
  readonly pairs: number
  readonly scale: number
  /** Kept between runs: peers and corpora. */
  readonly work: string
  readonly systemFolder: string
  /** The launcher. */
  readonly terp: string
  readonly borg: boolean
  /** Locked while something is measured. */
  readonly turns?: string | undefined
}

export interface TimedOptions {
  /** What it is about to read; nothing that has to be warm, otherwise. */
  readonly before?: Before
  readonly storedBytes?: () => number
}

/** How long a file system goes on with what was deleted. */
const SETTLE_MS = 3000

export class Context {
  readonly options: Options
  /** Of this run alone; gone at its end. */
  readonly folder: string
  readonly samples: Sample[] = []
  readonly corpora: Corpus[] = []
  readonly programs: Record<string, string> = {}
  readonly #turns: Turns

  constructor(options: Options, folder: string) {
    this.options = options
    this.folder = folder
    this.#turns = new Turns(options.turns)
  }

  log(text: string): void {
    console.log(text)
  }

  /** Once each, however many rows use it. */
  remember(corpus: Corpus): Corpus {
    if (!this.corpora.some(({ name, bytes }) => name === corpus.name && bytes === corpus.bytes)) {
      this.corpora.push(corpus)
      this.log(`corpus ${corpus.name}: ${corpus.files.toLocaleString('en-US')} files, ${numberText(corpus.bytes / 1e6)} MB`)
    }
    return corpus
  }

  async time(work: string, program: ProgramName, pair: number, command: Command, options: TimedOptions = {}): Promise<Measured> {
    const measured = await this.turn(() => measure(command, this.folder, options.before ?? {}))
    const { seconds, cpuSeconds, peakMib } = measured
    const storedBytes = options.storedBytes?.()
    this.samples.push({ work, program, pair, seconds, cpuSeconds, peakMib, ...(storedBytes === undefined ? {} : { storedBytes }) })
    const stored = storedBytes === undefined ? '' : `  ${numberText(storedBytes / 1e6)} MB stored`
    this.log(
      `  ${String(pair + 1).padStart(2)} ${work.padEnd(22)} ${program.padEnd(9)} ${seconds.toFixed(2).padStart(8)} s  CPU ${cpuSeconds.toFixed(1).padStart(7)} s  ${peakMib.toFixed(0).padStart(5)} MiB${stored}`,
    )
    return measured
  }

  /** What is measured at the same time is one turn. */
  turn<T>(work: () => Promise<T>): Promise<T> {
    return this.#turns.take(work)
  }

  /** An empty folder; whatever an act before left there is gone, outside of any timed part. */
  async emptyFolder(name: string): Promise<string> {
    const path = join(this.folder, name)
    await this.discard(path)
    mkdirSync(path)
    return path
  }

  /** By `rm`: it is quicker than Node at a million files. */
  async discard(...paths: readonly string[]): Promise<void> {
    if (paths.length > 0) await runOk({ argv: ['rm', '-rf', '--', ...paths] })
  }

  /** After deletions: a file system that frees many blocks is slow for whoever comes next. */
  async settle(): Promise<void> {
    writeOut()
    await setTimeout(SETTLE_MS)
  }

  of(work: string, program: ProgramName): Sample[] {
    return this.samples.filter((sample) => sample.work === work && sample.program === program)
  }
}

const MOST_CHARACTERS = 300

/** On one line, for tables. */
export function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  return text.replace(/\s+/g, ' ').replaceAll('|', '/').slice(0, MOST_CHARACTERS)
}
