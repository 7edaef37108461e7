/**
 * The rows of `catalog.db`, as migrations.ts makes them. Names in snake_case stay in this room; the classes beside it give and take the names of
 * the domain. Instants are milliseconds since 1970; `_json` columns hold JSON; `_sha256` columns hold the hash of a secret, never the secret.
 */
import type { Generated } from 'kysely'
import type { AgentState, AlertState, DiskPointState, JobState, JobType, ReplicaState, Severity } from '../protection/index.ts'
import type { ApprovalState, DeletionState, DeliveryState, LogLevel, SubjectKind } from './states.ts'

export interface SettingRow {
  name: string
  value_json: string
  version: number
  changed_ms: number
  changed_by: string
}

export interface AccountRow {
  id: string
  name: string
  roles_json: string
  password_hash: string
  must_change_password: number
  is_disabled: number
  totp_sealed: Uint8Array | null
  totp_confirmed_ms: number | null
  totp_offer_sealed: Uint8Array | null
  totp_last_step: number
  created_ms: number
  password_changed_ms: number
  last_sign_in_ms: number | null
  version: number
  /** Null: an account of our own. Empty: of the directory, and not signed in yet. */
  directory_id: string | null
}

export interface RecoveryCodeRow {
  account_id: string
  code_hash: string
  used_ms: number | null
}

export interface SessionRow {
  token_sha256: string
  id: string
  account_id: string
  created_ms: number
  last_used_ms: number
  expires_ms: number
  /** When password and second factor were last given. */
  stepped_up_ms: number | null
  address: string
  client: string
}

export interface ApiTokenRow {
  id: string
  account_id: string
  name: string
  token_sha256: string
  roles_json: string
  groups_json: string | null
  created_ms: number
  expires_ms: number
  last_used_ms: number | null
  revoked_ms: number | null
}

export interface EnrolmentTokenRow {
  id: string
  token_sha256: string
  agent_name: string | null
  created_by: string
  created_ms: number
  expires_ms: number
  used_ms: number | null
  used_by: string | null
  revoked_ms: number | null
}

export interface AgentRow {
  id: string
  name: string
  public_key: string
  public_key_sha256: string
  certificate_sha256: string | null
  state: AgentState
  state_since_ms: number
  program_version: string | null
  protocol_version: number | null
  platform_json: string | null
  enrolled_ms: number
  last_seen_ms: number | null
  last_address: string | null
  is_trusted: number
  throttle_json: string | null
  /** The highest request counter that was accepted in `counter_epoch`: what is not above it is a replay. */
  counter_epoch: number
  counter: number
  revoked_ms: number | null
  version: number
}

export interface GroupRow {
  id: string
  name: string
  document_json: string
  version: number
  created_ms: number
  changed_ms: number
  changed_by: string
}

export interface DataSourceRow {
  id: string
  agent_id: string | null
  workload: string
  name: string
  path: string
  group_id: string | null
  pool_id: string | null
  state: ReplicaState
  cause_json: string | null
  state_since_ms: number
  is_recovering: number
  options_json: string | null
  size_bytes: number | null
  files: number | null
  created_ms: number
  version: number
}

export interface PoolRow {
  id: string
  name: string
  folder: string
  repository_id: string | null
  workloads_json: string
  thresholds_json: string | null
  state: 'active' | 'evacuating' | 'missing' | 'removed'
  created_ms: number
  version: number
}

export interface PoolUsageRow {
  pool_id: string
  at_ms: number
  size_bytes: number
  used_bytes: number
  free_bytes: number
  reclaimable_bytes: number | null
}

export interface RecoveryPointRow {
  id: string
  source_id: string
  pool_id: string
  object_name: string
  sequence: number
  kind: string
  state: DiskPointState
  started_ms: number
  finished_ms: number
  bytes: number
  files: number
  stored_bytes: number
  warnings: number
  expires_ms: number | null
  keep_json: string | null
  pinned_until_ms: number | null
  pin_note: string | null
  has_legal_hold: number
  verified_ms: number | null
  verified_result: 'good' | 'damaged' | null
}

export interface DeletionRow {
  id: string
  source_id: string
  point_id: string
  pool_id: string
  state: DeletionState
  reason: string
  reason_json: string | null
  hold_reason: string | null
  bytes: number | null
  decided_ms: number
  due_ms: number
  ended_ms: number | null
  ended_by: string | null
}

export interface JobRow {
  id: string
  type: JobType
  state: JobState
  source_id: string | null
  group_id: string | null
  agent_id: string | null
  pool_id: string | null
  point_id: string | null
  /** At most one job with the same lock is in progress. */
  lock: string | null
  priority: number
  is_ad_hoc: number
  parameters_json: string
  created_by: string
  created_ms: number
  /** Not before. */
  due_ms: number
  started_ms: number | null
  finished_ms: number | null
  attempts: number
  attempts_allowed: number
  progress_json: string | null
  bytes_transferred: number
  warnings: number
  error_json: string | null
  result_json: string | null
  cancel_requested_ms: number | null
  cancel_requested_by: string | null
  /** Of the server that runs it: one that started later fences it. */
  epoch: number | null
  lease_until_ms: number | null
  retry_of: string | null
}

export interface JobStepRow {
  id: Generated<number>
  job_id: string
  parent_id: number | null
  name: string
  state: 'in-progress' | 'completed' | 'failed' | 'cancelled'
  started_ms: number
  finished_ms: number | null
  details_json: string | null
}

export interface JobLogRow {
  id: Generated<number>
  job_id: string
  step_id: number | null
  at_ms: number
  level: LogLevel
  code: string | null
  message: string
  item: string | null
}

export interface AlertRow {
  id: string
  code: string
  domain_code: number | null
  severity: Severity
  state: AlertState
  subject_kind: SubjectKind
  subject_id: string
  subject_name: string
  message: string
  hint: string
  details_json: string | null
  job_id: string | null
  raised_ms: number
  last_seen_ms: number
  times: number
  ended_ms: number | null
  /** `condition`, or the account that put it away. */
  ended_by: string | null
  expires_ms: number | null
}

export interface ChannelRow {
  id: string
  kind: 'smtp' | 'webhook' | 'heartbeat'
  name: string
  options_json: string
  secret_sealed: Uint8Array | null
  severities_json: string
  is_enabled: number
  version: number
}

export interface DeliveryRow {
  id: string
  channel_id: string
  event: string
  alert_id: string | null
  payload_json: string
  state: DeliveryState
  attempts: number
  created_ms: number
  due_ms: number
  ended_ms: number | null
  last_error: string | null
}

export interface AuditRow {
  /** From 1, without gaps. */
  sequence: number
  at_ms: number
  actor_kind: string
  actor_id: string
  actor_name: string
  address: string
  action: string
  subject_kind: SubjectKind
  subject_id: string
  outcome: 'done' | 'refused' | 'failed'
  details_json: string
  previous_sha256: string
  sha256: string
}

export interface SignInFailuresRow {
  key_sha256: string
  failures: number
  last_failure_ms: number
  blocked_until_ms: number
}

export interface RateBucketRow {
  bucket: string
  tokens: number
  filled_ms: number
}

export interface IdempotencyRow {
  caller: string
  key: string
  request_sha256: string
  created_ms: number
  status: number | null
  headers_json: string | null
  body: string | null
}

export interface SetupRow {
  id: 1
  secret_sha256: string
  created_ms: number
  used_ms: number | null
}

export interface ApprovalRow {
  id: string
  act: string
  request_sealed: Uint8Array
  requested_by: string
  requested_ms: number
  expires_ms: number
  state: ApprovalState
  decided_by: string | null
  decided_ms: number | null
  reason: string | null
  failure_code: string | null
}

export interface Tables {
  settings: SettingRow
  setup: SetupRow
  accounts: AccountRow
  recovery_codes: RecoveryCodeRow
  sessions: SessionRow
  api_tokens: ApiTokenRow
  enrolment_tokens: EnrolmentTokenRow
  agents: AgentRow
  groups: GroupRow
  data_sources: DataSourceRow
  pools: PoolRow
  pool_usage: PoolUsageRow
  recovery_points: RecoveryPointRow
  deletions: DeletionRow
  jobs: JobRow
  job_steps: JobStepRow
  job_log: JobLogRow
  alerts: AlertRow
  channels: ChannelRow
  deliveries: DeliveryRow
  audit: AuditRow
  sign_in_failures: SignInFailuresRow
  rate_buckets: RateBucketRow
  idempotency: IdempotencyRow
  approvals: ApprovalRow
}
