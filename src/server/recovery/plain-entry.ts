/** An entry of a recovery point as plain data, for other threads and for the wire. */

import type { Entry } from '../../archive/index.ts'
import { toTimestamp } from '../../base/clock.ts'

export interface PlainEntry {
  /** Absolute, base64: names are bytes. */
  readonly path: string
  /** For people. */
  readonly text: string
  readonly name: string
  readonly kind: string
  readonly sizeBytes: number
  readonly modified: string
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly userName?: string | undefined
  readonly groupName?: string | undefined
  /** Of a symbolic link, for people. */
  readonly target?: string | undefined
  readonly links: number
  readonly isSparse: boolean
  /** It changed while it was read. */
  readonly isUnsettled: boolean
  /** Names of extended attributes. */
  readonly xattrs: readonly string[]
}

/** Years that a timestamp can say; file systems know others. */
const MOST_SECONDS = 253_402_300_799

export function plainEntry(entry: Entry): PlainEntry {
  const absolute = Buffer.concat([Buffer.from('/'), entry.path])
  const text = absolute.toString('utf8')
  const seconds = Math.min(MOST_SECONDS, Math.max(0, entry.mtimeSec))
  return {
    path: absolute.toString('base64'),
    text,
    name: text.slice(text.lastIndexOf('/') + 1),
    kind: entry.kind,
    sizeBytes: entry.sizeBytes,
    modified: toTimestamp(seconds * 1000 + Math.floor(entry.mtimeNs / 1e6)),
    mode: entry.mode & 0o7777,
    uid: entry.uid,
    gid: entry.gid,
    ...(entry.userName !== undefined && { userName: entry.userName }),
    ...(entry.groupName !== undefined && { groupName: entry.groupName }),
    ...(entry.target && { target: entry.target.toString('utf8') }),
    links: entry.links,
    isSparse: entry.sparse,
    isUnsettled: entry.unsettled,
    xattrs: entry.xattrs.map(({ name }) => name.toString('utf8')),
  }
}
