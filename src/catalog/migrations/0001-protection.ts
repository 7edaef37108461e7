/** What is protected, where its copies are, and what is about to go. */
export const protectionTables: readonly string[] = [
  `create table agents (
    id text primary key, name text not null collate nocase, public_key text not null, public_key_sha256 text not null unique,
    certificate_sha256 text unique, state text not null, state_since_ms integer not null, program_version text, protocol_version integer,
    platform_json text, enrolled_ms integer not null, last_seen_ms integer, last_address text, is_trusted integer not null, throttle_json text,
    counter_epoch integer not null, counter integer not null, revoked_ms integer, version integer not null
  ) strict`,
  // A name is free again when its agent is revoked.
  'create unique index agents_name on agents (name) where revoked_ms is null',
  `create table groups (
    id text primary key, name text not null collate nocase unique, document_json text not null, version integer not null,
    created_ms integer not null, changed_ms integer not null, changed_by text not null
  ) strict`,
  `create table pools (
    id text primary key, name text not null collate nocase, folder text not null, repository_id text, workloads_json text not null,
    thresholds_json text, state text not null, created_ms integer not null, version integer not null
  ) strict`,
  "create unique index pools_name on pools (name) where state <> 'removed'",
  "create unique index pools_folder on pools (folder) where state <> 'removed'",
  `create table pool_usage (
    pool_id text not null references pools (id), at_ms integer not null, size_bytes integer not null, used_bytes integer not null,
    free_bytes integer not null, reclaimable_bytes integer, primary key (pool_id, at_ms)
  ) strict, without rowid`,
  `create table data_sources (
    id text primary key, agent_id text references agents (id), workload text not null, name text not null, path text not null,
    group_id text references groups (id), pool_id text references pools (id), state text not null, cause_json text,
    state_since_ms integer not null, is_recovering integer not null, options_json text, size_bytes integer, files integer,
    created_ms integer not null, version integer not null
  ) strict`,
  'create unique index data_sources_place on data_sources (agent_id, workload, path) where agent_id is not null',
  'create index data_sources_group on data_sources (group_id)',
  'create index data_sources_pool on data_sources (pool_id)',
  `create table recovery_points (
    id text primary key, source_id text not null references data_sources (id), pool_id text not null references pools (id),
    object_name text not null, sequence integer not null, kind text not null, state text not null,
    started_ms integer not null, finished_ms integer not null, bytes integer not null, files integer not null, stored_bytes integer not null,
    warnings integer not null, expires_ms integer, keep_json text, pinned_until_ms integer, pin_note text, has_legal_hold integer not null,
    verified_ms integer, verified_result text
  ) strict`,
  'create index recovery_points_source on recovery_points (source_id, finished_ms)',
  'create index recovery_points_pool on recovery_points (pool_id)',
  `create table deletions (
    id text primary key, source_id text not null, point_id text not null, pool_id text not null, state text not null, reason text not null,
    reason_json text, hold_reason text, bytes integer, decided_ms integer not null, due_ms integer not null, ended_ms integer, ended_by text
  ) strict`,
  // A point is decided upon once at a time.
  "create unique index deletions_open on deletions (point_id) where state in ('held', 'due')",
  'create index deletions_point on deletions (point_id)',
  'create index deletions_due on deletions (state, due_ms)',
]
