/** Bytes of packs from a store. A pack that is missing or short is damage of the repository, not a look-up that failed. */
import { hasCode, type TerpError } from '../../base/errors.ts'
import type { Operation } from '../../base/operation.ts'
import type { ByteRange, ObjectStore } from '../../storage/index.ts'
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
    if (hasCode(error, 'STORAGE_OBJECT_NOT_FOUND')) {
      throw repositoryError('PACK_MISSING', `pack ${sha256.slice(0, 12)}… is not there`, { context: { pack: sha256 } })
    }
    if (hasCode(error, 'STORAGE_OBJECT_SHORT')) throw damagedPack(sha256, 'it is cut short', error)
    throw error
  }
}
