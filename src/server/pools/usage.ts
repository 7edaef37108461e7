/** How full the disk of a pool volume is. */
import { statfs } from 'node:fs/promises'
import type { PoolUsage, PoolVolume } from '../../catalog/index.ts'
import { DEFAULT_VOLUME_THRESHOLD } from '../../protection/index.ts'
import { poolError } from './errors.ts'

export type Fullness = Omit<PoolUsage, 'atMs' | 'reclaimableBytes'>

/** Of the whole file system: what others put there is room that the pool does not have. POOL_UNAVAILABLE. */
export async function fullnessOf(folder: string): Promise<Fullness> {
  try {
    const { bsize, blocks, bfree, bavail } = await statfs(folder)
    // What is kept for the administrator counts as used.
    const freeBytes = bavail * bsize
    const usedBytes = (blocks - bfree) * bsize
    return { sizeBytes: usedBytes + freeBytes, usedBytes, freeBytes }
  } catch (cause) {
    throw poolError('POOL_UNAVAILABLE', `${folder} can not be asked how full it is`, { cause, context: { folder, domain_code: 33518 } })
  }
}

/** As the catalog keeps it for a volume. */
export interface VolumeThresholds {
  /** 0 to 1: above it, people are warned, and nothing new is put there. */
  readonly usage: number
}

const MOST_RESERVED_BYTES = 2 * 1024 ** 3
const RESERVED_SHARE = 0.02

/** Kept free, for pruning to work with: no backup begins where there is less. */
export function reserveOf(sizeBytes: number): number {
  return Math.min(MOST_RESERVED_BYTES, sizeBytes * RESERVED_SHARE)
}

export function thresholdOf({ thresholds }: Pick<PoolVolume, 'thresholds'>): number {
  const usage = thresholds?.usage
  return typeof usage === 'number' ? usage : DEFAULT_VOLUME_THRESHOLD
}
