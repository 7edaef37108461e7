/** Rows 6 and 7: a million small files, and questions to the pool that holds them. */
import type { Context } from '../context.ts'
import { type Corpus, keptCorpus } from '../corpora/corpus.ts'
import { smallFiles } from '../corpora/small-files.ts'
import { medianOf, present, ratio } from '../figures.ts'
import { type Restic, restic } from '../programs/restic.ts'
import { type Terp, terp } from '../programs/terp.ts'
import type { RowResult } from '../results.ts'
import { runRounds } from '../rounds.ts'
import { median } from '../statistics.ts'
import { askQuestions } from './questions.ts'
import type { RowGroup } from './row.ts'
import { endOverStart } from './slope.ts'

const HEAP_MIB = 512

export const smallFilesRows: RowGroup = {
  rows: [6, 7],
  title: 'Many small files',
  async run(context, wanted) {
    const { folder, options } = context
    const corpus = context.remember(keptCorpus(options.work, smallFiles(options.scale), (text) => context.log(text)))
    const ours = await terp(folder, options.terp)
    const theirs = await restic(folder, options.work)
    const rows: RowResult[] = []
    if (wanted.includes(6)) rows.push(await manyFiles(context, corpus, ours, theirs))
    if (wanted.includes(7)) {
      const isFilled = rows[0] !== undefined && rows[0].failure === undefined
      rows.push(await askQuestions(context, corpus, ours, theirs, isFilled))
    }
    await context.discard(...ours.places, ...theirs.places)
    await context.settle()
    return { rows }
  },
}

async function manyFiles(context: Context, corpus: Corpus, ours: Terp, theirs: Restic): Promise<RowResult> {
  const slopes: number[] = []
  const ended = await runRounds(context, {
    name: 'small',
    corpus,
    programs: [ours, theirs],
    acts: ['first', 'unchanged', 'restore'],
    keepsLast: true,
    onMeasured({ name }, act, _pair, { stdout }) {
      const slope = name === 'terp' && act === 'first' ? endOverStart(stdout) : undefined
      if (slope !== undefined) slopes.push(slope)
    },
  })
  if (ended.failure !== undefined) return { row: 6, title: 'Many small files', figures: [], notes: [], ...ended }
  const heap = await withSmallHeap(context, corpus, ours)
  const peaks = ['small/first', 'small/unchanged', 'small/restore'].map((work) => medianOf(context, work, 'terp', 'peakMib'))
  const first = ratio(context, 'small/first', 'restic', { what: 'first' })
  const restore = ratio(context, 'small/restore', 'restic', { what: 'restore' })
  const unchanged = medianOf(context, 'small/unchanged', 'terp', 'seconds')
  return {
    row: 6,
    title: `${corpus.files.toLocaleString('en-US')} files of 0–8 KB`,
    figures: present([
      first && { what: 'first: files/s of Terp / restic', value: 1 / first.value, unit: '×', bar: { atLeast: 3 } },
      { what: 'first', value: corpus.files / medianOf(context, 'small/first', 'terp', 'seconds'), unit: 'files/s' },
      slopes.length === 0
        ? undefined
        : { what: 'first: files/s in the last third / in the first third', value: median(slopes), unit: '×', bar: { atLeast: 1 } },
      { what: 'unchanged', value: corpus.files / unchanged, unit: 'files/s', bar: { atLeast: 150_000 } },
      ratio(context, 'small/unchanged', 'restic', { what: 'unchanged' }),
      restore && { what: 'restore: files/s of Terp / restic', value: 1 / restore.value, unit: '×', bar: { atLeast: 2 } },
      { what: 'peak memory, the largest of the three', value: Math.max(...peaks), unit: 'MiB', bar: { atMost: 512 } },
      ratio(context, 'small/first', 'restic', { what: 'first', quantity: 'storedBytes', atMost: 1.03 }),
    ]),
    notes: [
      heap,
      ...(slopes.length === 0
        ? ['The first backup was too short to tell whether it slows down: it needs ten seconds of status lines.']
        : []),
    ],
  }
}

/** Nothing of what Terp needs may hide in a heap that only happens to be large. */
async function withSmallHeap(context: Context, corpus: Corpus, ours: Terp): Promise<string> {
  await context.discard(...ours.places)
  await context.settle()
  await ours.init()
  const command = ours.backup(corpus.paths)
  const before = { contents: [...ours.own, ...corpus.paths] }
  const env = { ...command.env, NODE_OPTIONS: `--max-old-space-size=${HEAP_MIB}` }
  const { peakMib } = await context.time('small/first, small heap', 'terp', 0, { ...command, env }, { before })
  return `The first backup also ends well under \`--max-old-space-size=${HEAP_MIB}\` (peak ${peakMib.toFixed(0)} MiB).`
}
