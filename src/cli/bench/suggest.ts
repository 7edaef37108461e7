/** What the measures mean for somebody who sets up a backup on this machine. Pure. */

import type { HashName } from '../../repository/index.ts'
import { formatRate } from '../format.ts'
import { backupLimit, type Limit, type LimitedBy, type Measures, restoreLimit } from './measures.ts'

export interface Suggestion {
  readonly about: 'first-backup' | 'restore' | 'hash' | 'encryption' | 'durability' | 'cores' | 'disk-cache'
  readonly text: string
}

/** Above it, a disk has to turn, or to ask another machine. */
const SLOW_PUBLISH_MS = 25

export function suggest(measures: Measures): Suggestion[] {
  const { cores, rates, disk, poolHash } = measures
  const [backup, restore] = [backupLimit(measures), restoreLimit(measures)]
  const suggestions: Suggestion[] = [
    { about: 'first-backup', text: `first backups: ${sayLimit(backup)}${ADVICE.backup[backup.by]}` },
    { about: 'restore', text: `restores: ${sayLimit(restore)}${ADVICE.restore[restore.by]}` },
    { about: 'hash', text: sayHash(poolHash, rates.sha256, rates.blake3) },
  ]
  // With instructions for AES it is a multiple of BLAKE3's rate, without them a fraction, however busy the machine is.
  if (rates.encrypt < rates.blake3)
    suggestions.push({
      about: 'encryption',
      text: 'encryption is slow: this processor seems to have no instructions for AES, or the virtual machine hides them',
    })
  if (disk.publishMs > SLOW_PUBLISH_MS)
    suggestions.push({
      about: 'durability',
      text: `making an object durable takes ${Math.round(disk.publishMs)} ms: many small backups would gain from a disk whose cache survives a power cut`,
    })
  if (cores === 1)
    suggestions.push({ about: 'cores', text: 'there is one core: a second one would almost double what is not limited by the disk' })
  if (disk.isCached)
    suggestions.push({ about: 'disk-cache', text: 'this file system reads only through its cache: how fast the disk reads is not known' })
  return suggestions
}

const NAMES: Readonly<Record<LimitedBy, string>> = {
  processor: 'the processor',
  reading: 'reading from the disk',
  writing: 'writing to the disk',
}

function sayLimit({ rate, by }: Limit): string {
  return `${NAMES[by]} is the limit, at about ${formatRate(rate, 1000)}`
}

const ADVICE = {
  backup: {
    processor: '; a faster disk would not help',
    reading: '; more cores would not help, faster disks would',
    writing: '; a pool on a faster disk would help',
  },
  restore: {
    processor: '; a faster disk would not help',
    reading: '; a pool on a faster disk would help',
    writing: '; restoring to a faster disk would help',
  },
} as const

function sayHash(poolHash: HashName, sha256: number, blake3: number): string {
  const [name, other] = poolHash === 'sha256' ? ['SHA-256', 'BLAKE3'] : ['BLAKE3', 'SHA-256']
  const [its, theirs] = poolHash === 'sha256' ? [sha256, blake3] : [blake3, sha256]
  return `new pools on this machine use ${name}${its >= theirs ? ` (${(its / theirs).toFixed(1)} times as fast as ${other} here)` : ''}`
}
