import { defineErrors } from '../../base/errors.ts'

export const recoveryError = defineErrors({
  RECOVERY_POINT_GONE: { kind: 'not-found', hint: 'The recovery point has expired or was never there; choose another.' },
  RECOVERY_CURSOR_INVALID: { kind: 'invalid', hint: 'Give the cursor of the page before, with the same question.' },
  RECOVERY_GRANT_INVALID: {
    kind: 'forbidden',
    hint: 'A grant is good for one restore of one recovery point to one machine, for an hour: make a new one.',
  },
  RECOVERY_NO_TARGET: {
    kind: 'invalid',
    hint: 'The machine where the data came from is not known any more: restore to another one, with a grant.',
  },
  RECOVERY_NAME_UNSAFE: {
    kind: 'corrupt',
    hint: 'The recovery point holds a name that must not be in an archive: restore it with an agent instead.',
  },
  RECOVERY_PATH_NOT_FILE: {
    kind: 'invalid',
    hint: 'Only the content of files can be downloaded by itself; download a folder as a zip file.',
  },
})
