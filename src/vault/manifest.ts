/**
 * The public part of a manifest (docs/format.md §10 and §11): the only thing that the vault reads of an object, so that it never accepts a recovery
 * point whose packs it does not hold. The sealed body behind it stays sealed.
 */
import { z } from 'zod'
import { ByteReader } from '../base/bytes.ts'
import { firstIssue, idShape, sha256Shape } from '../wire/index.ts'
import { vaultError } from './errors.ts'

const MAGIC = 'TERPOBJ1'
const VERSION = 1
const KIND_MANIFEST = 2
/** Zeros, salt, commitment: nothing that the vault could judge. */
const UNJUDGED_BYTES = 6 + 32 + 32

const publicPartShape = z.object({
  id: idShape,
  source: idShape,
  sequence: z.int().min(0),
  packs: z.array(sha256Shape),
})

export type ManifestPublicPart = z.infer<typeof publicPartShape>

/** VAULT_MANIFEST_INVALID unless `bytes` are a manifest for exactly this place. */
export function readManifest(bytes: Uint8Array, place: { readonly source: string; readonly sequence: number }): ManifestPublicPart {
  const reader = new ByteReader(bytes, invalidManifest)
  if (reader.raw(8).toString('latin1') !== MAGIC) throw invalidManifest('it is not a sealed object')
  const version = reader.u8()
  if (version !== VERSION) throw invalidManifest(`its version is ${version}`)
  const kind = reader.u8()
  if (kind !== KIND_MANIFEST) throw invalidManifest(`its kind is ${kind}`)
  reader.raw(UNJUDGED_BYTES)
  const publicLength = reader.u32()
  const bodyLength = reader.u32()
  const publicPart = parsePublicPart(reader.raw(publicLength))
  reader.raw(bodyLength)
  reader.end()
  if (publicPart.source !== place.source || publicPart.sequence !== place.sequence) throw invalidManifest('it belongs in another place')
  return publicPart
}

function parsePublicPart(bytes: Buffer): ManifestPublicPart {
  let json: unknown
  try {
    json = JSON.parse(bytes.toString('utf8'))
  } catch (cause) {
    throw vaultError('VAULT_MANIFEST_INVALID', 'the public part of the manifest is not JSON', { cause })
  }
  const parsed = publicPartShape.safeParse(json)
  if (!parsed.success) throw invalidManifest(`its public part is wrong: ${firstIssue(parsed.error)}`)
  return parsed.data
}

function invalidManifest(why: string) {
  return vaultError('VAULT_MANIFEST_INVALID', `the manifest is refused: ${why}`)
}
