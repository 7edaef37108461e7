import { defineErrors } from '../base/errors.ts'

export const storageError = defineErrors({
  STORAGE_NAME_INVALID: { kind: 'invalid', hint: 'Names of objects are made by Terp; something else wrote into this store.' },
  STORAGE_OBJECT_NOT_FOUND: { kind: 'not-found', hint: 'Run `terp pool verify` to see what is missing and which recovery points need it.' },
  STORAGE_OBJECT_EXISTS: { kind: 'conflict', hint: 'Another writer was here; run the command again.' },
  STORAGE_OBJECT_SHORT: { kind: 'corrupt', hint: 'The object was cut short; run `terp pool verify`, and restore from the other copy.' },
  STORAGE_FULL: {
    kind: 'exhausted',
    hint: 'Free space on the disk, or add to it, and run the command again; nothing that was acknowledged is affected.',
  },
  STORAGE_IO: { kind: 'unavailable', hint: 'The disk reported an error; check it (dmesg, SMART) before writing to it again.' },
  STORAGE_POISONED: {
    kind: 'unavailable',
    hint: 'An earlier write failed, so no more are accepted; check the disk and run the command again.',
  },
  STORAGE_GATE_BUSY: {
    kind: 'locked',
    retry: 'later',
    hint: 'Another Terp process has stopped in the middle of a commit or a prune (suspended, or its disk hangs): let it go on or end it.',
  },
  STORAGE_READ_ONLY: { kind: 'forbidden', hint: 'This session may only read.' },
  STORAGE_FORBIDDEN: { kind: 'forbidden', hint: 'Run Terp as a user who may write to this folder.' },
})
