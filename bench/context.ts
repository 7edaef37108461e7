/** What every row of the benchmark works with: places, samples, and a line on the terminal for each of them. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Corpus } from './corpora/corpus.ts'
import { type Command, type Measured, measure, runOk } from './measure.ts'
import { numberText, type ProgramName, type Sample } from './results.ts'

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
}

export interface TimedOptions {
  readonly isCold?: boolean
  readonly storedBytes?: () => number
}

export class Context {
  readonly options: Options
  /** Of this run alone; gone at its end. */
  readonly folder: string
  readonly samples: Sample[] = []
  readonly corpora: Corpus[] = []
  readonly programs: Record<string, string> = {}

  constructor(options: Options, folder: string) {
    this.options = options
    this.folder = folder
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
    const measured = await measure(command, this.folder, options.isCold)
    const { seconds, cpuSeconds, peakMib } = measured
    const storedBytes = options.storedBytes?.()
    this.samples.push({ work, program, pair, seconds, cpuSeconds, peakMib, ...(storedBytes === undefined ? {} : { storedBytes }) })
    const stored = storedBytes === undefined ? '' : `  ${numberText(storedBytes / 1e6)} MB stored`
    this.log(
      `  ${String(pair + 1).padStart(2)} ${work.padEnd(22)} ${program.padEnd(9)} ${seconds.toFixed(2).padStart(8)} s  CPU ${cpuSeconds.toFixed(1).padStart(7)} s  ${peakMib.toFixed(0).padStart(5)} MiB${stored}`,
    )
    return measured
  }

  /** An empty folder; whatever an act before left there is gone, outside of any timed part. */
  async emptyFolder(name: string): Promise<string> {
    const path = join(this.folder, name)
    await this.discard(path)
    mkdirSync(path)
    return path
  }

  /** By `rm`: it is quicker than Node at a million files. */
  async discard(path: string): Promise<void> {
    await runOk({ argv: ['rm', '-rf', '--', path] })
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
