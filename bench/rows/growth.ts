/**
 * Row 11: what one file costs an unchanged backup as there are more of them, and what one chunk costs the index.
 *
 * Of the files three readings are told: the time of the whole process by the number of files, start included; the same without what a backup of an empty
 * folder takes, which the bar is for; and what one more file costs between two sizes, by which a cost that grows would show, whatever a process
 * has to warm up at its beginning. The last two take the times that Terp's own summary tells, from the moment that it is loaded.
 */
import { join } from 'node:path'
import { runOk } from '../command.ts'
import { type Context, reasonOf } from '../context.ts'
import { keptCorpus } from '../corpora/corpus.ts'
import { smallFiles, TOP_FOLDERS, two } from '../corpora/small-files.ts'
import { summaryOf, type Terp, terp } from '../programs/terp.ts'
import { type Figure, type Growth, numberText } from '../results.ts'
import { median } from '../statistics.ts'
import { measureIndexApart } from './index-measure.ts'
import type { RowGroup } from './row.ts'

const SHARES = [0.01, 0.1, 1]
const CHUNKS = [100_000, 1_000_000, 10_000_000]
const WITHIN = 1.2
/** The shorter a run, the more of them. */
const RUNS_EACH = [5, 3, 1]

export const growthRow: RowGroup = {
  rows: [11],
  title: 'How cost grows',
  async run(context) {
    const { sizes, growth } = await filesGrowth(context)
    const figures = [figureOf(growth[0] as Growth, 'unchanged backup, time per file above the start'), ...slopesOf(sizes)]
    const row = { row: 11, title: 'How cost grows', notes: [NOTE] }
    try {
      const index = await indexGrowth(context)
      return { rows: [{ ...row, figures: [...figures, figureOf(index, 'index, memory per chunk')] }], growth: [...growth, index] }
    } catch (error) {
      return { rows: [{ ...row, figures, failure: reasonOf(error) }], growth }
    }
  },
}

const NOTE =
  'The cost per file falls with their number: probably because a process that starts runs code that is not compiled yet, which nobody has profiled. Whether it grows anywhere is told by what one more file costs.'

interface Size {
  readonly files: number
  /** As the summary tells, and of the whole process. */
  readonly seconds: number
  readonly wholeSeconds: number
}

/** What one more file costs, between each two sizes. */
function slopesOf(sizes: readonly Size[]): Figure[] {
  return sizes.slice(1).map((size, i) => {
    const before = sizes[i] as Size
    const what = `unchanged backup, one more file from ${numberText(before.files)} to ${numberText(size.files)}`
    return { what, value: ((size.seconds - before.seconds) / (size.files - before.files)) * 1e6, unit: 'µs' }
  })
}

/** The largest over the smallest; none where the least is lost in what starting a process varies by. */
function figureOf({ points }: Growth, what: string): Figure {
  const costs = points.map(({ y }) => y)
  const least = Math.min(...costs)
  return { what: `${what}: most / least`, value: least > 0 ? Math.max(...costs) / least : Number.NaN, unit: '×', bar: { atMost: WITHIN } }
}

async function filesGrowth(context: Context): Promise<{ sizes: Size[]; growth: Growth[] }> {
  const { folder, options } = context
  const corpus = context.remember(keptCorpus(options.work, smallFiles(options.scale), (text) => context.log(text)))
  const root = corpus.paths[0] as string
  const program = await terp(folder, options.terp)
  const empty = await context.emptyFolder('empty')
  const fixed = await unchanged(context, program, 'growth/empty', [empty], RUNS_EACH[0] as number)
  const sizes: Size[] = []
  for (const [i, share] of SHARES.entries()) {
    const tops = Math.max(1, Math.round(TOP_FOLDERS * share))
    const paths = Array.from({ length: tops }, (_, top) => join(root, two(top)))
    sizes.push(await unchanged(context, program, `growth/${tops}-folders`, paths, RUNS_EACH[i] as number))
  }
  const perFile = (title: string, secondsOf: (size: Size) => number): Growth => ({
    title,
    xLabel: 'files',
    yLabel: 'µs per file',
    points: sizes.map((size) => ({ x: size.files, y: (secondsOf(size) / size.files) * 1e6 })),
  })
  const growth = [
    perFile('An unchanged backup above its start', ({ seconds }) => seconds - fixed.seconds),
    perFile('An unchanged backup, whole process', ({ wholeSeconds }) => wholeSeconds),
  ]
  return { sizes, growth }
}

async function unchanged(context: Context, program: Terp, work: string, paths: readonly string[], runsEach: number): Promise<Size> {
  await program.init()
  const summary = summaryOf(await runOk(program.backup(paths)))
  // The first unchanged one still meets files that are as new as the backup before it.
  await runOk(program.backup(paths))
  const before = { contents: [...program.own, ...program.places], names: paths }
  const told: number[] = []
  const whole: number[] = []
  for (let run = 0; run < context.options.pairs * runsEach; run++) {
    const { stdout, seconds } = await context.time(work, 'terp', run, program.backup(paths), { before })
    told.push(Number(summaryOf(stdout).total_duration))
    whole.push(seconds)
  }
  await context.discard(...program.places)
  await context.settle()
  return { files: Number(summary.total_files_processed), seconds: median(told), wholeSeconds: median(whole) }
}

async function indexGrowth(context: Context): Promise<Growth> {
  const points: { x: number; y: number }[] = []
  for (const chunks of CHUNKS) {
    const count = Math.round(chunks * context.options.scale)
    const { memoryBytes } = await measureIndexApart(context, count)
    points.push({ x: count, y: memoryBytes / count })
  }
  return { title: 'The index in memory', xLabel: 'chunks', yLabel: 'bytes per chunk', points }
}
