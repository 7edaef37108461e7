/** Numbers of the domain, and which of them a setting lifts. */

export const DAY_MS = 86_400_000
export const HOUR_MS = 3_600_000
export const MINUTE_MS = 60_000

export const SYNC_FREQUENCIES_MINUTES = [15, 30, 45, 60, 120, 240, 360, 720, 1440] as const

/** What a vendor's file system could bear; Terp's engine has none of these limits. `null`: no cap. */
export interface Caps {
  /** Recovery points of files on disk. */
  readonly filePoints: number | null
  readonly filePointsPerDay: number | null
  readonly expressFulls: number | null
  readonly incrementsPerExpressFull: number | null
  readonly diskRetentionDays: number | null
  /** Points of one data source in the vault. */
  readonly onlinePoints: number | null
  readonly onlineBackupsPerDay: number | null
  readonly dataSourcesPerVolume: number | null
  /** Whether sync frequencies are those of the list, and online times on the half hour. */
  readonly isGridStrict: boolean
}

export const COMPATIBLE_CAPS: Caps = {
  filePoints: 64,
  filePointsPerDay: 8,
  expressFulls: 448,
  incrementsPerExpressFull: 96,
  diskRetentionDays: 448,
  onlinePoints: 9999,
  onlineBackupsPerDay: 2,
  dataSourcesPerVolume: 100,
  isGridStrict: true,
}

export const LIFTED_CAPS: Caps = {
  filePoints: null,
  filePointsPerDay: null,
  expressFulls: null,
  incrementsPerExpressFull: null,
  diskRetentionDays: null,
  onlinePoints: null,
  onlineBackupsPerDay: null,
  dataSourcesPerVolume: null,
  isGridStrict: false,
}

/** Where the server runs decides how long data may stay on its disks before the domain advises against it; `null`: no advice. */
export const DEPLOYMENT_PROFILES = {
  'own-hardware': { adviseDiskDays: null },
  'private-cloud': { adviseDiskDays: 5 },
  'public-cloud': { adviseDiskDays: 1 },
} as const

export type DeploymentProfile = keyof typeof DEPLOYMENT_PROFILES

/** Shortest retention in the vault while its security features are on. */
export const ONLINE_FLOORS = { days: 7, weeks: 4, months: 3, years: 1 } as const

/** Settings of the server that rules ask for. */
export interface ProtectionSettings {
  readonly caps: Caps
  readonly deploymentProfile: DeploymentProfile
  /** Security features of the vault: floors of retention hold. */
  readonly hasOnlineFloors: boolean
}

export const DEFAULT_SETTINGS: ProtectionSettings = { caps: COMPATIBLE_CAPS, deploymentProfile: 'own-hardware', hasOnlineFloors: true }

export const LIMITS_MEMBER = { smallestVolumeBytes: 1_000_000_000 } as const
