/**
 * Where a source is read, when that is not where it is recorded: a snapshot of its volume, mounted elsewhere, or a copy of it on another machine. Paths and device numbers of
 * the tree are those of the source, so that the next recovery point, of another snapshot or of the live tree, compares with this one.
 */
import type { FileStat } from '../../platform/index.ts'
import { absolutePath } from '../entry.ts'

export interface ReadPlace {
  /** Absolute; stands for the path of the same number. A slash at its end: the top of a volume, whatever its name there. */
  readonly at: Buffer
  readonly device: { readonly read: number; readonly recorded: number }
  /** When everything dirty of the volume was written out, before it was frozen: what has changed since may change again without a trace. */
  readonly settledMs: number
  /** Absolute: stands for each folder above, where the source's own folders are not on this machine. */
  readonly above?: Buffer
}

/** Plain data, for workers. */
export type DeviceNumbers = readonly (readonly [read: number, recorded: number])[]

export interface Places {
  /** Absolute path of a root that is recorded as this one. */
  at(root: Buffer): Buffer
  /** Stands for folders above that root; undefined: they are where they are recorded. */
  above(root: Buffer): Buffer | undefined
  recorded(stat: FileStat): FileStat
  readonly devices: DeviceNumbers
  /** By the device that is recorded. */
  readonly settledMs: ReadonlyMap<number, number>
}

/** `paths` without their first slash. */
export function placesOf(paths: readonly Buffer[], readAt: readonly (ReadPlace | undefined)[]): Places {
  const places = new Map<string, Buffer>()
  const above = new Map<string, Buffer>()
  const devices = new Map<number, number>()
  const settledMs = new Map<number, number>()
  readAt.forEach((place, i) => {
    if (!place) return
    const key = (paths[i] as Buffer).toString('latin1').replace(/\/+$/, '')
    places.set(key, place.at)
    if (place.above) above.set(key, place.above)
    devices.set(place.device.read, place.device.recorded)
    settledMs.set(place.device.recorded, Math.min(place.settledMs, settledMs.get(place.device.recorded) ?? place.settledMs))
  })
  return {
    at: (root) => places.get(root.toString('latin1')) ?? absolutePath(root),
    above: (root) => above.get(root.toString('latin1')),
    recorded: devices.size === 0 ? (stat) => stat : (stat) => withDevice(stat, devices.get(stat.dev)),
    devices: [...devices],
    settledMs,
  }
}

export const READ_IN_PLACE: Places = placesOf([], [])

/** Objects of one shape stay fast. */
function withDevice(stat: FileStat, dev: number | undefined): FileStat {
  return dev === undefined ? stat : { ...stat, dev }
}

export function recordedDevice(devices: DeviceNumbers): (dev: number) => number {
  if (devices.length === 0) return (dev) => dev
  const numbers = new Map(devices)
  return (dev) => numbers.get(dev) ?? dev
}
