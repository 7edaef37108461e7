/**
 * The rules for cutting beside each other: `npm run bench:chunking -- [--work FOLDER] [--keys N] [--runs N] [--only WORD]`. How fast each cuts content that lies
 * in its memory, and how much of the second of two versions it finds in the first. What it measured: docs/adr/0009-cutting-kernel.md.
 *
 * Time is that of the processor, the best of several runs: neighbours take away from a run, and never give.
 */

import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { crc32 } from 'node:zlib'
import { DEFAULT_CHUNKING } from '../src/chunking/index.ts'
import { type Contender, contenders, WINDOW_BYTES } from './chunking/contenders.ts'
import { type Corpus, makeCorpora } from './chunking/corpora.ts'

const { values } = parseArgs({
  options: {
    work: { type: 'string', default: join(tmpdir(), 'terp-chunking') },
    keys: { type: 'string', default: '5' },
    runs: { type: 'string', default: '7' },
    only: { type: 'string', default: '' },
  },
})

/** Chunks of one version: id → bytes. A checksum and a length tell a few thousand chunks apart. */
type Chunks = Map<string, number>

function cutInto(chunks: Chunks, { window, findCut }: Contender, content: Buffer): void {
  let held = 0
  for (let read = 0; read < content.length || held > 0; ) {
    const more = content.subarray(read, read + WINDOW_BYTES - held)
    window.set(more, held)
    read += more.length
    held += more.length
    let start = 0
    while (start < held && (read === content.length || held - start >= DEFAULT_CHUNKING.maxBytes)) {
      const end = findCut(start, held)
      chunks.set(`${crc32(window.subarray(start, end))}/${end - start}`, end - start)
      start = end
    }
    window.copyWithin(0, start, held)
    held -= start
  }
}

interface Outcome {
  added: number
  total: number
  bytes: number
  chunks: number
}

/** What the second version adds to the first, over several keys: with one, where a few cuts happen to fall decides. */
function compare(corpus: Corpus): Map<string, Outcome> {
  const outcomes = new Map<string, Outcome>()
  const versions = [[...corpus.before()], [...corpus.after()]] as const
  for (let key = 0; key < Number(values.keys); key++) {
    for (const contender of contenders(`key ${key}`)) {
      // The twins and the lanes cut as their kernels do: the test of the cutter holds them equal.
      if (/TypeScript|lanes/.test(contender.name)) continue
      const [before, after]: [Chunks, Chunks] = [new Map(), new Map()]
      for (const content of versions[0]) cutInto(before, contender, content)
      for (const content of versions[1]) cutInto(after, contender, content)
      const outcome = outcomes.get(contender.name) ?? { added: 0, total: 0, bytes: 0, chunks: 0 }
      for (const [id, bytes] of after) if (!before.has(id)) outcome.added += bytes
      outcome.total += versions[1].reduce((sum, { length }) => sum + length, 0)
      for (const bytes of after.values()) outcome.bytes += bytes
      outcome.chunks += after.size
      outcomes.set(contender.name, outcome)
    }
  }
  return outcomes
}

/** Bytes per nanosecond of processor time, that is GB/s. */
function speedOf({ window, findCut }: Contender, content: Uint8Array): number {
  window.set(content)
  let best = 0
  for (let run = 0; run < Number(values.runs); run++) {
    const before = process.cpuUsage()
    for (let start = 0; start < content.length; ) start = findCut(start, content.length)
    const { user, system } = process.cpuUsage(before)
    best = Math.max(best, content.length / (user + system) / 1000)
  }
  return best
}

function sampleOf(corpus: Corpus): Uint8Array {
  return Buffer.concat([...corpus.before()]).subarray(0, WINDOW_BYTES)
}

function print(rows: readonly (readonly string[])[]): void {
  const [head, ...body] = rows as [string[], ...string[][]]
  for (const row of [head, head.map(() => '---'), ...body]) console.log(`| ${row.join(' | ')} |`)
  console.log('')
}

const corpora = makeCorpora(values.work).filter(({ name }) => name.includes(values.only))
const zeros: Corpus = { name: 'zeros', before: () => [Buffer.alloc(WINDOW_BYTES)], after: () => [] }

const names = contenders('key 0').map(({ name }) => name)
const speeds = [['GB/s of one core', ...names]]
for (const corpus of [...corpora, zeros]) {
  const sample = sampleOf(corpus)
  speeds.push([corpus.name, ...contenders('key 0').map((contender) => speedOf(contender, sample).toFixed(2))])
}
print(speeds)

const found: string[][] = []
for (const corpus of Number(values.keys) > 0 ? corpora : []) {
  const outcomes = compare(corpus)
  if (found.length === 0) found.push(['new in the second version: % of it (mean chunk in KiB)', 'GB', ...outcomes.keys()])
  const [first] = outcomes.values()
  const cells = [...outcomes.values()].map(
    ({ added, total, bytes, chunks }) => `${((added / total) * 100).toFixed(2)} (${(bytes / chunks / 1024).toFixed(0)})`,
  )
  found.push([corpus.name, ((first?.total ?? 0) / Number(values.keys) / 1e9).toFixed(2), ...cells])
}
if (found.length > 0) print(found)
