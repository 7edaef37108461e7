/** Accounts whose password a directory knows, and acts that wait for a second person. */
export const peopleTables: readonly string[] = [
  // Null: an account of our own. Empty: of the directory, and not signed in yet.
  'alter table accounts add column directory_id text',
  "create unique index accounts_directory on accounts (directory_id) where directory_id <> ''",
  `create table approvals (
    id text primary key, act text not null, request_sealed blob not null, requested_by text not null references accounts (id),
    requested_ms integer not null, expires_ms integer not null, state text not null,
    decided_by text, decided_ms integer, reason text, failure_code text
  ) strict`,
  'create index approvals_age on approvals (requested_ms, id)',
]
