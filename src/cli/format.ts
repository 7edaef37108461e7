/** Numbers, times and names as people read them. Pure. */
import { toTimestamp } from '../base/clock.ts'

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']

export function formatBytes(bytes: number): string {
  let value = bytes
  let unit = 0
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024
    unit++
  }
  return `${unit === 0 ? value : value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)} ${UNITS[unit]}`
}

export function formatRate(bytes: number, ms: number): string {
  return ms <= 0 ? '–' : `${formatBytes(Math.round((bytes * 1000) / ms))}/s`
}

export function formatDuration(ms: number): string {
  if (ms < 10_000) return `${(ms / 1000).toFixed(1)} s`
  const seconds = Math.round(ms / 1000)
  if (seconds < 60) return `${seconds} s`
  const two = (n: number) => String(n).padStart(2, '0')
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60]
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds % 60)} h` : `${minutes}:${two(seconds % 60)} min`
}

/** `1,234,567`, for integers. What the language has for it reads its tables of all locales first, for 25 ms. */
export function formatInteger(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ',')
}

export function formatCount(count: number, one: string, many = `${one}s`): string {
  return `${formatInteger(count)} ${count === 1 ? one : many}`
}

/** `2026-11-22 13:03:04`, in UTC. */
export function formatTime(timestamp: string): string {
  return timestamp.slice(0, 19).replace('T', ' ')
}

const LAST_SEC = 8_640_000_000_000

/** RFC 3339 with nanoseconds; null for times that it cannot express. */
export function timestampOf(sec: number, ns: number): string | null {
  if (Math.abs(sec) >= LAST_SEC) return null
  return `${toTimestamp(sec * 1000).replace(/\.\d{3}Z$/, '')}.${String(ns).padStart(9, '0')}Z`
}

/** For a terminal: a name out of a backup must not move its cursor or end a line. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return text.toWellFormed().replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, (character) => {
    if (character === '\n') return '\\n'
    if (character === '\t') return '\\t'
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}

export interface Column {
  readonly title: string
  readonly align?: 'left' | 'right'
}

/** Columns two spaces apart; the last one is not padded. */
export function formatTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const widths = columns.map(({ title }, i) => Math.max(title.length, ...rows.map((row) => widthOf(row[i] ?? ''))))
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) => {
        const space = ' '.repeat(Math.max(0, (widths[i] ?? 0) - widthOf(cell)))
        return columns[i]?.align === 'right' ? space + cell : cell + space
      })
      .join('  ')
      .trimEnd()
  return [line(columns.map(({ title }) => title)), ...rows.map(line)].join('\n')
}

function widthOf(text: string): number {
  return [...text].length
}

const TYPE_LETTERS: Readonly<Record<string, string>> = {
  file: '-',
  folder: 'd',
  symlink: 'l',
  fifo: 'p',
  'character-device': 'c',
  'block-device': 'b',
  socket: 's',
}

/** `-rwsr-xr-x`, as ls prints it. */
export function formatMode(kind: string, mode: number): string {
  const triple = (shift: number, special: number, letter: string) => {
    const bits = (mode >> shift) & 7
    const x = (bits & 1) !== 0
    const last = (mode & special) === 0 ? (x ? 'x' : '-') : x ? letter : letter.toUpperCase()
    return `${bits & 4 ? 'r' : '-'}${bits & 2 ? 'w' : '-'}${last}`
  }
  return `${TYPE_LETTERS[kind] ?? '?'}${triple(6, 0o4000, 's')}${triple(3, 0o2000, 's')}${triple(0, 0o1000, 't')}`
}
