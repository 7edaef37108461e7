import { defineErrors } from '../../base/errors.ts'

export const retentionError = defineErrors({
  POINT_NOT_LEAVING: { kind: 'conflict', hint: 'Its deletion is not decided, or it is gone for good already.' },
  DELETION_NOT_HELD: { kind: 'conflict', hint: 'Only what waits for a person can be agreed to; the ledger says which that is.' },
  POINT_PINNED_LONGER: {
    kind: 'forbidden',
    hint: 'A pin is made shorter by taking it off first, which is for backup administrators and may need a second person.',
  },
  DELETIONS_NOT_FROZEN: { kind: 'conflict', hint: 'Nothing to do: deletions are not frozen.' },
})
