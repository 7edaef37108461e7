/** Key slots wrap the key bundle under a secret: docs/format.md §5. Never changed in place. */
import { argon2Sync } from 'node:crypto'
import { equalBytes } from '../../base/bytes.ts'
import { toTimestamp } from '../../base/clock.ts'
import type { Operation } from '../../base/operation.ts'
import { randomHex } from '../../base/random.ts'
import type { ObjectStore } from '../../storage/index.ts'
import { repositoryError } from '../errors.ts'
import { seal, unseal } from '../format/aead.ts'
import { decodeCheckedLine, encodeCheckedLine } from '../format/checked-line.ts'
import { decodeKeyBundle, deriveObjectKey, encodeKeyBundle, type KeyBundle } from './hierarchy.ts'
import type { Secret } from './secret.ts'

/** Argon2id costs of a new slot: about a second of one core, 256 MiB. */
export interface KeyCosts {
  readonly memoryKib: number
  readonly passes: number
}
export const DEFAULT_KEY_COSTS: KeyCosts = { memoryKib: 262_144, passes: 3 }
const LEAST_COSTS: KeyCosts = { memoryKib: 65_536, passes: 3 }
const MOST_COSTS: KeyCosts = { memoryKib: 1_048_576, passes: 10 }

type Derivation =
  | { name: 'argon2id'; memory_kib: number; passes: number; parallelism: number; salt: string }
  | { name: 'none'; salt: string }

export interface KeySlot {
  readonly slot: string
  readonly kind: Secret['kind']
  readonly label: string
  readonly created: string
  readonly kdf: Derivation
  readonly commit: string
  readonly wrapped: string
}

export interface SlotListing {
  readonly slots: KeySlot[]
  /** Names of copies that are not what was written. */
  readonly damaged: string[]
}

/** Makes a slot and proves it by opening it again (R31) before it is published twice. */
export async function addKeySlot(
  op: Operation,
  store: ObjectStore,
  options: { repositoryId: string; bundle: KeyBundle; secret: Secret; label: string; costs?: KeyCosts },
): Promise<KeySlot> {
  const slot = wrapBundle(op, options)
  const proof = unwrapBundle(slot, options.repositoryId, options.secret)
  if (proof === undefined || !equalBytes(encodeKeyBundle(proof), encodeKeyBundle(options.bundle))) {
    throw repositoryError('KEY_SLOT_DAMAGED', `the new key slot ${slot.slot} does not open with its own secret`)
  }
  const bytes = encodeCheckedLine(slot)
  await store.put(op, `keys/${slot.slot}.key`, bytes)
  await store.put(op, `keys/${slot.slot}.copy`, bytes)
  return slot
}

function wrapBundle(
  op: Operation,
  options: { repositoryId: string; bundle: KeyBundle; secret: Secret; label: string; costs?: KeyCosts },
): KeySlot {
  const costs = options.costs ?? DEFAULT_KEY_COSTS
  const salt = Buffer.from(op.random.bytes(32)).toString('base64')
  const kdf: Derivation =
    options.secret.kind === 'passphrase'
      ? { name: 'argon2id', memory_kib: costs.memoryKib, passes: costs.passes, parallelism: 1, salt }
      : { name: 'none', salt }
  const slot = randomHex(op.random, 8)
  const { key, commitment } = slotKey(options.secret, kdf)
  const associated = associatedData(options.repositoryId, slot, options.secret.kind, kdf)
  return {
    slot,
    kind: options.secret.kind,
    label: options.label,
    created: toTimestamp(op.clock.nowMs()),
    kdf,
    commit: Buffer.from(commitment).toString('base64'),
    wrapped: seal(key, 0, associated, encodeKeyBundle(options.bundle)).toString('base64'),
  }
}

/** Undefined when the secret is not the slot's; KEY_SLOT_DAMAGED when it is, but the slot is not what was written. */
export function unwrapBundle(slot: KeySlot, repositoryId: string, secret: Secret): KeyBundle | undefined {
  if (slot.kind !== secret.kind) return undefined
  const { key, commitment } = slotKey(secret, slot.kdf)
  if (!equalBytes(commitment, Buffer.from(slot.commit, 'base64'))) return undefined
  const associated = associatedData(repositoryId, slot.slot, slot.kind, slot.kdf)
  const plain = unseal(key, 0, associated, Buffer.from(slot.wrapped, 'base64'))
  const bundle = plain && decodeKeyBundle(plain)
  if (!bundle) throw repositoryError('KEY_SLOT_DAMAGED', `key slot ${slot.slot} does not hold what its secret sealed`)
  return bundle
}

/** All slots of which a copy is whole. */
export async function listKeySlots(op: Operation, store: ObjectStore): Promise<SlotListing> {
  const slots = new Map<string, KeySlot>()
  const damaged: string[] = []
  for await (const { name } of store.list(op, 'keys/')) {
    const slot = decodeCheckedLine(await store.get(op, name)) as KeySlot | undefined
    if (slot && name.startsWith(`keys/${slot.slot}.`)) slots.set(slot.slot, slot)
    else damaged.push(name)
  }
  return { slots: [...slots.values()], damaged }
}

function slotKey(secret: Secret, kdf: Derivation): { key: Uint8Array; commitment: Uint8Array } {
  const salt = Buffer.from(kdf.salt, 'base64')
  if (kdf.name === 'none') {
    if (secret.kind === 'passphrase') throw repositoryError('KEY_DERIVATION_REFUSED', 'a passphrase slot without key derivation')
    return deriveObjectKey(secret.bytes, salt, 'terp/1/slot')
  }
  // The bounds guard against a slot that was made weak, and against one that would take all memory.
  const { memory_kib: memory, passes, parallelism } = kdf
  const isWithin = (value: number, least: number, most: number) => Number.isInteger(value) && value >= least && value <= most
  const isMemoryFine = isWithin(memory, LEAST_COSTS.memoryKib, MOST_COSTS.memoryKib)
  if (!isMemoryFine || !isWithin(passes, LEAST_COSTS.passes, MOST_COSTS.passes) || parallelism !== 1) {
    throw repositoryError('KEY_DERIVATION_REFUSED', `the slot asks for ${memory} KiB, ${passes} passes, parallelism ${parallelism}`)
  }
  const message = secret.kind === 'passphrase' ? Buffer.from(secret.text, 'utf8') : secret.bytes
  const ikm = argon2Sync('argon2id', { message, nonce: salt, memory, passes, parallelism, tagLength: 32 })
  return deriveObjectKey(ikm, salt, 'terp/1/slot')
}

function associatedData(repositoryId: string, slot: string, kind: string, kdf: Derivation): Buffer {
  const text = kdf.name === 'none' ? `none,${kdf.salt}` : `argon2id,${kdf.memory_kib},${kdf.passes},${kdf.parallelism},${kdf.salt}`
  return Buffer.from(['terp/1/slot', repositoryId, slot, kind, text].join('\n'))
}
