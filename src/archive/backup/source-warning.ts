/** What went wrong with one file of the source, as a warning. Never for faults of the pool: those fail the job (R21). */
import type { Warning } from '../../base/operation.ts'
import type { PosixError } from '../../platform/index.ts'
import { archiveError } from '../errors.ts'
import { displayPath } from '../tree/tree-reader.ts'

/** Not the file's fault: with these, nothing more could be read, and a point without most files would look like one. */
const OF_THE_PROCESS = new Set(['EMFILE', 'ENFILE', 'ENOMEM'])

/** Throws what is not about this one file. */
export function sourceWarning(path: Buffer, error: PosixError): Warning {
  if (OF_THE_PROCESS.has(error.code))
    throw archiveError('SOURCE_EXHAUSTED', `${displayPath(path)} can not be opened: ${error.code}`, { cause: error })
  const item = displayPath(path)
  if (error.code === 'ENOENT' || error.code === 'ENOTDIR' || error.code === 'ELOOP') {
    return { code: 'SOURCE_VANISHED', message: `${item} vanished before it could be read`, item }
  }
  return { code: 'SOURCE_UNREADABLE', message: `${item} can not be read (${error.code})`, item }
}

export function changedWarning(path: Buffer): Warning {
  const item = displayPath(path)
  return { code: 'SOURCE_CHANGED', message: `${item} changed while it was read; it is stored as it was read last`, item }
}
