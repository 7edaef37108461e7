/** What the control plane remembers: `openCatalog`, and the records that it gives. */
export type { Account, NewAccount } from './accounts.ts'
export type { Agent, AgentSighting, NewAgent } from './agents.ts'
export type { Alert, AlertFilter, NewAlert } from './alerts.ts'
export type { ApiToken, NewApiToken } from './api-tokens.ts'
export type { Approval, NewApproval } from './approvals.ts'
export type { Actor, AuditEntry, AuditEvent, AuditHead, AuditVerdict } from './audit.ts'
export { type Catalog, openCatalog, type Records } from './catalog.ts'
export type { Channel, ChannelKind, ChannelValues, Delivery } from './channels.ts'
export type { DataSource, DataSourceFilter, NewDataSource } from './data-sources.ts'
export type { Deletion, NewDeletion } from './deletions.ts'
export type { EnrolmentToken } from './enrolment-tokens.ts'
export { catalogError } from './errors.ts'
export type { StoredGroup } from './groups.ts'
export type { Beginning, IdempotencyKey, KeptAnswer } from './idempotency.ts'
export type { Job, JobFailure, JobFilter, NewJob } from './job.ts'
export type { JobStep, LogLine, NewLogLine } from './job-log.ts'
export { canonicalJson, type Json, type JsonObject } from './json.ts'
export type { BucketPolicy, FailurePolicy } from './limits.ts'
export type { Page, PageRequest } from './paging.ts'
export type { PoolState, PoolUsage, PoolVolume } from './pools.ts'
export type { PoolFacts, RebuildReport, SourceFacts, StoreComparison } from './rebuild.ts'
export { FOREVER_MS, type PointFacts, type RecoveryPoint, type SourceSummary } from './recovery-points.ts'
export { openSearch, type PointDifference, type Search } from './search/search.ts'
export type { NamedEntry, SearchHit, SearchQuery } from './search/search-index.ts'
export type { NewSession, Session } from './sessions.ts'
export type { Setting } from './settings.ts'
export {
  type ApprovalState,
  type DeletionState,
  type DeliveryState,
  deletionStates,
  type FinalJobState,
  finalJobStates,
  type LogLevel,
  type Role,
  roles,
  type Subject,
  type SubjectKind,
  subjectKinds,
} from './states.ts'
