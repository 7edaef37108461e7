/** Errors of the target, in the words of this room: which one concerns a single item, and which one ends the job. */
import { TerpError } from '../../base/errors.ts'
import { isPosixError } from '../../platform/index.ts'
import { archiveError } from '../errors.ts'

/** Thrown through everything: the target itself can take no more. */
export class TargetFailure extends Error {
  readonly reason: TerpError

  constructor(reason: TerpError) {
    super(reason.message)
    this.reason = reason
  }
}

/** The target as a whole, not this item: to go on would only fail again. */
const FATAL: Readonly<Record<string, 'TARGET_FULL' | 'TARGET_IO' | 'TARGET_FORBIDDEN'>> = {
  ENOSPC: 'TARGET_FULL',
  EDQUOT: 'TARGET_FULL',
  EIO: 'TARGET_IO',
  ENODEV: 'TARGET_IO',
  ENXIO: 'TARGET_IO',
  ESTALE: 'TARGET_IO',
  ESHUTDOWN: 'TARGET_IO',
  EMFILE: 'TARGET_IO',
  ENFILE: 'TARGET_IO',
  ENOMEM: 'TARGET_IO',
  EROFS: 'TARGET_FORBIDDEN',
}

const OF_ITEM: Readonly<Record<string, 'TARGET_FORBIDDEN' | 'TARGET_EXISTS' | 'TARGET_REFUSED'>> = {
  EACCES: 'TARGET_FORBIDDEN',
  EPERM: 'TARGET_FORBIDDEN',
  EEXIST: 'TARGET_EXISTS',
  ENOTEMPTY: 'TARGET_EXISTS',
  EISDIR: 'TARGET_EXISTS',
  ENOTDIR: 'TARGET_EXISTS',
  ELOOP: 'TARGET_EXISTS',
  EBUSY: 'TARGET_EXISTS',
}

const ITEM_CODES: ReadonlySet<string> = new Set([...Object.values(OF_ITEM), 'TARGET_REFUSED', 'NAME_HOSTILE', 'METADATA_PARTIAL'])

/** What is wrong with this one item. Throws TargetFailure when it is not only this one; passes on what is no error of the target. */
export function itemError(error: unknown): TerpError {
  if (error instanceof TargetFailure) throw error
  if (error instanceof TerpError) {
    // A repository's medium that fails, or a cancellation, is not this item's affair.
    if (error.kind === 'corrupt' || ITEM_CODES.has(error.code)) return error
    throw error
  }
  if (!isPosixError(error)) throw error
  const fatal = FATAL[error.code]
  const details = { cause: error, context: { errno: error.code } }
  if (fatal) throw new TargetFailure(archiveError(fatal, `the target answers ${error.message}`, details))
  return archiveError(OF_ITEM[error.code] ?? 'TARGET_REFUSED', `the target answers ${error.message}`, details)
}

export function isFatalTargetError(error: unknown): boolean {
  return isPosixError(error) && FATAL[error.code] !== undefined
}

/** What the caller of the restore sees. */
export function jobError(error: unknown): unknown {
  if (error instanceof TargetFailure) return error.reason
  if (!isPosixError(error)) return error
  try {
    return itemError(error)
  } catch (fatal) {
    return fatal instanceof TargetFailure ? fatal.reason : fatal
  }
}
