/** The door of the room: what can be protected. */
export { workloadError } from './errors.ts'
export { filesWorkload } from './files/files.ts'
export type { BackupParts, BrowsedItem, ConsistentView, Discovered, RestoreParts, Workload } from './workload.ts'
