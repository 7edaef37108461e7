/** What the acts of this room answer. Numbers of bytes are of content unless the name says packed. */
import type { Warning } from '../base/operation.ts'
import type { DamageList, Finding, RecoveryPoint } from '../repository/index.ts'
import type { Entry } from './entry.ts'

export interface BackupReport {
  readonly point: RecoveryPoint
  readonly filesNew: number
  readonly filesChanged: number
  readonly filesUnmodified: number
  readonly foldersNew: number
  readonly foldersChanged: number
  readonly foldersUnmodified: number
  readonly filesProcessed: number
  readonly bytesProcessed: number
  /** Content that was not known before, and what it takes on disk. */
  readonly dataAdded: number
  readonly dataAddedPacked: number
  readonly durationMs: number
  /** Each stands for one item; the first thousand are kept. */
  readonly warnings: readonly Warning[]
  readonly warningCount: number
}

export type Overwrite = 'never' | 'if-changed' | 'always' | 'copy'
/** Whose owners, modes and ACLs restored files get. */
export type Security = 'recovery-point' | 'destination'

export interface RestoredItem {
  readonly path: string
  readonly code: string
  readonly message: string
}

export interface RestoreReport {
  readonly filesRestored: number
  readonly bytesRestored: number
  /** Of content: less than was restored where large files only differed in places. Nothing in a dry run. */
  readonly bytesWritten: number
  /** Files of those that were skipped, because they are there already as they should be. */
  readonly filesUnchanged: number
  /** Folders, links, devices, hard links. */
  readonly othersRestored: number
  readonly filesSkipped: number
  readonly filesFailed: number
  /** With the reason for each; the first thousand of each are kept. */
  readonly skipped: readonly RestoredItem[]
  readonly failed: readonly RestoredItem[]
  readonly warnings: readonly Warning[]
  readonly durationMs: number
  /** True when something failed because the repository is damaged. */
  readonly foundDamage: boolean
}

export interface Difference {
  readonly path: string
  readonly change: 'added' | 'removed' | 'content' | 'metadata' | 'type'
  readonly before: Entry | undefined
  readonly after: Entry | undefined
}

export interface VerifyReport {
  readonly findings: readonly Finding[]
  /** Chunks that can't be read, for `noteDamage`. */
  readonly damage: DamageList
  readonly points: number
  readonly packs: number
  readonly bytesRead: number
  readonly durationMs: number
}

export interface UploadReport {
  readonly point: RecoveryPoint
  /** True when the vault had it already. */
  readonly wasThere: boolean
  readonly chunksSent: number
  readonly bytesSent: number
  readonly packsNeeded: number
  readonly durationMs: number
}
