/**
 * Row 11: what one file costs an unchanged backup as there are more of them, and what one chunk costs the index. Opening a pool and starting
 * workers cost the same for any number of files: what a backup of an empty folder takes is taken off. Times are those that Terp's own summary
 * tells, from the moment that it is loaded: loading takes longer than ten thousand unchanged files, and is not steady enough to be taken off.
 */
import { join } from 'node:path'
import { type Context, reasonOf } from '../context.ts'
import { keptCorpus } from '../corpora/corpus.ts'
import { smallFiles, TOP_FOLDERS, two } from '../corpora/small-files.ts'
import { runOk } from '../measure.ts'
import { summaryOf, type Terp, terp } from '../programs/terp.ts'
import type { Figure, Growth } from '../results.ts'
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
    const files = await filesGrowth(context)
    const ofFiles = figureOf(files, 'unchanged backup, time per file')
    const row = { row: 11, title: 'How cost grows', notes: [] }
    try {
      const index = await indexGrowth(context)
      return { rows: [{ ...row, figures: [ofFiles, figureOf(index, 'index, memory per chunk')] }], growth: [files, index] }
    } catch (error) {
      return { rows: [{ ...row, figures: [ofFiles], failure: reasonOf(error) }], growth: [files] }
    }
  },
}

/** The largest over the smallest; none where the least is lost in what starting a process varies by. */
function figureOf({ points }: Growth, what: string): Figure {
  const costs = points.map(({ y }) => y)
  const least = Math.min(...costs)
  return { what: `${what}: most / least`, value: least > 0 ? Math.max(...costs) / least : Number.NaN, unit: '×', bar: { atMost: WITHIN } }
}

async function filesGrowth(context: Context): Promise<Growth> {
  const { folder, options } = context
  const corpus = context.remember(keptCorpus(options.work, smallFiles(options.scale), (text) => context.log(text)))
  const root = corpus.paths[0] as string
  const program = await terp(folder, options.terp)
  const empty = await context.emptyFolder('empty')
  const fixed = await unchangedSeconds(context, program, 'growth/empty', [empty], RUNS_EACH[0] as number)
  const points: { x: number; y: number }[] = []
  for (const [i, share] of SHARES.entries()) {
    const tops = Math.max(1, Math.round(TOP_FOLDERS * share))
    const paths = Array.from({ length: tops }, (_, top) => join(root, two(top)))
    const { seconds, files } = await unchangedSeconds(context, program, `growth/${tops}-folders`, paths, RUNS_EACH[i] as number)
    points.push({ x: files, y: ((seconds - fixed.seconds) / files) * 1e6 })
  }
  await program.reset()
  return { title: 'An unchanged backup', xLabel: 'files', yLabel: 'µs per file', points }
}

async function unchangedSeconds(context: Context, program: Terp, work: string, paths: readonly string[], runsEach: number) {
  await program.reset()
  const summary = summaryOf(await runOk(program.backup(paths)))
  // The first unchanged one still meets files that are as new as the backup before it.
  await runOk(program.backup(paths))
  const seconds: number[] = []
  for (let run = 0; run < context.options.pairs * runsEach; run++) {
    const { stdout } = await context.time(work, 'terp', run, program.backup(paths))
    seconds.push(Number(summaryOf(stdout).total_duration))
  }
  return { seconds: median(seconds), files: Number(summary.total_files_processed) }
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
