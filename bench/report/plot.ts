/** A plot as SVG, written by hand: sizes on a logarithmic axis from left to right, costs from zero upwards. */
import { type Growth, numberText } from '../results.ts'

const WIDTH = 420
const HEIGHT = 220
const LEFT = 56
const RIGHT = 24
const TOP = 34
const BOTTOM = 44
const INK = '#57606a'
const LINE = '#0969da'

/** One beside the other. Colours that can be read on white and on black. */
export function plotSvg(plots: readonly Growth[]): string {
  const width = WIDTH * plots.length
  const parts = plots.map((plot, i) => `<g transform="translate(${i * WIDTH} 0)">${onePlot(plot)}</g>`)
  const title = plots.map(({ title }) => title).join('; ')
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${HEIGHT}" width="${width}" height="${HEIGHT}" font-family="sans-serif" font-size="11" fill="${INK}" role="img" aria-label="${escaped(title)}">\n${parts.join('\n')}\n</svg>\n`
}

function onePlot({ title, xLabel, yLabel, points }: Growth): string {
  const logs = points.map(({ x }) => Math.log10(x))
  const [low, high] = [Math.min(...logs), Math.max(...logs)]
  const top = niceCeiling(Math.max(...points.map(({ y }) => y)))
  const atX = (x: number) => LEFT + ((Math.log10(x) - low) / Math.max(high - low, 0.001)) * (WIDTH - LEFT - RIGHT)
  const atY = (y: number) => HEIGHT - BOTTOM - (Math.max(0, y) / top) * (HEIGHT - TOP - BOTTOM)
  const levels = [0, top / 2, top].map(
    (y) =>
      `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${atY(y)}" y2="${atY(y)}" stroke="${INK}" stroke-opacity="0.3"/>${text(LEFT - 6, atY(y) + 4, 'end', numberText(y))}`,
  )
  const marks = points.map(({ x, y }) => {
    const [cx, cy] = [round(atX(x)), round(atY(y))]
    const count = text(cx, HEIGHT - BOTTOM + 16, 'middle', Math.round(x).toLocaleString('en-US'))
    return `<circle cx="${cx}" cy="${cy}" r="3.5" fill="${LINE}"/>${text(cx, cy - 9, 'middle', numberText(y))}${count}`
  })
  const line = points.map(({ x, y }) => `${round(atX(x))},${round(atY(y))}`).join(' ')
  return [
    text(LEFT, 16, 'start', `${title}: ${yLabel}`),
    ...levels,
    `<polyline points="${line}" fill="none" stroke="${LINE}" stroke-width="2"/>`,
    ...marks,
    text(WIDTH - RIGHT, HEIGHT - 8, 'end', xLabel),
  ].join('')
}

function text(x: number, y: number, anchor: 'start' | 'middle' | 'end', content: string): string {
  return `<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}">${escaped(content)}</text>`
}

function niceCeiling(value: number): number {
  if (!(value > 0)) return 1
  const power = 10 ** Math.floor(Math.log10(value))
  return power * ([1, 1.5, 2, 3, 4, 5, 7.5, 10].find((factor) => factor * power >= value * 1.15) ?? 20)
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}

function escaped(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
}
