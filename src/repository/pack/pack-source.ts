/** Bytes of packs from a store. A pack that is missing or short is damage of the repository, not a look-up that failed. */
import { hasCode, type TerpError } from '../../base/errors.ts'
import type { Operation } from '../../base/operation.ts'
import type { ByteRange, ImmediateReads, ObjectStore, OpenObject } from '../../storage/index.ts'
import { repositoryError } from '../errors.ts'
import { packName } from './pack-format.ts'

export function damagedPack(sha256: string, why: string, cause?: unknown): TerpError {
  return repositoryError('PACK_DAMAGED', `pack ${sha256.slice(0, 12)}…: ${why}`, { context: { pack: sha256 }, ...(cause ? { cause } : {}) })
}

/** PACK_MISSING, PACK_DAMAGED, or a fault of the medium. */
export async function getPack(op: Operation, store: ObjectStore, sha256: string, range?: ByteRange): Promise<Buffer> {
  try {
    return await store.get(op, packName(sha256), range)
  } catch (error) {
    throw packFailure(sha256, error)
  }
}

/** The same, for reads that are answered at once. */
export function openPackNow(immediate: ImmediateReads, sha256: string): OpenObject {
  const attempt = <T>(act: () => T): T => {
    try {
      return act()
    } catch (error) {
      throw packFailure(sha256, error)
    }
  }
  const object = attempt(() => immediate.open(packName(sha256)))
  return { ...object, read: (offset, length, into) => attempt(() => object.read(offset, length, into)) }
}

function packFailure(sha256: string, error: unknown): unknown {
  if (hasCode(error, 'STORAGE_OBJECT_NOT_FOUND')) {
    return repositoryError('PACK_MISSING', `pack ${sha256.slice(0, 12)}… is not there`, { context: { pack: sha256 } })
  }
  return hasCode(error, 'STORAGE_OBJECT_SHORT') ? damagedPack(sha256, 'it is cut short', error) : error
}
