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
  POOL_NOT_ACTIVE: { kind: 'conflict', hint: 'Choose a pool volume that takes data, or end its evacuation.' },
  POOL_SAME: { kind: 'invalid', hint: 'Choose another pool volume.' },
  POOL_KEYS_DIFFER: {
    kind: 'conflict',
    hint: 'Only volumes of one storage pool name chunks alike: choose a volume that this server made, or let the points of the source expire where they are.',
  },
  POOL_WORKLOAD_UNFIT: { kind: 'conflict', hint: 'Allow this kind of data on the pool volume, or choose another.' },
  POOL_NO_ROOM: { kind: 'exhausted', hint: 'Choose a volume with more room, free some by retention and pruning, or raise its threshold.' },
  POOL_MOVE_DAMAGED: {
    kind: 'corrupt',
    hint: 'The points stay where they were. Verify the pool volume; what can not be read there can not be moved: give that recovery point up, then try again.',
  },
  POOL_VOLUME_FULL: {
    kind: 'exhausted',
    retry: 'later',
    hint: 'Add a pool volume and move data sources to it, or keep recovery points for fewer days and prune.',
  },
  POOL_NOT_EVACUATING: { kind: 'conflict', hint: 'The pool volume is not being evacuated.' },
})
