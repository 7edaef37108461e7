/**
 * What is being done, and what people must hear of. Indexes that only cover some rows serve rules (`unique`), not searches: SQLite does not use them
 * for a condition whose value is a parameter.
 */
export const workTables: readonly string[] = [
  `create table jobs (
    id text primary key, type text not null, state text not null, source_id text, group_id text, agent_id text, pool_id text, point_id text,
    lock text, priority integer not null, is_ad_hoc integer not null, parameters_json text not null, created_by text not null,
    created_ms integer not null, due_ms integer not null, started_ms integer, finished_ms integer,
    attempts integer not null, attempts_allowed integer not null, progress_json text, bytes_transferred integer not null,
    warnings integer not null, error_json text, result_json text, cancel_requested_ms integer, cancel_requested_by text,
    epoch integer, lease_until_ms integer, retry_of text
  ) strict`,
  // One operation at a time per replica (or whatever else is locked), whatever the code does.
  "create unique index jobs_lock on jobs (lock) where state = 'in-progress'",
  'create index jobs_state_due on jobs (state, due_ms)',
  'create index jobs_state_created on jobs (state, created_ms, id)',
  'create index jobs_created on jobs (created_ms, id)',
  'create index jobs_source on jobs (source_id, created_ms)',
  `create index jobs_finished on jobs (finished_ms) where finished_ms is not null`,
  `create table job_steps (
    id integer primary key, job_id text not null references jobs (id) on delete cascade, parent_id integer, name text not null,
    state text not null, started_ms integer not null, finished_ms integer, details_json text
  ) strict`,
  'create index job_steps_job on job_steps (job_id, id)',
  `create table job_log (
    id integer primary key autoincrement, job_id text not null references jobs (id) on delete cascade, step_id integer, at_ms integer not null,
    level text not null, code text, message text not null, item text
  ) strict`,
  'create index job_log_job on job_log (job_id, id)',
  `create table alerts (
    id text primary key, code text not null, domain_code integer, severity text not null, state text not null,
    subject_kind text not null, subject_id text not null, subject_name text not null, message text not null, hint text not null,
    details_json text, job_id text, raised_ms integer not null, last_seen_ms integer not null, times integer not null,
    ended_ms integer, ended_by text, expires_ms integer
  ) strict`,
  // The same condition again is the same alert, until that has ended.
  "create unique index alerts_open on alerts (code, subject_kind, subject_id) where state <> 'inactive'",
  'create index alerts_raised on alerts (raised_ms, id)',
  'create index alerts_subject on alerts (subject_kind, subject_id, code)',
  'create index alerts_state on alerts (state, raised_ms)',
  `create table channels (
    id text primary key, kind text not null, name text not null collate nocase unique, options_json text not null, secret_sealed blob,
    severities_json text not null, is_enabled integer not null, version integer not null
  ) strict`,
  `create table deliveries (
    id text primary key, channel_id text not null references channels (id) on delete cascade, event text not null, alert_id text,
    payload_json text not null, state text not null, attempts integer not null, created_ms integer not null, due_ms integer not null,
    ended_ms integer, last_error text
  ) strict`,
  'create index deliveries_due on deliveries (state, due_ms)',
  'create index deliveries_channel on deliveries (channel_id, created_ms)',
]
