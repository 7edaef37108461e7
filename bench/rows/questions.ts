/** Row 7: what people ask of a pool with a million files, each a whole process from start to end. */
import { readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runOk } from '../command.ts'
import type { Context } from '../context.ts'
import type { Corpus } from '../corpora/corpus.ts'
import { TOP_FOLDERS, two } from '../corpora/small-files.ts'
import { medianOf } from '../figures.ts'
import type { BackupProgram } from '../programs/program.ts'
import type { Restic } from '../programs/restic.ts'
import { summaryOf, type Terp } from '../programs/terp.ts'
import type { RowResult } from '../results.ts'

const CHANGES = 100
/** Each question is asked so often in a round: they are short. */
const TIMES = 3

export async function askQuestions(context: Context, corpus: Corpus, ours: Terp, theirs: Restic, isFilled: boolean): Promise<RowResult> {
  const [root = ''] = corpus.paths
  // The pool of row 6 was filled under a small heap at last, and holds one point.
  if (!isFilled) await fillAnew(context, ours, theirs)
  const points = await twoPoints(corpus, root, ours, theirs)
  const folders = [0, 0.5, 0.99].map((share) => join(root, two(Math.floor(share * TOP_FOLDERS)), '00'))
  const file = join(folders[1] as string, '42.txt')
  const before = (program: BackupProgram) => ({ before: { contents: [...program.own, ...program.places] } })
  const targets: string[] = []
  for (let pair = 0; pair < context.options.pairs * TIMES; pair++) {
    const folder = folders[pair % folders.length] as string
    await context.time('questions/browse', 'terp', pair, ours.command('pool', 'browse', ours.pool, 'latest', folder), before(ours))
    await context.time('questions/browse', 'restic', pair, theirs.command('ls', '--quiet', 'latest', folder), before(theirs))
    for (const [program, command] of [
      [ours, (target: string) => ours.command('pool', 'restore', ours.pool, 'latest', '--target', target, '--path', file)],
      [theirs, (target: string) => theirs.command('restore', '--quiet', 'latest', '--target', target, '--include', file)],
    ] as const) {
      const target = await context.emptyFolder(`target-${program.name}-${pair}`)
      targets.push(target)
      await context.time('questions/one-file', program.name, pair, command(target), before(program))
      if (!readFileSync(join(target, file)).equals(readFileSync(file))) throw new Error(`${program.name} restored ${file} with other bytes`)
    }
    const { stdout } = await context.time(
      'questions/diff',
      'terp',
      pair,
      ours.command('pool', 'diff', ours.pool, ...points.ours),
      before(ours),
    )
    const changed = stdout.split('\n').filter((line) => line.startsWith('M ') && line.includes('.txt')).length
    if (changed !== CHANGES) throw new Error(`terp found ${changed} changed files, not ${CHANGES}`)
    await context.time('questions/diff', 'restic', pair, theirs.command('diff', '--quiet', ...points.theirs), before(theirs))
  }
  await context.discard(...targets)
  const figure = (work: string, what: string, atMost: number) => [
    { what, value: medianOf(context, work, 'terp', 'seconds'), unit: 's', bar: { atMost } },
    { what: `${what}: restic`, value: medianOf(context, work, 'restic', 'seconds'), unit: 's' },
  ]
  return {
    row: 7,
    title: 'Questions to the pool of row 6, whole process',
    figures: [
      ...figure('questions/browse', 'browse a folder', 0.3),
      ...figure('questions/one-file', 'restore one file', 1),
      ...figure('questions/diff', `difference of two points with ${CHANGES} changes`, 1),
    ],
    notes: [],
  }
}

async function fillAnew(context: Context, ...programs: readonly BackupProgram[]): Promise<void> {
  await context.discard(...programs.flatMap(({ places }) => places))
  await context.settle()
  for (const program of programs) await program.init()
}

interface Points {
  readonly ours: readonly [string, string]
  readonly theirs: readonly [string, string]
}

/** One of the corpus and one with changes, in both repositories. The corpus is put back as it was. */
async function twoPoints(corpus: Corpus, root: string, ours: Terp, theirs: Restic): Promise<Points> {
  const before = await pointsNow(corpus, ours, theirs)
  const changed = Array.from({ length: CHANGES }, (_, n) => join(root, two(n % TOP_FOLDERS), '00', `${two((n * 7) % 100)}.txt`))
  const kept = changed.map((path) => ({ path, content: readFileSync(path), times: statSync(path) }))
  try {
    for (const { path, content } of kept) writeFileSync(path, Buffer.concat([content, Buffer.from('one more line\n')]))
    const after = await pointsNow(corpus, ours, theirs)
    return { ours: [before.ours, after.ours], theirs: [before.theirs, after.theirs] }
  } finally {
    for (const { path, content, times } of kept) {
      writeFileSync(path, content)
      utimesSync(path, times.atime, times.mtime)
    }
  }
}

async function pointsNow({ paths }: Corpus, ours: Terp, theirs: Restic): Promise<{ ours: string; theirs: string }> {
  const summary = summaryOf(await runOk(ours.backup(paths)))
  await runOk(theirs.backup(paths))
  const snapshots = JSON.parse(await runOk(theirs.command('snapshots', 'latest', '--json'))) as { id: string }[]
  return { ours: String(summary.recovery_point_id), theirs: String(snapshots.at(-1)?.id) }
}
