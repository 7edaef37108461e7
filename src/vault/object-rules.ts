/** What the vault demands of an object before it keeps it: a right name, the hash that the name says, and for a manifest its packs. */
import type { Operation } from '../base/operation.ts'
import { Semaphore } from '../base/semaphore.ts'
import { checkObjectName, type ObjectStore } from '../storage/index.ts'
import { vaultError } from './errors.ts'
import { readManifest } from './manifest.ts'

/** Folders whose objects are named by their hash (docs/format.md §2), each with the only form of name in it. */
const HASHED = new Map([
  ['packs', /^packs\/(?<hh>[0-9a-f]{2})\/(?<sha256>\k<hh>[0-9a-f]{62})\.pack$/],
  ['index', /^index\/(?<sha256>[0-9a-f]{64})\.idx$/],
  ['points', /^points\/(?<source>[0-9a-f]{32})\/(?<sequence>[0-9]{10})-(?<sha256>[0-9a-f]{64})\.point$/],
])
const PARALLEL_HEADS = 16
const NAMED_MISSING_PACKS = 5

export interface IncomingObject {
  readonly name: string
  readonly bytes: Buffer
  readonly sha256: string
}

export async function checkObject(op: Operation, store: ObjectStore, { name, bytes, sha256 }: IncomingObject): Promise<void> {
  checkObjectName(name)
  const form = HASHED.get(name.split('/', 1)[0] ?? '')
  if (!form) return
  const parts = form.exec(name)?.groups
  if (!parts) throw vaultError('VAULT_NAME_MISMATCH', `${name} is not how such an object is named`)
  if (parts.sha256 !== sha256) throw vaultError('VAULT_NAME_MISMATCH', `${name} has the hash ${sha256}`)
  const { source, sequence } = parts
  if (source === undefined) return
  const manifest = readManifest(bytes, { source, sequence: Number(sequence) })
  await checkPacksHeld(op, store, [...new Set(manifest.packs)])
}

/** Packs are never deleted, so one that is held now is still held when the manifest is. */
async function checkPacksHeld(op: Operation, store: ObjectStore, packs: readonly string[]): Promise<void> {
  const slots = new Semaphore(PARALLEL_HEADS)
  const held = await Promise.all(packs.map((pack) => slots.run(() => store.head(op, packName(pack)))))
  const missing = packs.filter((_, n) => held[n] === undefined)
  if (missing.length === 0) return
  const context = { missing: missing.length, first: missing.slice(0, NAMED_MISSING_PACKS) }
  throw vaultError('VAULT_PACKS_MISSING', `${missing.length} of the ${packs.length} packs of this recovery point are not here`, { context })
}

function packName(sha256: string): string {
  return `packs/${sha256.slice(0, 2)}/${sha256}.pack`
}
