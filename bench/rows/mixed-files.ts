/** Row 5: few large files, of which half can't be compressed and a third is known by the time that it comes. */
import { keptCorpus } from '../corpora/corpus.ts'
import { mixedFiles } from '../corpora/mixed-files.ts'
import { present, ratio } from '../figures.ts'
import { restic } from '../programs/restic.ts'
import { terp } from '../programs/terp.ts'
import { numberText } from '../results.ts'
import { runRounds } from '../rounds.ts'
import type { RowGroup } from './row.ts'

export const mixedFilesRow: RowGroup = {
  rows: [5],
  title: 'Large files',
  async run(context) {
    const { folder, options } = context
    const corpus = context.remember(keptCorpus(options.work, mixedFiles(options.scale), (text) => context.log(text)))
    const programs = [await terp(folder, options.terp), await restic(folder, options.work)]
    const ended = await runRounds(context, { name: 'mixed', corpus, programs, acts: ['first', 'restore'] })
    const title = `${numberText(corpus.bytes / 1e9)} GB of random, compressible and shifted data in 3 files`
    const figures = present([
      ratio(context, 'mixed/first', 'restic', { what: 'first', atMost: 0.4 }),
      ratio(context, 'mixed/first', 'restic', { what: 'first', quantity: 'storedBytes', atMost: 1 }),
      ratio(context, 'mixed/restore', 'restic', { what: 'restore', atMost: 0.5 }),
    ])
    return { rows: [{ row: 5, title, figures, notes: [], ...ended }] }
  },
}
