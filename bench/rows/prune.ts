/**
 * Row 9: half of the points of a large pool are expired, and what only they need is deleted while a backup runs. The pool is made once and kept as
 * corpora are; every act works on a copy of hard links, which deleting and adding objects leaves whole.
 */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type Command, run, runOk } from '../command.ts'
import type { Context } from '../context.ts'
import { type Corpus, keptCorpus } from '../corpora/corpus.ts'
import { mixedFiles } from '../corpora/mixed-files.ts'
import { medianOf, present } from '../figures.ts'
import { prepare } from '../measure.ts'
import { jsonLines, type Terp, terp } from '../programs/terp.ts'
import type { RowResult } from '../results.ts'
import { medianRatio } from '../statistics.ts'
import type { RowGroup } from './row.ts'

const CHUNKS = 10_000_000
const POINTS = 10
/** Changes when what makes the pool does, or the format. */
const POOL_VERSION = 1
/** Of the usual one: in a pool that cuts so small, a megabyte is three thousand chunks. */
const CORPUS_SHARE = 0.1

export const pruneRow: RowGroup = {
  rows: [9],
  title: 'Prune of a large pool while a backup runs',
  async run(context) {
    const { folder, options } = context
    const program = await terp(folder, options.terp)
    const chunks = Math.round(CHUNKS * options.scale)
    const title = `Prune that drops half of the points of a pool with ${chunks.toLocaleString('en-US')} chunks while a backup runs`
    // A group of commands answers --help for those that it does not have.
    const { stdout } = await run(program.command('pool', 'prune', '--help').argv)
    if (!stdout.startsWith('Usage: terp pool prune'))
      return { rows: [{ row: 9, title, figures: [], notes: [], failure: 'this Terp has no `pool prune`' }] }
    const corpus = context.remember(keptCorpus(options.work, mixedFiles(options.scale * CORPUS_SHARE), (text) => context.log(text)))
    const { large, points } = await keptLargePool(context, program, chunks)
    for (let pair = 0; pair < options.pairs; pair++) await onePair(context, program, corpus, { large, points, pair })
    return { rows: [resultOf(context, title)] }
  },
}

interface LargePool {
  readonly large: string
  /** Oldest first. */
  readonly points: readonly string[]
}

/** Beside the corpora; its points are written last, so half a pool is made again. */
async function keptLargePool(context: Context, { keyFile }: Terp, chunks: number): Promise<LargePool> {
  const large = join(context.options.work, 'pools', `small-chunks-v${POOL_VERSION}-${chunks}`)
  const label = `${large}.json`
  const kept = readPoints(label)
  if (kept) return { large, points: kept }
  rmSync(large, { recursive: true, force: true })
  mkdirSync(dirname(large), { recursive: true })
  const source = await context.emptyFolder('prune-source')
  context.log(`making a pool of ${chunks.toLocaleString('en-US')} chunks`)
  const words = [join(import.meta.dirname, 'prune-pool.ts'), large, keyFile, source, String(chunks), String(POINTS)]
  const told = await runOk({ argv: [process.execPath, '--disable-warning=ExperimentalWarning', ...words] })
  await context.discard(source)
  const { points } = jsonLines(told).at(-1) as { points: string[] }
  writeFileSync(label, `${JSON.stringify({ points })}\n`)
  return { large, points }
}

function readPoints(label: string): readonly string[] | undefined {
  try {
    return (JSON.parse(readFileSync(label, 'utf8')) as { points: string[] }).points
  } catch {
    return undefined // none, or half of one
  }
}

interface Round {
  readonly large: string
  readonly points: readonly string[]
  readonly pair: number
}

/** The same backup into the same pool, alone and beside a prune. Who goes first changes. */
async function onePair(context: Context, program: Terp, { paths }: Corpus, { large, points, pair }: Round): Promise<void> {
  const backup = program.backup(paths)
  const used: string[] = []
  const fresh = async () => {
    await runOk({ argv: ['cp', '-al', large, program.pool] })
    await runOk(program.command('pool', 'expire', program.pool, ...points.filter((_, n) => n % 2 === 0)))
  }
  const putAway = async () => {
    used.push(join(context.folder, `used-pool-${used.length}`))
    renameSync(program.pool, used.at(-1) as string)
  }
  const before = { contents: [...program.own, ...program.places, ...paths] }
  const alone = async () => {
    await fresh()
    await context.time('prune/backup alone', 'terp', pair, backup, { before })
    await putAway()
  }
  const both = async () => {
    await fresh()
    await context.time('prune/idle', 'terp', pair, program.command('pool', 'list', program.pool))
    const prune: Command = program.command('pool', 'prune', program.pool, '--json')
    await context.turn(async () => {
      await prepare(before)
      await Promise.all([
        context.time('prune/prune', 'terp', pair, prune, { before: 'ready', storedBytes: () => program.storedBytes() }),
        context.time('prune/backup beside it', 'terp', pair, backup, { before: 'ready' }),
      ])
    })
    await putAway()
  }
  for (const act of pair % 2 === 0 ? [alone, both] : [both, alone]) await act()
  await context.discard(...used)
  await context.settle()
}

function resultOf(context: Context, title: string): RowResult {
  const beside = context.of('prune/backup beside it', 'terp')
  const slower = medianRatio(context.of('prune/backup alone', 'terp').map(({ seconds }, i) => [beside[i]?.seconds ?? Number.NaN, seconds]))
  const memory = medianOf(context, 'prune/prune', 'terp', 'peakMib') - medianOf(context, 'prune/idle', 'terp', 'peakMib')
  return {
    row: 9,
    title,
    figures: present([
      { what: 'prune', value: medianOf(context, 'prune/prune', 'terp', 'seconds'), unit: 's', bar: { atMost: 120 } },
      { what: 'prune: peak memory above that of `pool list`', value: memory, unit: 'MiB', bar: { atMost: 256 } },
      { what: 'backup beside it / alone', value: slower, unit: '×', bar: { atMost: 1.2 } },
    ]),
    notes: [],
  }
}
