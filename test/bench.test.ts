/** What the benchmark makes of its samples. What it measures is nobody's test. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { appendFileSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { keptCorpus } from '../bench/corpora/corpus.ts'
import { mixedFiles } from '../bench/corpora/mixed-files.ts'
import { renderPage } from '../bench/report/page.ts'
import { plotSvg } from '../bench/report/plot.ts'
import { addUp } from '../bench/report/profile.ts'
import { barText, isMet, type Results } from '../bench/results.ts'
import { endOverStart } from '../bench/rows/slope.ts'
import { median, medianRatio, spread } from '../bench/statistics.ts'
import { Turns } from '../bench/turns.ts'
import { warm } from '../bench/warm.ts'
import { readBlock } from '../scripts/generated-block.ts'
import { temporaryFolder } from './support/temporary-folder.ts'

describe('statistics', () => {
  it('take the middle, and the middle of the pairs', () => {
    assert.equal(median([9, 1, 5]), 5)
    assert.equal(median([4, 1, 2, 3]), 2.5)
    assert.ok(Number.isNaN(median([])))
    // The second pair was disturbed: both took twice as long.
    const disturbed = [
      [1, 2],
      [2, 4],
      [1.2, 2],
    ] as const
    assert.equal(medianRatio(disturbed), 0.5)
    assert.equal(spread([1, 1, 1, 1, 1]), 0)
  })

  it('meet a bar or do not', () => {
    const figure = { what: 'first: time / restic', value: 0.34, unit: '×' }
    assert.equal(isMet(figure), undefined)
    assert.equal(isMet({ ...figure, bar: { atMost: 0.33 } }), false)
    assert.equal(isMet({ ...figure, bar: { atLeast: 0.33 } }), true)
    assert.equal(isMet({ ...figure, value: Number.NaN, bar: { atMost: 1 } }), false)
    assert.equal(barText({ ...figure, bar: { atMost: 0.33 } }), '≤ 0.33 ×')
  })

  it('see a backup slow down', () => {
    const statusLines = (filesAt: (second: number) => number) =>
      Array.from({ length: 30 }, (_, n) =>
        JSON.stringify({ message_type: 'status', seconds_elapsed: n + 1, files_done: filesAt(n + 1) }),
      ).join('\n')
    assert.equal(endOverStart(statusLines((second) => second * 1000)), 1)
    const slowing = endOverStart(statusLines((second) => Math.sqrt(second) * 1000)) ?? 1
    assert.ok(slowing < 0.6, `${slowing}`)
    assert.equal(endOverStart('{"message_type":"status","seconds_elapsed":1,"files_done":1}'), undefined)
  })
})

describe('a turn', () => {
  it('keeps others out until it ends, and holds what is begun within it', async (t) => {
    const file = join(temporaryFolder(t), 'turns')
    const isFree = () => spawnSync('flock', ['-n', file, 'true']).status === 0
    const turns = new Turns(file)
    const seen = await turns.take(async () => [isFree(), await turns.take(async () => isFree())])
    assert.deepEqual(seen, [false, false])
    assert.ok(isFree())
    await assert.rejects(
      turns.take(() => Promise.reject(new Error('it failed'))),
      /it failed/,
    )
    assert.ok(isFree())
  })

  it('begins when what it reads was read, whatever of it is not there', async (t) => {
    const folder = temporaryFolder(t)
    appendFileSync(join(folder, "it's a name\n"), 'content')
    await warm({ contents: [folder, join(folder, 'nothing')], names: [folder] })
    await warm({ contents: [join(folder, 'nothing')] })
  })
})

describe('corpora', () => {
  const quiet = () => {}

  it('are the same for the same seed, and made again when they were touched', (t) => {
    const [here, there] = [temporaryFolder(t), temporaryFolder(t)]
    const recipe = mixedFiles(0.0001)
    const made = keptCorpus(here, recipe, quiet)
    assert.equal(made.digest, keptCorpus(there, recipe, quiet).digest)
    assert.equal(made.files, 3)
    const log: string[] = []
    const note = (text: string) => void log.push(text)
    assert.equal(keptCorpus(here, recipe, note).digest, made.digest)
    assert.equal(log.length, 0, 'what is whole is kept')
    appendFileSync(join(made.paths[0] as string, 'text.log'), 'x')
    assert.equal(keptCorpus(here, recipe, note).digest, made.digest)
    assert.equal(log.length, 2)
  })

  it('hold data that shifted', (t) => {
    const [root = ''] = keptCorpus(temporaryFolder(t), mixedFiles(0.0001), quiet).paths
    const shifted = readFileSync(join(root, 'shifted.bin'))
    const piece = readFileSync(join(root, 'random.bin')).subarray(0, 1000)
    const at = shifted.indexOf(piece)
    assert.ok(at > 0 && at <= 100, `${at}`)
  })
})

const RESULTS: Results = {
  format: 'terp-bench/1',
  started: '2026-11-22T10:00:00.000Z',
  finished: '2026-11-22T11:00:00.000Z',
  command: 'npm run bench',
  pairs: 5,
  scale: 1,
  machine: { processor: 'a fast one' },
  programs: { terp: 'terp 1' },
  corpora: [{ name: 'mixed', files: 3, bytes: 3e9, digest: 'abc' }],
  rows: [
    {
      row: 1,
      title: 'First',
      figures: [{ what: 'first: time / restic', value: 0.31, unit: '×', bar: { atMost: 0.33 } }],
      notes: ['a note'],
    },
    { row: 9, title: 'Prune', figures: [], notes: [], failure: 'none' },
  ],
  growth: [
    {
      title: 'An unchanged backup',
      xLabel: 'files',
      yLabel: 'µs per file',
      points: [
        { x: 1e4, y: 5.1 },
        { x: 1e6, y: 5.4 },
      ],
    },
  ],
  profile: [{ what: 'hash', share: 0.5, seconds: 10 }],
  samples: [
    { work: 'a/first', program: 'terp', pair: 0, seconds: 10, cpuSeconds: 20, peakMib: 300, storedBytes: 1e9 },
    { work: 'a/first', program: 'terp', pair: 1, seconds: 12, cpuSeconds: 20, peakMib: 300, storedBytes: 1e9 },
  ],
}

describe('the page', () => {
  it('keeps what is written by hand and replaces the rest', () => {
    const blocks = ['table', 'method', 'machine', 'growth', 'profile', 'samples']
    const before = `by hand\n${blocks.map((name) => `<!-- ${name}:begin -->\nold\n<!-- ${name}:end -->\nbetween\n`).join('')}`
    const after = renderPage(before, RESULTS)
    assert.ok(after.startsWith('by hand\n'))
    assert.equal(after.split('between\n').length, blocks.length + 1)
    assert.ok(!after.includes('\nold\n'))
    assert.match(readBlock(after, 'table'), /\| 1 \| First \| first: time \/ restic \| 0\.31 × \| ≤ 0\.33 × \| met \|/)
    assert.match(readBlock(after, 'table'), /\| 9 \| Prune \| not measured: none \|/)
    assert.match(readBlock(after, 'samples'), /\| a\/first \| terp \| 11\.0 \|/)
    assert.equal(renderPage(after, RESULTS), after)
  })

  it('has a plot whose points stand where their sizes are', () => {
    const svg = plotSvg(RESULTS.growth)
    const [first = 0, last = 0] = [...svg.matchAll(/<circle cx="([\d.]+)"/g)].map((m) => Number(m[1]))
    assert.ok(last - first > 300, 'from one side to the other')
    assert.doesNotMatch(svg, /NaN|Infinity/)
  })

  it('has a profile that adds up threads and leaves out idleness', () => {
    const nodes = [
      { id: 1, callFrame: { functionName: '(idle)', url: '' } },
      { id: 2, callFrame: { functionName: 'findCut', url: 'file:///terp/src/chunking/cutter.ts' } },
      { id: 3, callFrame: { functionName: 'compress', url: '' } },
    ]
    const thread = { nodes, samples: [1, 2, 3], timeDeltas: [5e6, 1e6, 3e6] }
    const lines = addUp([thread, thread], '/terp')
    assert.deepEqual(
      lines.map(({ what, seconds }) => [what, seconds]),
      [
        ['compress, native', 6],
        ['findCut, src/chunking/cutter.ts', 2],
        ['everything else', 0],
      ],
    )
    assert.equal(lines[0]?.share, 0.75)
  })
})
