/** What rules of a group ask about the world. The server fills it in from its catalog; nothing here is looked up. */
import type { ProtectionSettings } from '../limits.ts'
import type { ProtectionGroup } from './shape.ts'

export interface AgentFacts {
  readonly id: string
  readonly name: string
  /** Left out where nothing says so: the first group that it is in decides. */
  readonly kind?: 'server' | 'client'
  /** The agent in the backup server's own process. */
  readonly isBackupServer: boolean
}

/** What an agent's discovery said. What is left out is unknown, and no rule refuses the unknown. */
export interface DataSourceFacts {
  readonly id: string
  readonly sizeBytes?: number
  /** The volume on the protected machine. */
  readonly volumeName?: string
  /** Of the volume, not of what is chosen on it. */
  readonly volumeSizeBytes?: number
  readonly isFixed?: boolean
  readonly isOnline?: boolean
  readonly isWritable?: boolean
  readonly isUnlocked?: boolean
  readonly mountPoints?: readonly string[]
  /** Of a farm: its databases. */
  readonly partIds?: readonly string[]
}

export interface OtherGroup {
  readonly id: string
  readonly name: string
  readonly members: readonly { readonly dataSourceId: string; readonly agentId: string; readonly workload: string }[]
}

export interface GroupFacts {
  readonly nowMs: number
  readonly agents: readonly AgentFacts[]
  readonly dataSources: readonly DataSourceFacts[]
  readonly poolVolumeCount: number
  /** Without the group that is checked. */
  readonly otherGroups: readonly OtherGroup[]
  readonly isRegistered: boolean
  readonly settings: ProtectionSettings
  /** Where the group is changed, not made: what it was. */
  readonly before?: {
    readonly group: ProtectionGroup
    /** The first online copy has begun. */
    readonly hasInitialCopy: boolean
    /** An offline seed is on its way. */
    readonly isSeedPending: boolean
  }
}
