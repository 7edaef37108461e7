/** Row 10: the same folder when nothing of it, and nothing of the programs, is in memory. */
import { systemFolder } from '../corpora/system-folder.ts'
import { present, ratio } from '../figures.ts'
import { whyNoColdCache } from '../measure.ts'
import { restic } from '../programs/restic.ts'
import { terp } from '../programs/terp.ts'
import { runRounds } from '../rounds.ts'
import type { RowGroup } from './row.ts'

const TITLE = 'Cold cache: first backup and restore of it'

export const coldCacheRow: RowGroup = {
  rows: [10],
  title: TITLE,
  async run(context) {
    const { folder, options } = context
    const failure = whyNoColdCache()
    if (failure !== undefined) return { rows: [{ row: 10, title: TITLE, figures: [], notes: [], failure }] }
    const corpus = context.remember(await systemFolder(options.systemFolder, options.scale))
    const programs = [await terp(folder, options.terp), await restic(folder, options.work)]
    const ended = await runRounds(context, { name: 'cold', corpus, programs, acts: ['first', 'restore'], isCold: true })
    const figures = present([
      ratio(context, 'cold/first', 'restic', { what: 'first', atMost: 0.6 }),
      ratio(context, 'cold/restore', 'restic', { what: 'restore', atMost: 0.6 }),
    ])
    return { rows: [{ row: 10, title: TITLE, figures, notes: [], ...ended }] }
  },
}
