/** Node takes keys as objects of its own; making one from bytes costs more than encrypting a page. One is kept for as long as the bytes are. */
import { createSecretKey, type KeyObject } from 'node:crypto'

const objects = new WeakMap<Uint8Array, KeyObject>()

/** The bytes must not change afterwards. */
export function keyObject(key: Uint8Array): KeyObject {
  let object = objects.get(key)
  if (!object) {
    object = createSecretKey(key)
    objects.set(key, object)
  }
  return object
}
