/** Rows 1 to 4: a folder full of programs and libraries, warm. */
import type { Context } from '../context.ts'
import { systemFolder } from '../corpora/system-folder.ts'
import { medianOf, present, ratio } from '../figures.ts'
import { borg } from '../programs/borg.ts'
import type { BackupProgram } from '../programs/program.ts'
import { restic } from '../programs/restic.ts'
import { tarAndZstd } from '../programs/tar.ts'
import { terp } from '../programs/terp.ts'
import type { RowResult } from '../results.ts'
import { type Act, runRounds } from '../rounds.ts'
import type { RowGroup } from './row.ts'

const ACT_OF_ROW: readonly Act[] = ['first', 'unchanged', 'force-read', 'restore']

export const systemFolderRows: RowGroup = {
  rows: [1, 2, 3, 4],
  title: 'A folder of the machine',
  async run(context, wanted) {
    const { folder, options } = context
    const corpus = context.remember(await systemFolder(options.systemFolder, options.scale))
    const programs = [await terp(folder, options.terp), await restic(folder, options.work), await tarAndZstd(folder)]
    if (options.borg) programs.push(await borg(folder))
    const acts = ACT_OF_ROW.filter((act, i) => act === 'first' || wanted.includes(i + 1))
    const ended = await runRounds(context, { name: 'usr-lib', corpus, programs, acts, skip })
    return { rows: resultsOf(context, corpus.bytes).flatMap((result) => (wanted.includes(result.row) ? [{ ...result, ...ended }] : [])) }
  },
}

function skip({ name }: BackupProgram, act: Act): boolean {
  if (name === 'tar+zstd') return act !== 'first' && act !== 'restore'
  return name === 'borg' && act === 'restore'
}

function resultsOf(context: Context, bytes: number): RowResult[] {
  const folder = context.options.systemFolder
  const forceSeconds = medianOf(context, 'usr-lib/force-read', 'terp', 'seconds')
  return [
    {
      row: 1,
      title: `First backup of ${folder}`,
      figures: present([
        ratio(context, 'usr-lib/first', 'tar+zstd', { what: 'first', atMost: 1.1 }),
        ratio(context, 'usr-lib/first', 'restic', { what: 'first', atMost: 0.33 }),
        ratio(context, 'usr-lib/first', 'borg', { what: 'first', atMost: 0.4 }),
        ratio(context, 'usr-lib/first', 'restic', { what: 'first', quantity: 'cpuSeconds', atMost: 0.45 }),
        ratio(context, 'usr-lib/first', 'restic', { what: 'first', quantity: 'storedBytes', atMost: 1.03 }),
        ratio(context, 'usr-lib/first', 'borg', { what: 'first', quantity: 'storedBytes' }),
      ]),
      notes: [],
    },
    {
      row: 2,
      title: 'Unchanged second backup of it',
      figures: present([
        ratio(context, 'usr-lib/unchanged', 'restic', { what: 'unchanged', atMost: 0.33 }),
        ratio(context, 'usr-lib/unchanged', 'borg', { what: 'unchanged' }),
      ]),
      notes: [],
    },
    {
      row: 3,
      title: '`--force-read` with everything known',
      figures: present([
        ratio(context, 'usr-lib/force-read', 'restic', { what: 'force-read', atMost: 0.4 }),
        { what: 'read, cut and hashed', value: bytes / forceSeconds / 1e9, unit: 'GB/s', bar: { atLeast: 1.2 } },
      ]),
      notes: [],
    },
    {
      row: 4,
      title: 'Restore of it, verified',
      figures: present([
        ratio(context, 'usr-lib/restore', 'restic', { what: 'restore', atMost: 0.5 }),
        ratio(context, 'usr-lib/restore', 'tar+zstd', { what: 'restore' }),
      ]),
      notes: ['`zstd -d | tar x` neither decrypts nor checks nor waits until anything is durable; Terp does all three.'],
    },
  ]
}
