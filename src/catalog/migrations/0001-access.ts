/** Who may do what, and who did: accounts, sessions, tokens, limits, audit. */
export const accessTables: readonly string[] = [
  `create table settings (
    name text primary key, value_json text not null, version integer not null, changed_ms integer not null, changed_by text not null
  ) strict`,
  `create table setup (
    id integer primary key check (id = 1), secret_sha256 text not null, created_ms integer not null, used_ms integer
  ) strict`,
  `create table accounts (
    id text primary key, name text not null collate nocase unique, roles_json text not null, password_hash text not null,
    must_change_password integer not null, is_disabled integer not null,
    totp_sealed blob, totp_confirmed_ms integer, totp_offer_sealed blob, totp_last_step integer not null,
    created_ms integer not null, password_changed_ms integer not null, last_sign_in_ms integer, version integer not null
  ) strict`,
  `create table recovery_codes (
    account_id text not null references accounts (id) on delete cascade, code_hash text not null, used_ms integer,
    primary key (account_id, code_hash)
  ) strict, without rowid`,
  `create table sessions (
    token_sha256 text primary key, id text not null unique, account_id text not null references accounts (id) on delete cascade,
    created_ms integer not null, last_used_ms integer not null, expires_ms integer not null, stepped_up_ms integer,
    address text not null, client text not null
  ) strict`,
  'create index sessions_account on sessions (account_id)',
  `create table api_tokens (
    id text primary key, account_id text not null references accounts (id) on delete cascade, name text not null,
    token_sha256 text not null unique, roles_json text not null, groups_json text,
    created_ms integer not null, expires_ms integer not null, last_used_ms integer, revoked_ms integer
  ) strict`,
  'create index api_tokens_account on api_tokens (account_id)',
  `create table enrolment_tokens (
    id text primary key, token_sha256 text not null unique, agent_name text, created_by text not null,
    created_ms integer not null, expires_ms integer not null, used_ms integer, used_by text, revoked_ms integer
  ) strict`,
  `create table sign_in_failures (
    key_sha256 text primary key, failures integer not null, last_failure_ms integer not null, blocked_until_ms integer not null
  ) strict, without rowid`,
  `create table rate_buckets (bucket text primary key, tokens real not null, filled_ms integer not null) strict, without rowid`,
  `create table idempotency (
    caller text not null, key text not null, request_sha256 text not null, created_ms integer not null,
    status integer, headers_json text, body text, primary key (caller, key)
  ) strict, without rowid`,
  'create index idempotency_age on idempotency (created_ms)',
  `create table audit (
    sequence integer primary key, at_ms integer not null, actor_kind text not null, actor_id text not null, actor_name text not null,
    address text not null, action text not null, subject_kind text not null, subject_id text not null, outcome text not null,
    details_json text not null, previous_sha256 text not null, sha256 text not null
  ) strict`,
  'create index audit_subject on audit (subject_kind, subject_id)',
  'create index audit_actor on audit (actor_id)',
  // A bug must not rewrite history; who can write the file can, which the chain then shows.
  `create trigger audit_no_update before update on audit begin select raise(abort, 'the audit log is append-only'); end`,
  `create trigger audit_no_delete before delete on audit begin select raise(abort, 'the audit log is append-only'); end`,
]
