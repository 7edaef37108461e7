/** What `terp bench` measures, and the report of it. Rates are bytes a second. */

import type { HashName } from '../../repository/index.ts'

/** Of one core, content of 1 MiB at a time. */
export interface Rates {
  readonly cut: number
  readonly sha256: number
  readonly blake3: number
  /** Compressed, decompressed and compared, as every chunk is before it counts. */
  readonly compress: number
  readonly encrypt: number
  /** Decrypted, decompressed, hashed: what a restored byte costs. */
  readonly decode: number
}

export interface DiskMeasures {
  /** Objects of 32 MiB by the storage's own put: written, synced, linked, their folder synced. */
  readonly publish: number
  /** How long the smallest object takes to be durable. */
  readonly publishMs: number
  readonly read: number
  /** The file system would not read past its cache: the rate of the disk itself is not known. */
  readonly isCached: boolean
}

/** One whole backup and one whole restore of data made up for it. */
export interface Trial {
  readonly files: number
  readonly bytes: number
  readonly storedBytes: number
  readonly backupMs: number
  readonly unchangedMs: number
  readonly restoreMs: number
}

export interface Measures {
  readonly cores: number
  readonly hasShaInstructions: boolean
  /** Of a new pool here. */
  readonly poolHash: HashName
  /** Stored over content, of made-up text. */
  readonly compressed: number
  readonly rates: Rates
  readonly disk: DiskMeasures
  readonly trial: Trial
}

/** As many as a backup has at most. */
const MOST_WORKERS = 2

export type LimitedBy = 'processor' | 'reading' | 'writing'

export interface Limit {
  /** Bytes of content a second. */
  readonly rate: number
  readonly by: LimitedBy
}

/** Of a first backup that reads from this disk and writes to it: what each part could do alone, the slowest decides. */
export function backupLimit({ cores, rates, disk, compressed, poolHash }: Measures): Limit {
  const hash = rates[poolHash]
  // What is stored is encrypted, and hashed once more for the pack's name.
  const core = 1 / (1 / rates.cut + 1 / hash + 1 / rates.compress + compressed / rates.encrypt + compressed / hash)
  return slowest({ processor: core * Math.min(cores, MOST_WORKERS), reading: disk.read, writing: disk.publish / compressed })
}

export function restoreLimit({ cores, rates, disk, compressed }: Measures): Limit {
  return slowest({ processor: rates.decode * Math.min(cores, MOST_WORKERS), reading: disk.read / compressed, writing: disk.publish })
}

function slowest(parts: Readonly<Record<LimitedBy, number>>): Limit {
  const [by, rate] = (Object.entries(parts) as [LimitedBy, number][]).reduce((least, part) => (part[1] < least[1] ? part : least))
  return { by, rate }
}
