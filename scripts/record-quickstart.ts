/** Draws what `npm start -- --once` prints as docs/quickstart.svg: a real run, in a terminal's window. `node scripts/record-quickstart.ts` */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

const ROOT = resolve(import.meta.dirname, '..')
const FONT_PX = 13
const LINE_PX = 19
const COLUMN_PX = 7.83
const PADDING_PX = 22
const BAR_PX = 34

const data = mkdtempSync(join(tmpdir(), 'terp-recording-'))
try {
  const printed = execFileSync('sh', ['-c', '"$1" quickstart --once --data "$2" 2>&1', 'sh', join(ROOT, 'terp'), join(data, 'terp-data')], {
    encoding: 'utf8',
  })
  const text = printed.replaceAll(join(data, 'terp-data'), './terp-data').replaceAll(ROOT, '/srv/terp').trimEnd()
  writeFileSync(join(ROOT, 'docs', 'quickstart.svg'), draw(['$ npm start -- --once', ...text.split('\n')]))
} finally {
  rmSync(data, { recursive: true, force: true })
}

function draw(lines: readonly string[]): string {
  const columns = Math.max(...lines.map((line) => line.length))
  const width = Math.ceil(columns * COLUMN_PX + 2 * PADDING_PX)
  const height = BAR_PX + lines.length * LINE_PX + 2 * PADDING_PX - 8
  const dots = ['#ff5f57', '#febc2e', '#28c840'].map((fill, i) => `<circle cx="${20 + i * 18}" cy="17" r="6" fill="${fill}"/>`)
  const rows = lines.map((line, i) => {
    const y = BAR_PX + PADDING_PX + i * LINE_PX
    return `<text x="${PADDING_PX}" y="${y}" fill="${colorOf(line)}" xml:space="preserve">${escapeXml(line)}</text>`
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="What npm start prints">`,
    `<rect width="${width}" height="${height}" rx="10" fill="#10151c"/>`,
    ...dots,
    `<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace" font-size="${FONT_PX}">`,
    ...rows,
    '</g></svg>',
    '',
  ].join('\n')
}

function colorOf(line: string): string {
  if (line.startsWith('$')) return '#7ab7ff'
  if (line.startsWith('✓')) return '#67d69a'
  return /^\S/.test(line) ? '#f2f5f8' : '#aab4c0'
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
