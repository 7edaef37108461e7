import { defineErrors } from '../base/errors.ts'

export const cliError = defineErrors({
  USAGE_INVALID: { kind: 'invalid', hint: 'See what the command takes with --help.' },
  USAGE_NAME_INVALID: {
    kind: 'invalid',
    hint: 'Names of pools, files and sources that Terp itself opens must be UTF-8; only protected and restored paths may be any bytes.',
  },
  FILE_NOT_FOUND: { kind: 'not-found', hint: 'Check the path of the file.' },
  FILE_UNREADABLE: { kind: 'forbidden', hint: 'Check the path and its permissions, or run the command as a user who may read it.' },
  FILE_EXISTS: { kind: 'conflict', hint: 'Choose another name; Terp never overwrites a file with keys.' },
  FILE_UNWRITABLE: { kind: 'forbidden', hint: 'Give a folder that exists and that you may write to.' },
  SECRET_COMMAND_FAILED: {
    kind: 'unauthenticated',
    hint: 'Run the command of TERP_PASSPHRASE_COMMAND by hand: it must print the passphrase and end with 0.',
  },
  POOL_NOT_REGISTERED: { kind: 'not-found', hint: 'Register the pool with a vault first: `terp pool register`.' },
  POOL_ALREADY_REGISTERED: {
    kind: 'conflict',
    hint: 'Send recovery points to its vault with `terp pool upload`, or make a new copy under a new passphrase with `terp pool register --again`.',
  },
  UPLOAD_BUSY: { kind: 'locked', retry: 'later', hint: 'Another upload or registration of this pool runs; wait until it has finished.' },
  SERVER_NOT_FOUND: { kind: 'not-found', hint: 'Leave --server out to see all servers of the vault with --list.' },
  SERVER_NOT_CHOSEN: {
    kind: 'invalid',
    hint: 'Sign in first, with `terp login --server URL`, or name it with --server or in TERP_SERVER.',
  },
  SERVER_CERTIFICATE_UNKNOWN: {
    kind: 'unauthenticated',
    hint: 'Compare the fingerprint with the one that `terp server start` printed; if it is the same, sign in with `terp login --fingerprint`.',
  },
  SERVER_CERTIFICATE_CHANGED: {
    kind: 'unauthenticated',
    hint: 'Somebody may stand between. If the server has a new certificate, sign in with `terp login --fingerprint` and the one that it prints.',
  },
  APPROVAL_WAITS: {
    kind: 'forbidden',
    hint: 'Another administrator sees it with `terp approval list`, and has it done with `terp approval approve`.',
  },
  SECRET_NOT_GIVEN: { kind: 'unauthenticated', hint: 'Give it with an option, or run the command on a terminal.' },
  PROFILES_DAMAGED: { kind: 'invalid', hint: 'Remove the file and sign in again with `terp login`; it holds nothing else.' },
  ITEM_NOT_FOUND: { kind: 'not-found', hint: 'List what there is, and give its id, the beginning of its id, or its name.' },
  ITEM_AMBIGUOUS: { kind: 'invalid', hint: 'Give more of the id.' },
  POLICY_INVALID: { kind: 'invalid', hint: 'Mend the file at the place that is named; docs/cli.md says what it holds.' },
  POLICY_REFUSED: { kind: 'conflict', hint: 'Change what the policy says at the lines that are named; nothing was changed on the server.' },
  ONE_KEY_SLOT: { kind: 'invalid', hint: 'If the only secret is lost, so is the pool: when you make one, use --recovery-key-out.' },
  SAMPLE_EMPTY: {
    kind: 'not-found',
    hint: 'Nothing was restored and compared: protect a folder with files that are not being changed, or restore some with `terp pool restore`.',
  },
  SAMPLE_MISMATCH: {
    kind: 'corrupt',
    hint: 'A restored file is not equal to its source: run `terp pool verify --read-data`, and report this.',
  },
})
