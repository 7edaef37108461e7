/** Errors of a disk, in the words of storage. */
import { TerpError } from '../base/errors.ts'
import { storageError } from './errors.ts'

export function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException | undefined)?.code
}

export function isAbsent(error: unknown): boolean {
  const code = codeOf(error)
  return code === 'ENOENT' || code === 'ENOTDIR' || code === 'EISDIR'
}

/** `what` says what was tried: `write packs/…`. */
export function toStorageError(error: unknown, what: string): TerpError {
  if (error instanceof TerpError) return error
  const code = codeOf(error)
  const details = { cause: error, context: { errno: code ?? 'unknown' } }
  const message = `${what}: ${code ?? (error instanceof Error ? error.message : String(error))}`
  switch (code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return storageError('STORAGE_FULL', message, details)
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return storageError('STORAGE_FORBIDDEN', message, details)
    default:
      return storageError('STORAGE_IO', message, details)
  }
}

/** A full disk or a missing permission says nothing against the medium; anything else may have left it in a state that nobody knows. */
export function isMediumFailure(error: TerpError): boolean {
  return error.code === 'STORAGE_IO'
}
