/** Names that a recovery point may have on the target, and names that restore itself makes up. */
import type { Operation } from '../../base/operation.ts'
import { randomHex } from '../../base/random.ts'
import { comparePaths } from '../entry.ts'

const SLASH = 0x2f
const DOT = 0x2e
const MOST_NAME_BYTES = 255

/**
 * Why a path of a tree can not be one; undefined when it can. Trees are taken for hostile even when they are authentic (R25): `last` is the path
 * before it, and because order is strict there are no two of one name.
 */
export function hostility(path: Buffer, last: Buffer | undefined): string | undefined {
  if (path.includes(0)) return 'it contains a NUL'
  let start = 0
  while (start <= path.length) {
    const slash = path.indexOf(SLASH, start)
    const end = slash < 0 ? path.length : slash
    if (end === start) return 'a name in it is empty'
    if (path[start] === DOT && (end === start + 1 || (end === start + 2 && path[start + 1] === DOT))) return 'it contains . or ..'
    start = end + 1
  }
  const order = last ? comparePaths(last, path) : -1
  if (order === 0) return 'it is there twice'
  return order > 0 ? 'it is not where its order puts it' : undefined
}

/** What a file is called until it is whole: nothing else makes such names, and nobody can guess one. */
export function temporaryName(op: Operation): string {
  return `.terp-restore-${randomHex(op.random, 12)}`
}

/** `NAME.restored`, `NAME.restored-2`, …: the stem gives way, at the boundary of a UTF-8 character, where 255 bytes are not enough. */
export function copyName(name: Buffer, attempt: number): Buffer {
  const suffix = Buffer.from(attempt === 1 ? '.restored' : `.restored-${attempt}`)
  let end = Math.min(name.length, MOST_NAME_BYTES - suffix.length)
  if (end < name.length) while (end > 1 && ((name[end] as number) & 0xc0) === 0x80) end--
  return Buffer.concat([name.subarray(0, end), suffix])
}
