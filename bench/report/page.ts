/** docs/performance.md out of one run's results. What is written by hand there – what limits each row – is kept: it lies outside the blocks. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { replaceBlock } from '../../scripts/generated-block.ts'
import { medianOfSamples } from '../figures.ts'
import { barText, isMet, numberText, type Results, type RowResult, type Sample } from '../results.ts'
import { spread } from '../statistics.ts'
import { method } from './method.ts'
import { plotSvg } from './plot.ts'

const DOCS = join(import.meta.dirname, '../../docs')
const PAGE = join(DOCS, 'performance.md')
const PLOT = 'performance-growth.svg'

export function writePage(results: Results): string {
  writeFileSync(PAGE, renderPage(readFileSync(PAGE, 'utf8'), results))
  if (results.growth.length > 0) writeFileSync(join(DOCS, PLOT), plotSvg(results.growth))
  return PAGE
}

export function renderPage(before: string, results: Results): string {
  const blocks: Record<string, string> = {
    table: tableOf(results.rows),
    method: method(results),
    machine: machineOf(results),
    growth: growthOf(results),
    profile: profileOf(results),
    samples: samplesOf(results.samples),
  }
  return Object.entries(blocks).reduce((page, [name, content]) => replaceBlock(page, name, content), before)
}

function tableOf(rows: readonly RowResult[]): string {
  const lines = rows.flatMap(({ row, title, figures, failure }) => {
    const own = figures.map((figure, i) => {
      const met = isMet(figure)
      const verdict = met === undefined ? '' : met ? 'met' : '**not met**'
      const head = i === 0 ? `| ${row} | ${title} ` : '| | '
      return `${head}| ${figure.what} | ${numberText(figure.value)} ${figure.unit} | ${barText(figure)} | ${verdict} |`
    })
    return failure === undefined ? own : [...own, `| ${own.length === 0 ? `${row} | ${title}` : '|'} | not measured: ${failure} | | | |`]
  })
  const notes = rows.flatMap(({ row, notes }) => notes.map((note) => `- Row ${row}: ${note}`))
  return [
    '| Row | Work | Figure | Measured | Bar | |',
    '|---|---|---|---|---|---|',
    ...lines,
    ...(notes.length > 0 ? ['', ...notes] : []),
  ].join('\n')
}

function machineOf({ machine, programs, corpora, started, finished, command }: Results): string {
  const rows = Object.entries({
    ...machine,
    measured: `${started.slice(0, 16)} to ${finished.slice(0, 16)} UTC`,
    command: `\`${command}\``,
  })
  const bytes = (value: number) => `${numberText(value / 1e6)} MB`
  return [
    '| | |',
    '|---|---|',
    ...rows.map(([name, value]) => `| ${name} | ${value} |`),
    ...Object.entries(programs).map(([name, version]) => `| ${name} | ${version} |`),
    ...corpora.map(
      ({ name, files, bytes: size, digest }) =>
        `| corpus ${name} | ${files.toLocaleString('en-US')} files, ${bytes(size)}${digest === undefined ? '' : `, BLAKE2b ${digest}`} |`,
    ),
  ].join('\n')
}

function growthOf({ growth }: Results): string {
  if (growth.length === 0) return 'Not measured in this run.'
  const tables = growth.map(({ xLabel, yLabel, points }) =>
    [
      `| ${xLabel} | ${yLabel} |`,
      '|---|---|',
      ...points.map(({ x, y }) => `| ${Math.round(x).toLocaleString('en-US')} | ${numberText(y)} |`),
    ].join('\n'),
  )
  return [`![How cost grows](${PLOT})`, ...tables].join('\n\n')
}

function profileOf({ profile }: Results): string {
  if (profile.length === 0) return 'Not taken in this run.'
  const rows = profile.map(({ what, seconds, share }) => `| ${what} | ${seconds.toFixed(2)} s | ${(share * 100).toFixed(1)} % |`)
  return ['| Function | Time | Share |', '|---|---|---|', ...rows].join('\n')
}

/** One line per work and program: medians, and how far the samples lie apart. */
function samplesOf(samples: readonly Sample[]): string {
  const groups = Map.groupBy(samples, ({ work, program }) => `${work} | ${program}`)
  const rows = [...groups].map(([key, group]) => {
    const seconds = group.map((sample) => sample.seconds)
    const apart = spread(seconds)
    const stored = medianOfSamples(group, 'storedBytes')
    const cells = [
      key,
      numberText(medianOfSamples(group, 'seconds')),
      Number.isFinite(apart) ? `± ${(apart * 100).toFixed(0)} %` : '',
      numberText(medianOfSamples(group, 'cpuSeconds')),
      medianOfSamples(group, 'peakMib').toFixed(0),
      Number.isFinite(stored) ? numberText(stored / 1e6) : '',
      seconds.map((value) => numberText(value)).join(' '),
    ]
    return `| ${cells.join(' | ')} |`
  })
  return [
    '| Work | Program | Median, s | | CPU, s | Peak, MiB | Stored, MB | Each, s |',
    '|---|---|---|---|---|---|---|---|',
    ...rows,
  ].join('\n')
}
