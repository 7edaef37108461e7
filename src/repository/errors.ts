import { defineErrors } from '../base/errors.ts'

const OTHER_COPY = 'Run `terp pool verify` to see which recovery points it concerns; they may be whole in the other copy (`terp recover`).'

export const repositoryError = defineErrors({
  REPOSITORY_NOT_FOUND: { kind: 'not-found', hint: 'Check the folder, or make a pool there with `terp pool init`.' },
  REPOSITORY_EXISTS: { kind: 'conflict', hint: 'Choose another folder; an existing pool is never overwritten.' },
  REPOSITORY_FOLDER_NOT_EMPTY: { kind: 'conflict', hint: 'Choose an empty folder, or one that does not exist yet.' },
  REPOSITORY_FORMAT_DAMAGED: {
    kind: 'corrupt',
    hint: 'Both FORMAT and FORMAT.copy are damaged: restore from the vault with `terp recover`.',
  },
  REPOSITORY_TOO_NEW: { kind: 'invalid', hint: 'This repository was written by a newer Terp: install that version or a later one.' },
  REPOSITORY_BUSY: {
    kind: 'locked',
    retry: 'later',
    hint: 'Another process writes to it; wait until it has finished. Reading is possible meanwhile.',
  },
  REPOSITORY_WRITER_SUPERSEDED: { kind: 'conflict', hint: 'Another writer took over while this one was held up; run the command again.' },
  SECRET_MISSING: {
    kind: 'unauthenticated',
    hint: 'Give --passphrase-file or --key-file, or set TERP_PASSPHRASE_FILE, TERP_PASSPHRASE_COMMAND or TERP_KEY_FILE.',
  },
  SECRET_WRONG: {
    kind: 'unauthenticated',
    hint: 'Check that the file belongs to this pool; the recovery key opens it too, given as --key-file.',
  },
  PASSPHRASE_INVALID: { kind: 'invalid', hint: 'A passphrase has at least 16 characters, all of them ASCII.' },
  KEY_FILE_INVALID: { kind: 'invalid', hint: 'A key file holds at least 32 bytes, or the 24 words of a recovery key.' },
  KEY_SLOT_DAMAGED: {
    kind: 'corrupt',
    hint: 'Both copies of the key slot are damaged: open the pool with another secret, such as the recovery key.',
  },
  KEY_DERIVATION_REFUSED: {
    kind: 'invalid',
    hint: 'The key slot asks for a senseless amount of work or too little; it was not written by Terp.',
  },
  PACK_DAMAGED: { kind: 'corrupt', hint: OTHER_COPY },
  PACK_MISSING: { kind: 'corrupt', hint: OTHER_COPY },
  CHUNK_DAMAGED: { kind: 'corrupt', hint: OTHER_COPY },
  CHUNK_MISSING: { kind: 'corrupt', hint: OTHER_COPY },
  INDEX_SEGMENT_DAMAGED: { kind: 'corrupt', hint: 'Nothing is lost: the next backup makes the index again from the packs.' },
  MANIFEST_DAMAGED: {
    kind: 'corrupt',
    hint: 'This recovery point can not be read here; restore it from the other copy with `terp recover`.',
  },
  CONFIGURATION_DAMAGED: { kind: 'corrupt', hint: 'Register the pool with its vault again.' },
  OBJECT_VERSION_UNKNOWN: {
    kind: 'corrupt',
    hint: 'This object was written by a newer Terp, or is damaged: install the latest version; if it stays, `terp pool verify`.',
  },
  VIEW_FOREIGN_SOURCE: {
    kind: 'forbidden',
    hint: 'A session writes recovery points of its own source alone: look at the log of the agent.',
  },
  VIEW_POINT_INVALID: {
    kind: 'invalid',
    hint: 'The agent may be of another version than the server, faulty or taken over: update it, or look at its log.',
  },
  POINT_NOT_FOUND: { kind: 'not-found', hint: 'List the recovery points with `terp pool list`.' },
  POINT_AMBIGUOUS: { kind: 'invalid', hint: 'Give more digits of the id.' },
})
