import { defineErrors } from '../base/errors.ts'

export const workloadError = defineErrors({
  SNAPSHOT_FAILED: {
    kind: 'unavailable',
    retry: 'later',
    hint: 'The group asks for a snapshot, and none could be made: see why, or let the group take the live tree where there is none.',
  },
  SNAPSHOT_LOST: {
    kind: 'unavailable',
    retry: 'later',
    hint: 'The snapshot became invalid while it was read, most likely because its room was full: leave more free space in the volume group.',
  },
  FREEZE_FAILED: {
    kind: 'unavailable',
    retry: 'later',
    hint: 'A file system could not be held still: see why; the next attempt may succeed.',
  },
  SOURCE_NOT_A_FOLDER: { kind: 'invalid', hint: 'Only folders have something in them; refresh the list.' },
})
