/**
 * Arguments and paths as bytes. Node decodes its arguments as UTF-8 and loses what is not; so they are read again as the kernel has them, and
 * each byte that is not UTF-8 becomes one lone surrogate U+DC80…U+DCFF (PEP 383). Such strings go through the parser unharmed;
 * `bytesOf` turns them back.
 */
import { readFileSync } from 'node:fs'
import { cliError } from './errors.ts'

const FIRST_ESCAPE = 0xdc00

/** `given` with escapes. Falls back to `given` where the kernel does not tell. */
export function rawArguments(given: readonly string[], commandLine: Buffer | undefined = ownCommandLine()): string[] {
  if (!commandLine || given.length === 0) return [...given]
  const parts = splitAtNul(commandLine).slice(-given.length)
  if (parts.length !== given.length) return [...given]
  const isSame = parts.every((part, i) => part.toString('utf8') === given[i])
  return isSame ? parts.map(escapeBytes) : [...given]
}

function ownCommandLine(): Buffer | undefined {
  try {
    return readFileSync('/proc/self/cmdline')
  } catch {
    return undefined // not Linux, or no /proc: what Node says has to do
  }
}

function splitAtNul(bytes: Buffer): Buffer[] {
  const parts: Buffer[] = []
  let start = 0
  for (let end = bytes.indexOf(0); end >= 0; end = bytes.indexOf(0, start)) {
    parts.push(bytes.subarray(start, end))
    start = end + 1
  }
  if (start < bytes.length) parts.push(bytes.subarray(start))
  return parts
}

export function escapeBytes(bytes: Buffer): string {
  const plain = bytes.toString('utf8')
  if (Buffer.from(plain).equals(bytes)) return plain
  let text = ''
  for (let at = 0; at < bytes.length; ) {
    const length = sequenceLength(bytes, at)
    text += length === 0 ? String.fromCharCode(FIRST_ESCAPE + (bytes[at] as number)) : bytes.toString('utf8', at, at + length)
    at += length || 1
  }
  return text
}

/** Of the valid UTF-8 sequence at `at`; 0 when there is none. */
function sequenceLength(bytes: Buffer, at: number): number {
  const first = bytes[at] as number
  if (first < 0x80) return 1
  const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2
  const part = bytes.subarray(at, at + length)
  return part.length === length && Buffer.from(part.toString('utf8')).equals(part) ? length : 0
}

export function bytesOf(text: string): Buffer {
  if (text.isWellFormed()) return Buffer.from(text)
  const parts: Buffer[] = []
  for (const character of text) {
    const code = character.charCodeAt(0)
    const isEscape = character.length === 1 && code >= FIRST_ESCAPE + 0x80 && code <= FIRST_ESCAPE + 0xff
    parts.push(isEscape ? Buffer.from([code - FIRST_ESCAPE]) : Buffer.from(character))
  }
  return Buffer.concat(parts)
}

/** For what Terp opens by name itself. USAGE_NAME_INVALID when it holds bytes that are not UTF-8. */
export function plainText(text: string, what: string): string {
  if (text === '') throw cliError('USAGE_INVALID', `${what} is empty`)
  if (!text.isWellFormed()) throw cliError('USAGE_NAME_INVALID', `${what} is not UTF-8: ${text.toWellFormed()}`)
  return text
}

const SLASH = 0x2f

/** Without `.`, `..`, doubled and closing slashes; `base` is absolute. Does not look at the disk. */
export function resolvePath(base: Buffer, path: Buffer): Buffer {
  const whole = path[0] === SLASH ? path : Buffer.concat([base, Buffer.from('/'), path])
  const names: Buffer[] = []
  for (let start = 0; start <= whole.length; ) {
    const slash = whole.indexOf(SLASH, start)
    const end = slash < 0 ? whole.length : slash
    const name = whole.subarray(start, end)
    start = end + 1
    if (name.length === 0 || name.equals(Buffer.from('.'))) continue
    if (name.equals(Buffer.from('..'))) names.pop()
    else names.push(name)
  }
  return Buffer.concat(names.flatMap((name) => [Buffer.from('/'), name])).subarray(0) as Buffer
}

/** A path inside a recovery point: absolute, without its first slash. */
export function pathInPoint(text: string): Buffer {
  return resolvePath(Buffer.alloc(0), bytesOf(text)).subarray(1)
}
