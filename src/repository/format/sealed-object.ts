/** The container of index segments, manifests and configuration: docs/format.md §10. One salt, one key, one object. */
import { ByteReader, ByteWriter, equalBytes } from '../../base/bytes.ts'
import type { Random } from '../../base/random.ts'
import { deriveObjectKey, type RepositoryKeys } from '../keys/hierarchy.ts'
import { seal, unseal } from './aead.ts'

export const OBJECT_KIND = { index: 1, manifest: 2, configuration: 3 } as const
type ObjectKind = (typeof OBJECT_KIND)[keyof typeof OBJECT_KIND]

const MAGIC = Buffer.from('TERPOBJ1')
const VERSION = 1
const NO_PUBLIC = Buffer.alloc(0)

export interface SealedObject {
  readonly publicPart: Buffer
  readonly body: Buffer
  /** For blocks that follow the body (index segments): the object's key. */
  readonly key: Uint8Array
  readonly tail: Buffer
}

export class SealedObjectError extends Error {}

export function encodeSealedObject(
  random: Random,
  keys: RepositoryKeys,
  object: { kind: ObjectKind; place: string; publicPart?: Buffer; body: Uint8Array },
): { bytes: Buffer; key: Uint8Array } {
  const salt = random.bytes(32)
  const { key, commitment } = deriveObjectKey(keys.metaKey, salt, 'terp/1/object')
  const publicPart = object.publicPart ?? NO_PUBLIC
  const body = seal(key, 0, associatedData(keys, object.kind, object.place, publicPart), object.body)
  const bytes = new ByteWriter(body.length + publicPart.length + 88)
    .raw(MAGIC)
    .u8(VERSION)
    .u8(object.kind)
    .raw(new Uint8Array(6))
    .raw(salt)
    .raw(commitment)
    .u32(publicPart.length)
    .u32(body.length)
    .raw(publicPart)
    .raw(body)
    .finish()
  return { bytes, key }
}

/** Throws SealedObjectError with what is wrong; the caller knows which object it is and gives the code. */
export function decodeSealedObject(keys: RepositoryKeys, kind: ObjectKind, place: string, bytes: Uint8Array): SealedObject {
  const reader = new ByteReader(bytes, (why) => new SealedObjectError(`its length is wrong: ${why}`))
  if (!equalBytes(reader.raw(8), MAGIC)) throw new SealedObjectError('it does not begin like a sealed object')
  const version = reader.u8()
  if (version !== VERSION) throw new SealedObjectError(`its version is ${version}`)
  if (reader.u8() !== kind) throw new SealedObjectError('it is of another kind')
  if (!equalBytes(reader.raw(6), new Uint8Array(6))) throw new SealedObjectError('what is reserved in its header is not zero')
  const { key, commitment } = deriveObjectKey(keys.metaKey, reader.raw(32), 'terp/1/object')
  if (!equalBytes(reader.raw(32), commitment)) throw new SealedObjectError('its key commitment is wrong')
  const publicLength = reader.u32()
  const bodyLength = reader.u32()
  const publicPart = reader.raw(publicLength)
  const body = unseal(key, 0, associatedData(keys, kind, place, publicPart), reader.raw(bodyLength))
  if (!body) throw new SealedObjectError('its seal is broken')
  if (kind !== OBJECT_KIND.index) reader.end()
  return { publicPart, body, key, tail: reader.raw(reader.left) }
}

function associatedData(keys: RepositoryKeys, kind: ObjectKind, place: string, publicPart: Uint8Array): Buffer {
  return Buffer.concat([
    Buffer.from('terp/1/object'),
    keys.repositoryId,
    Uint8Array.of(kind),
    Buffer.from(place),
    Uint8Array.of(0),
    publicPart,
  ])
}
