/** The acts of this room, loaded when they are first asked for: a command that looks into a recovery point needs none of them, and loading is most of its time. */
import type { Operation } from '../base/operation.ts'
import type { ExpireOptions, ExpireReport, PruneOptions, PruneReport, Repository } from '../repository/index.ts'
import type { BackupOptions } from './backup/back-up.ts'
import type { BackupReport, RestoreReport, UploadReport, VerifyReport } from './reports.ts'
import type { RestoreOptions } from './restore/restore.ts'
import type { UploadOptions } from './upload-point.ts'

/** As in backup/back-up.ts. */
export async function backUp(op: Operation, options: BackupOptions): Promise<BackupReport> {
  return (await import('./backup/back-up.ts')).backUp(op, options)
}

/** As in restore/restore.ts. */
export async function restorePoint(op: Operation, options: RestoreOptions): Promise<RestoreReport> {
  return (await import('./restore/restore.ts')).restorePoint(op, options)
}

/** As in upload-point.ts. */
export async function uploadPoint(op: Operation, options: UploadOptions): Promise<UploadReport> {
  return (await import('./upload-point.ts')).uploadPoint(op, options)
}

/** As in verify-repository.ts. */
export async function verifyRepository(op: Operation, repository: Repository, options: { readData: boolean }): Promise<VerifyReport> {
  return (await import('./verify-repository.ts')).verifyRepository(op, repository, options)
}

/** As in prune-pool.ts. */
export async function expirePoints(op: Operation, options: Omit<ExpireOptions, 'walk'>): Promise<ExpireReport> {
  return (await import('./prune-pool.ts')).expirePoints(op, options)
}

/** As in prune-pool.ts. */
export async function prunePool(op: Operation, options: Omit<PruneOptions, 'walk'>): Promise<PruneReport> {
  return (await import('./prune-pool.ts')).prunePool(op, options)
}
