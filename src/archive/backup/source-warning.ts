/** What went wrong with one file of the source, as a warning. Never for faults of the pool: those fail the job (R21). */
import type { Warning } from '../../base/operation.ts'
import type { PosixError } from '../../platform/index.ts'
import { displayPath } from '../tree/tree-reader.ts'

export function sourceWarning(path: Buffer, error: PosixError): Warning {
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
