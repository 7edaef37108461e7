/** From errors to exit codes, in one place. Scripts branch on them: docs/cli.md explains each, and `--help` of a command lists its own. */
import type { ErrorKind } from '../base/errors.ts'

export const EXIT_CODES = {
  ok: 0,
  failed: 1,
  usage: 2,
  warnings: 3,
  notFound: 10,
  busy: 11,
  wrongSecret: 12,
  unreachable: 13,
  damage: 14,
  refused: 15,
  interrupted: 130,
} as const

export type ExitCode = (typeof EXIT_CODES)[keyof typeof EXIT_CODES]

/** What stands in `--help`. */
export const EXIT_MEANINGS: Readonly<Record<ExitCode, string>> = {
  0: 'done',
  1: 'failed',
  2: 'wrong usage',
  3: 'done, with warnings',
  10: 'not found',
  11: 'busy: another process has it',
  12: 'wrong key, passphrase or sign-in',
  13: 'not reachable',
  14: 'damage was found',
  15: 'refused by policy',
  130: 'interrupted',
}

export const EXIT_OF_KIND: Readonly<Record<ErrorKind, ExitCode>> = {
  invalid: EXIT_CODES.failed,
  'not-found': EXIT_CODES.notFound,
  conflict: EXIT_CODES.refused,
  locked: EXIT_CODES.busy,
  unauthenticated: EXIT_CODES.wrongSecret,
  forbidden: EXIT_CODES.refused,
  unavailable: EXIT_CODES.failed,
  exhausted: EXIT_CODES.failed,
  corrupt: EXIT_CODES.damage,
  cancelled: EXIT_CODES.interrupted,
  internal: EXIT_CODES.failed,
}

/** Where the kind says too little. */
export const EXIT_OF_CODE: Readonly<Record<string, ExitCode>> = {
  // What was given on the command line makes no sense.
  USAGE_INVALID: EXIT_CODES.usage,
  USAGE_NAME_INVALID: EXIT_CODES.usage,
  POINT_AMBIGUOUS: EXIT_CODES.usage,
  SOURCE_IS_LINK: EXIT_CODES.usage,
  TARGET_NOT_A_FOLDER: EXIT_CODES.usage,
  VAULT_ADDRESS_INVALID: EXIT_CODES.usage,
  VAULT_REQUEST_INVALID: EXIT_CODES.usage,
  PAGE_ADDRESS_INVALID: EXIT_CODES.usage,
  VAULT_FILE_UNWRITABLE: EXIT_CODES.usage,
  SERVER_ADDRESS_INVALID: EXIT_CODES.usage,
  SERVER_NOT_CHOSEN: EXIT_CODES.usage,
  API_REQUEST_INVALID: EXIT_CODES.usage,
  ITEM_AMBIGUOUS: EXIT_CODES.usage,
  POLICY_INVALID: EXIT_CODES.usage,
  POOL_FOLDER_INVALID: EXIT_CODES.usage,
  // A rule, not a mistake in the request.
  POOL_VOLUME_NOT_ALLOWED: EXIT_CODES.refused,
  // A secret that can't be right.
  PASSPHRASE_INVALID: EXIT_CODES.wrongSecret,
  KEY_FILE_INVALID: EXIT_CODES.wrongSecret,
  // The operating system's no is not a policy of ours.
  FILE_UNREADABLE: EXIT_CODES.failed,
  FILE_UNWRITABLE: EXIT_CODES.failed,
  STORAGE_FORBIDDEN: EXIT_CODES.failed,
  SOURCE_UNREADABLE: EXIT_CODES.failed,
  TARGET_FORBIDDEN: EXIT_CODES.failed,
  METADATA_PARTIAL: EXIT_CODES.failed,
  // Races, not rules.
  STORAGE_OBJECT_EXISTS: EXIT_CODES.busy,
  REPOSITORY_WRITER_SUPERSEDED: EXIT_CODES.busy,
  PRUNE_SUPERSEDED: EXIT_CODES.busy,
  // An object that must be there is damage, whoever notices.
  STORAGE_OBJECT_NOT_FOUND: EXIT_CODES.damage,
  // Credentials are a vault's rule; so are its clock and its room for servers.
  CREDENTIALS_UNREADABLE: EXIT_CODES.refused,
  CREDENTIALS_EXPIRED: EXIT_CODES.refused,
  CREDENTIALS_FOREIGN: EXIT_CODES.refused,
  CREDENTIALS_SUPERSEDED: EXIT_CODES.refused,
  CREDENTIALS_USED: EXIT_CODES.refused,
  VAULT_CLOCK_SKEW: EXIT_CODES.refused,
  VAULT_SERVERS_FULL: EXIT_CODES.refused,
  // Over the network.
  VAULT_UNREACHABLE: EXIT_CODES.unreachable,
  VAULT_NOT_RUNNING: EXIT_CODES.unreachable,
  VAULT_ANSWER_INVALID: EXIT_CODES.unreachable,
  VAULT_STOPPING: EXIT_CODES.unreachable,
  SERVER_UNREACHABLE: EXIT_CODES.unreachable,
  SERVER_ANSWER_INVALID: EXIT_CODES.unreachable,
  SERVER_STOPPING: EXIT_CODES.unreachable,
}

export function exitCodeOf(error: { readonly code: string; readonly kind: ErrorKind }): ExitCode {
  return EXIT_OF_CODE[error.code] ?? EXIT_OF_KIND[error.kind]
}
