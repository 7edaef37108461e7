import { defineErrors } from '../../base/errors.ts'

export const retentionError = defineErrors({
  POINT_NOT_LEAVING: { kind: 'conflict', hint: 'Its deletion is not decided, or it is gone for good already.' },
  DELETION_NOT_HELD: { kind: 'conflict', hint: 'Only what waits for a person can be agreed to; the ledger says which that is.' },
  DELETIONS_NOT_FROZEN: { kind: 'conflict', hint: 'Nothing to do: deletions are not frozen.' },
})
