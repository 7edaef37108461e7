import { defineErrors } from '../base/errors.ts'

export const workloadError = defineErrors({
  SNAPSHOT_FAILED: {
    kind: 'unavailable',
    retry: 'later',
    hint: 'The group asks for a snapshot, and none could be made: see why, or let the group take the live tree where there is none.',
  },
  SOURCE_NOT_A_FOLDER: { kind: 'invalid', hint: 'Only folders have something in them; refresh the list.' },
})
