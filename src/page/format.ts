/** Numbers and times as the page shows them. */
import { toTimestamp } from '../base/clock.ts'

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']
const LAST_SEC = 8_640_000_000_000

export function bytesText(bytes: number): string {
  let value = bytes
  let unit = 0
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024
    unit++
  }
  return `${unit === 0 ? value : value.toFixed(value < 10 ? 1 : 0)} ${UNITS[unit]}`
}

export function countText(count: number, one: string): string {
  return `${count.toLocaleString('en-US')} ${one}${count === 1 ? '' : 's'}`
}

/** `2026-11-22 13:03`, UTC. */
export function timeText(timestamp: string): string {
  return timestamp.slice(0, 16).replace('T', ' ')
}

export function entryTimeText(sec: number): string {
  return Math.abs(sec) < LAST_SEC ? timeText(toTimestamp(sec * 1000)) : ''
}

/** RFC 6266: a plain name for old programs, the true one for others. */
export function dispositionOf(name: Buffer): string {
  const text = name.toString('utf8').toWellFormed()
  const plain = text.replace(/[^ !#$&+.0-9A-Z^_`a-z{}~()@,;=[\]-]/g, '_')
  const encoded = encodeURIComponent(text).replace(/['()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
  return `attachment; filename="${plain}"; filename*=UTF-8''${encoded}`
}
