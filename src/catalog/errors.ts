import { defineErrors } from '../base/errors.ts'

export const catalogError = defineErrors({
  CATALOG_RECORD_NOT_FOUND: { kind: 'not-found', hint: 'Check the id or the name; list what there is.' },
  CATALOG_NAME_TAKEN: { kind: 'conflict', hint: 'Choose another name; upper and lower case do not matter.' },
  CATALOG_VERSION_CONFLICT: {
    kind: 'conflict',
    hint: 'It was changed by someone else meanwhile: read it again, and make the change again.',
  },
  CATALOG_STATE_CONFLICT: { kind: 'conflict', hint: 'Look at what it is doing now; wait for that, or cancel it.' },
  CATALOG_JOB_FENCED: {
    kind: 'conflict',
    hint: 'The job was taken over after a restart or a lost lease; nothing that it had acknowledged is lost.',
  },
  CATALOG_STILL_USED: { kind: 'conflict', hint: 'Remove or move what depends on it first.' },
  CATALOG_CURSOR_INVALID: { kind: 'invalid', hint: 'Begin the list again, without a cursor.' },
  CATALOG_AUDIT_BROKEN: {
    kind: 'corrupt',
    hint: 'The audit log was changed from outside: find out who could write to the data folder, and keep the file for examination.',
  },
  CATALOG_SEARCH_STOPPED: { kind: 'unavailable', retry: 'later', hint: 'The server is stopping; search again when it runs.' },
  CATALOG_SEARCH_INVALID: { kind: 'invalid', hint: 'Search for at least one character that is not a wildcard.' },
})

export function notFound(what: string, id: string) {
  return catalogError('CATALOG_RECORD_NOT_FOUND', `there is no ${what} ${id}`, { context: { what, id } })
}

export function nameTaken(what: string, name: string) {
  return catalogError('CATALOG_NAME_TAKEN', `there is a ${what} ${name} already`, { context: { what, name } })
}

export function versionConflict(what: string, id: string, version: number) {
  const context = { what, id, version }
  return catalogError('CATALOG_VERSION_CONFLICT', `the ${what} ${id} is no longer at version ${version}`, { context })
}
