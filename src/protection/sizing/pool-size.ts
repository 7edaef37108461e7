/** How much room backups need (§3.5, §7.3, §7.5, §13). The numbers are the domain's rules of thumb, for planning before anything is measured. */
const GIB = 2 ** 30
/** The domain reckons in decimal units here: 2 TB online, 100 GB of scratch. */
const GB = 1e9

export const CHURN_PER_BACKUP = 0.03
const SAFETY = 1.05

/** Default allocation of one data source. */
export function allocationBytes(source: { sizeBytes: number; retentionDays: number; backupsPerDay: number; logBytes?: number }): number {
  const { sizeBytes, retentionDays, backupsPerDay, logBytes = 0 } = source
  return Math.ceil(sizeBytes * (1 + CHURN_PER_BACKUP * retentionDays * backupsPerDay) * SAFETY) + logBytes
}

/** System state and bare-metal backups, whose size is unknown until the first one was made. */
export const SYSTEM_ALLOCATION_BYTES = { least: 20 * GIB, most: 30 * GIB } as const
/** On each protected volume, where changes are tracked. */
export const CHANGE_JOURNAL_BYTES = 300 * 2 ** 20

/** A pool for so much protected data. */
export function poolSizeBytes(protectedBytes: number): { least: number; recommended: readonly [number, number] } {
  return { least: 1.5 * protectedBytes, recommended: [2 * protectedBytes, 3 * protectedBytes] }
}

/** What a pool can protect: at most by the rule for the least pool, and with room to breathe. */
export function protectableBytes(poolBytes: number): { most: number; recommended: number } {
  return { most: poolBytes / 1.5, recommended: poolBytes / 2 }
}

/** Machine sizes of the domain's private cloud (S-041, S-042). */
export const MACHINE_DISKS = { A2: 4, A3: 8, A4: 16 } as const
export const machinePoolBytes = (size: keyof typeof MACHINE_DISKS, diskBytes: number): number => MACHINE_DISKS[size] * diskBytes

/** The working folder for the copy in the vault: 5 % of what goes there, 10 % to be safe, more where system state does. */
export function scratchBytes(onlineBytes: number, hasSystemState = false): { least: number; safe: number } {
  const system = hasSystemState ? 35 * GB : 0
  return { least: 0.05 * onlineBytes + system, safe: 0.1 * onlineBytes + system }
}

/** Where an online recovery lands first. */
export const stagingBytes = (restoredBytes: number): number => restoredBytes

/** The share of a line that arrives as content. The domain's table of §7.5 has it at 80 %, which its rows show within their rounding. */
export const LINE_EFFICIENCY = 0.8

/** A first copy over a line, in hours. `reduction`: what compression and deduplication save, 0 to 1. */
export function initialCopyHours(copy: { sizeBytes: number; bitsPerSecond: number; efficiency?: number; reduction?: number }): number {
  const { sizeBytes, bitsPerSecond, efficiency = LINE_EFFICIENCY, reduction = 0 } = copy
  return (sizeBytes * 8 * (1 - reduction)) / (bitsPerSecond * efficiency) / 3600
}

/** Above this, over a slow line, a manual or offline first copy is advised. */
export function isManualCopyAdvised(copy: { sizeBytes: number; isOverWan: boolean }): boolean {
  return copy.isOverWan && copy.sizeBytes > 5 * GB
}
