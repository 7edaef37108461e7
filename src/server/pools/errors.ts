import { defineErrors } from '../../base/errors.ts'

export const poolError = defineErrors({
  POOL_FOLDER_INVALID: { kind: 'invalid', hint: 'Give the absolute path of a folder on a disk of this machine that is for backups alone.' },
  POOL_FOLDER_USED: {
    kind: 'conflict',
    hint: 'Give a folder that nothing else uses: no other pool volume, and nothing of the server itself.',
  },
  POOL_FOLDER_UNWRITABLE: { kind: 'unavailable', hint: 'See that the server may write there, and that the disk is mounted and healthy.' },
  POOL_UNAVAILABLE: {
    kind: 'unavailable',
    retry: 'later',
    hint: 'See that the disk of the pool volume is connected and mounted where it was.',
  },
  POOL_KEY_MISSING: {
    kind: 'corrupt',
    hint: 'Restore keys/ of the data folder from a copy of the server’s configuration, or put the recovery key of the volume in its place.',
  },
  POOL_REPLACED: { kind: 'corrupt', hint: 'Another disk is mounted where the pool volume was: mount the right one.' },
  POOL_NONE_FITS: { kind: 'unavailable', hint: 'Add a pool volume, or allow this kind of data on one that has room.' },
  POOL_CLOSING: { kind: 'unavailable', retry: 'later', hint: 'The server is stopping; try again when it runs.' },
  POOL_WORKER_LOST: { kind: 'unavailable', retry: 'later', hint: 'A thread of the server ended unexpectedly; try again.' },
  POOL_SOURCE_BUSY: { kind: 'locked', retry: 'later', hint: 'A backup of this data source runs; wait for its end.' },
})
