/** The words that columns hold. Those of the domain are the room protection's; these are of the control plane alone. */

export const roles = ['reader', 'operator', 'backup-admin', 'security-admin', 'auditor'] as const
export type Role = (typeof roles)[number]

/** Nothing happens to a job in one of these any more. */
export const finalJobStates = ['completed', 'completed-with-warnings', 'failed', 'cancelled'] as const
export type FinalJobState = (typeof finalJobStates)[number]

export const logLevels = ['info', 'warning', 'error'] as const
export type LogLevel = (typeof logLevels)[number]

export const deliveryStates = ['pending', 'sent', 'failed'] as const
export type DeliveryState = (typeof deliveryStates)[number]

/** `held`: a person must agree first. `due`: it goes once its time has come. `undone` and `deleted` are final. */
export const deletionStates = ['held', 'due', 'undone', 'deleted'] as const
export type DeletionState = (typeof deletionStates)[number]

/** `approved`: being carried out, or its server died on it. `done`, `failed` and `refused` are final; a wait that ended is told by its time. */
export const approvalStates = ['waiting', 'approved', 'done', 'failed', 'refused'] as const
export type ApprovalState = (typeof approvalStates)[number]

/** What an alert, a job or an act is about. */
export const subjectKinds = [
  'server',
  'agent',
  'data-source',
  'group',
  'pool',
  'recovery-point',
  'recovery',
  'job',
  'account',
  'approval',
  'token',
  'settings',
  'vault',
] as const
export type SubjectKind = (typeof subjectKinds)[number]

export interface Subject {
  readonly kind: SubjectKind
  /** Empty for the server itself. */
  readonly id: string
}
