/** A small file that people may read and machines must trust: one line of JSON, one line with its SHA-256 (docs/format.md §4). */
import { createHash } from 'node:crypto'

export function encodeCheckedLine(value: object): Buffer {
  const line = JSON.stringify(value)
  return Buffer.from(`${line}\n${sha256Hex(line)}\n`)
}

/** Undefined when the bytes are not what was written. */
export function decodeCheckedLine(bytes: Uint8Array): Record<string, unknown> | undefined {
  const text = Buffer.from(bytes).toString('utf8')
  const [line, sum, rest] = text.split('\n')
  if (line === undefined || rest !== '' || sha256Hex(line) !== sum) return undefined
  const value: unknown = JSON.parse(line)
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
}

function sha256Hex(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
