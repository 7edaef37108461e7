import { defineErrors } from '../../base/errors.ts'

export const groupError = defineErrors({
  GROUP_REFUSED: { kind: 'invalid', hint: 'Each of the refusals says what to change.' },
  GROUP_MEMBER_UNCLEAR: { kind: 'invalid', hint: 'Name a member by the id of its data source, or by its agent and path.' },
  GROUP_STORED_INVALID: { kind: 'corrupt', hint: 'The group was stored by another version: read it, and save it again.' },
  SOURCE_NOT_MANUAL: { kind: 'conflict', hint: 'Only a replica whose first copy is made by hand waits for that.' },
  SOURCE_COPY_UNUSABLE: {
    kind: 'conflict',
    hint: 'Copy the data, with names, times and owners, to the folder that the alert names, or name another on the machine of the server: terp source copy --from.',
  },
  SOURCE_NOT_INACTIVE: { kind: 'conflict', hint: 'Stop its protection first; then its data can be given up.' },
})
