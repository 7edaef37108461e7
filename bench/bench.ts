/**
 * Terp beside its peers on one machine, in one run:
 *
 *   npm run bench -- [--rows 1,2,5] [--pairs N] [--scale 0.01] [--work FOLDER] [--folder /usr/lib] [--terp LAUNCHER] [--no-borg] [--turns FILE]
 *                   [--profile] [--page]
 *   npm run bench -- --page-from RESULTS.json
 *
 * The rows are those of docs/performance.md, which `--page` writes. All samples go to `results.json` in the work folder. A row that fails is
 * told and the others go on; a bar that is not met is told and nothing else: times gate nothing. With `--turns`, each measured command holds an
 * exclusive lock of FILE, so that other work on the machine can wait until it has ended.
 */
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { Context, type Options, reasonOf } from './context.ts'
import { describeMachine } from './machine.ts'
import { consoleTable } from './report/console-table.ts'
import { writePage } from './report/page.ts'
import { profileFirstBackup } from './report/profile.ts'
import type { Growth, Results, RowResult } from './results.ts'
import { coldCacheRow } from './rows/cold-cache.ts'
import { growthRow } from './rows/growth.ts'
import { indexRow } from './rows/index-size.ts'
import { mixedFilesRow } from './rows/mixed-files.ts'
import { pruneRow } from './rows/prune.ts'
import type { RowGroup } from './rows/row.ts'
import { smallFilesRows } from './rows/small-files.ts'
import { systemFolderRows } from './rows/system-folder.ts'

const GROUPS: readonly RowGroup[] = [systemFolderRows, mixedFilesRow, smallFilesRows, indexRow, pruneRow, coldCacheRow, growthRow]

const { values } = parseArgs({
  options: {
    rows: { type: 'string' },
    pairs: { type: 'string', default: '5' },
    scale: { type: 'string', default: '1' },
    work: { type: 'string', default: join(import.meta.dirname, '../.bench') },
    folder: { type: 'string', default: '/usr/lib' },
    terp: { type: 'string', default: join(import.meta.dirname, '../terp') },
    'no-borg': { type: 'boolean', default: false },
    turns: { type: 'string' },
    profile: { type: 'boolean', default: false },
    page: { type: 'boolean', default: false },
    'page-from': { type: 'string' },
  },
})

if (values['page-from'] === undefined) await runAll()
else console.log(`written: ${writePage(JSON.parse(readFileSync(values['page-from'], 'utf8')) as Results)}`)

function readOptions(): Options {
  const all = GROUPS.flatMap(({ rows }) => rows)
  const rows = values.rows === undefined ? all : values.rows.split(',').map(Number)
  const unknown = rows.find((row) => !all.includes(row))
  if (unknown !== undefined) throw new Error(`there is no row ${unknown}: ${all.join(', ')}`)
  const [pairs, scale] = [Number(values.pairs), Number(values.scale)]
  if (!Number.isInteger(pairs) || pairs < 1) throw new Error('--pairs is a whole number from 1')
  if (!(scale > 0 && scale <= 1)) throw new Error('--scale is a number above 0, at most 1')
  return {
    rows,
    pairs,
    scale,
    work: resolve(values.work),
    systemFolder: resolve(values.folder),
    terp: resolve(values.terp),
    borg: !values['no-borg'],
    turns: values.turns,
  }
}

async function runAll(): Promise<void> {
  const options = readOptions()
  mkdirSync(options.work, { recursive: true })
  const context = new Context(options, mkdtempSync(join(options.work, 'run-')))
  const started = new Date().toISOString()
  const rows: RowResult[] = []
  const growth: Growth[] = []
  try {
    for (const group of GROUPS) {
      const wanted = group.rows.filter((row) => options.rows.includes(row))
      if (wanted.length === 0) continue
      context.log(`\nrow ${wanted.join(', ')}`)
      const result = await group.run(context, wanted).catch((error: unknown) => ({ rows: failed(group, wanted, error), growth: [] }))
      rows.push(...result.rows)
      growth.push(...(result.growth ?? []))
      context.log(`\n${consoleTable(result.rows)}`)
    }
    const profile = values.profile ? await profileFirstBackup(context) : []
    const results: Results = {
      format: 'terp-bench/1',
      started,
      finished: new Date().toISOString(),
      command: `npm run bench -- ${process.argv.slice(2).join(' ')}`.trim(),
      pairs: options.pairs,
      scale: options.scale,
      machine: describeMachine(options.work, dirname(options.terp)),
      programs: context.programs,
      corpora: context.corpora.map(({ name, files, bytes, digest }) => ({
        name,
        files,
        bytes,
        ...(digest === undefined ? {} : { digest }),
      })),
      rows: rows.sort((a, b) => a.row - b.row),
      growth,
      profile,
      samples: context.samples,
    }
    const file = join(options.work, 'results.json')
    writeFileSync(file, `${JSON.stringify(results, null, 1)}\n`)
    context.log(`\n${consoleTable(results.rows)}\n\nall samples: ${file}`)
    if (values.page) context.log(`written: ${writePage(results)}`)
  } finally {
    await context.discard(context.folder)
  }
}

function failed({ title }: RowGroup, rows: readonly number[], error: unknown): RowResult[] {
  return rows.map((row) => ({ row, title, figures: [], notes: [], failure: reasonOf(error) }))
}
