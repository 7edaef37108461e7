/** The door of the room: what can be protected. */
export { workloadError } from './errors.ts'
export { filesWorkload, filesWorkloadIn } from './files/files.ts'
export { guardScripts, type ScriptGuard } from './hold/script-guard.ts'
export type { BackupParts, BrowsedItem, ConsistentView, Discovered, RestoreParts, Workload } from './workload.ts'
