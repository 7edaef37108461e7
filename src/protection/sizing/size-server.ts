/** All answers of `terp sizing` at once (§3.5, §7.3, §7.5, §13): the rules of thumb, put together. */
import type { OnlineRetention } from '../group/shape.ts'
import { COMPATIBLE_CAPS } from '../limits.ts'
import { countOnlinePoints, yearsToCap } from './online-points.ts'
import {
  allocationBytes,
  CHANGE_JOURNAL_BYTES,
  MACHINE_DISKS,
  machinePoolBytes,
  poolSizeBytes,
  protectableBytes,
  SYSTEM_ALLOCATION_BYTES,
  scratchBytes,
  stagingBytes,
} from './pool-size.ts'

export interface SizingInput {
  readonly protectedBytes: number
  readonly retentionDays: number
  readonly backupsPerDay: number
  /** Of it, with a copy in the vault. */
  readonly onlineBytes: number
  /** Logs of databases between two express fulls. */
  readonly logBytes?: number | undefined
  /** Machines whose system state or bare metal is protected. */
  readonly systems?: number | undefined
  /** Protected volumes, each with a journal of what changes. */
  readonly volumes?: number | undefined
  /** The machine that the server is to run on, and the size of one of its disks. */
  readonly machine?: keyof typeof MACHINE_DISKS | undefined
  readonly diskBytes?: number | undefined
  /** How many points long-term retention keeps of each row. */
  readonly rows?: { readonly daily: number; readonly weekly: number; readonly monthly: number; readonly yearly: number } | undefined
  readonly onlinePerDay?: number | undefined
  /** The most that is ever restored from the vault at once. */
  readonly restoredBytes?: number | undefined
}

const TB = 1e12

export function sizeServer(input: SizingInput) {
  const { protectedBytes, retentionDays, backupsPerDay, onlineBytes, logBytes = 0, systems = 0, volumes = 0, restoredBytes } = input
  const points = retentionDays * backupsPerDay
  const cap = COMPATIBLE_CAPS.filePoints
  return {
    allocationBytes: allocationBytes({ sizeBytes: protectedBytes, retentionDays, backupsPerDay, logBytes }),
    ...(systems > 0 && { systemBytes: { least: systems * SYSTEM_ALLOCATION_BYTES.least, most: systems * SYSTEM_ALLOCATION_BYTES.most } }),
    ...(volumes > 0 && { journalBytes: volumes * CHANGE_JOURNAL_BYTES }),
    pool: poolSizeBytes(protectedBytes),
    ...(input.machine && { machine: machineOf(input.machine, input.diskBytes ?? TB, protectedBytes) }),
    points: {
      onDisk: points,
      cap,
      isOverCap: cap !== null && points > cap,
      longestDays: cap === null ? null : Math.floor(cap / backupsPerDay),
    },
    scratch: scratchBytes(onlineBytes, systems > 0),
    ...(restoredBytes !== undefined && { stagingBytes: stagingBytes(restoredBytes) }),
    ...(input.rows && { online: onlineOf(input.rows, input.onlinePerDay ?? 1) }),
  }
}

function machineOf(machine: keyof typeof MACHINE_DISKS, diskBytes: number, protectedBytes: number) {
  const poolBytes = machinePoolBytes(machine, diskBytes)
  const protectable = protectableBytes(poolBytes)
  return { machine, disks: MACHINE_DISKS[machine], poolBytes, protectable, isEnough: protectedBytes <= protectable.most }
}

function onlineOf({ daily, weekly, monthly, yearly }: NonNullable<SizingInput['rows']>, perDay: number) {
  // Two a day lie twelve hours apart; where they lie does not matter for how many there are.
  const times = Array.from({ length: perDay }, (_, i) => `${String(8 + i).padStart(2, '0')}:00`)
  const one = ['08:00']
  const on = { kind: 'date' as const, day: 1 }
  const retention: OnlineRetention = {
    ...(daily > 0 && { daily: { days: daily, times } }),
    ...(weekly > 0 && { weekly: { weeks: weekly, weekdays: ['sat' as const], times: one } }),
    ...(monthly > 0 && { monthly: { months: monthly, on, times: one } }),
    ...(yearly > 0 && { yearly: { years: yearly, inMonths: [1], on, times: one } }),
  }
  const cap = COMPATIBLE_CAPS.onlinePoints ?? Number.POSITIVE_INFINITY
  const { upperBound } = countOnlinePoints(retention)
  return { points: upperBound, cap, isOverCap: upperBound > cap, yearsToCapUnpruned: yearsToCap(cap, perDay) }
}
