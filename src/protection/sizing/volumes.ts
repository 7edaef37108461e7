/** Which volumes may join the pool, how full they are, and which one a data source goes to (§3.5). */
import type { AlertKindName } from '../alert-kinds.ts'
import { type Refusal, refuse } from '../refusal.ts'

export interface CandidateVolume {
  readonly name: string
  readonly isSystem: boolean
  readonly isRemovable: boolean
  readonly isNetwork: boolean
  /** Something else lies on it. */
  readonly isForeign: boolean
  readonly isReadOnly: boolean
}

/** All that stands against a volume. `typedName` is what a person typed to confirm that it is erased (33508). */
export function validatePoolVolume(volume: CandidateVolume, typedName: string | undefined): Refusal[] {
  const wrong = [
    volume.isSystem ? 'a system volume' : '',
    volume.isRemovable ? 'removable' : '',
    volume.isNetwork ? 'a network share' : '',
    volume.isForeign ? 'used by something else' : '',
    volume.isReadOnly ? 'read-only' : '',
  ].filter((word) => word !== '')
  const refusals = wrong.map((word) => refuse('POOL_VOLUME_NOT_ALLOWED', `${volume.name} is ${word}`))
  if (typedName !== volume.name) refusals.push(refuse('POOL_VOLUME_NOT_CONFIRMED', `the name of ${volume.name} was not typed`))
  return refusals
}

/** 40012. Inactive data counts: its points are on the volume as well. */
export function refuseVolumeRemoval(volume: { name: string; activeReplicas: number; inactiveReplicas: number }): Refusal | undefined {
  const { name, activeReplicas, inactiveReplicas } = volume
  if (activeReplicas + inactiveReplicas === 0) return undefined
  return refuse('POOL_VOLUME_IN_USE', `${name} holds ${activeReplicas} active and ${inactiveReplicas} inactive replicas`)
}

export interface VolumeUsage {
  readonly isThere: boolean
  readonly capacityBytes: number
  readonly usedBytes: number
  /** 0 to 1; the domain warns at 0.9. */
  readonly threshold?: number
  /** Kept free, for deletion to work with. */
  readonly reserveBytes?: number
}

export const DEFAULT_VOLUME_THRESHOLD = 0.9

/** The alert that a volume deserves, or undefined where none. */
export function volumeAlert(volume: VolumeUsage): AlertKindName | undefined {
  const { isThere, capacityBytes, usedBytes, threshold = DEFAULT_VOLUME_THRESHOLD, reserveBytes = 0 } = volume
  if (!isThere) return 'pool-volume-missing'
  if (usedBytes + reserveBytes >= capacityBytes) return 'pool-volume-full'
  return usedBytes > capacityBytes * threshold ? 'pool-volume-threshold' : undefined
}

export interface PlaceableVolume extends VolumeUsage {
  readonly id: string
  /** Workloads that may be on it; none named means all. */
  readonly workloads: readonly string[]
}

/**
 * The volume for a new replica: of those that take its workload and have room below their threshold, one that is tagged for it before one
 * that takes anything, and of these the one with most room left. Undefined where there is none.
 */
export function chooseVolume(volumes: readonly PlaceableVolume[], need: { workload: string; bytes: number }): PlaceableVolume | undefined {
  const left = (volume: PlaceableVolume) => volume.capacityBytes * (volume.threshold ?? DEFAULT_VOLUME_THRESHOLD) - volume.usedBytes
  const fitting = volumes.filter(
    (volume) => volume.isThere && (volume.workloads.length === 0 || volume.workloads.includes(need.workload)) && left(volume) >= need.bytes,
  )
  const tagged = fitting.filter((volume) => volume.workloads.length > 0)
  const candidates = tagged.length > 0 ? tagged : fitting
  return [...candidates].sort((a, b) => left(b) - left(a) || (a.id < b.id ? -1 : 1))[0]
}
