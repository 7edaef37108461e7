/** The manifest is the root of a recovery point and its only commit point: docs/format.md §11. */
import type { Random } from '../../base/random.ts'
import { repositoryError } from '../errors.ts'
import { decodeSealedObject, encodeSealedObject, OBJECT_KIND, SealedObjectError } from '../format/sealed-object.ts'
import { objectHash, type RepositoryKeys } from '../keys/hierarchy.ts'

export interface PathText {
  /** For people; bytes that are not UTF-8 are replaced. */
  readonly text: string
  readonly base64: string
}

export interface ManifestStatistics {
  readonly files: number
  readonly folders: number
  readonly others: number
  readonly total_bytes: number
  readonly data_added: number
  readonly data_added_packed: number
}

/** What else the backup was asked for, and what it could not read: for the next one, which may then leave alone what did not change. */
export interface ManifestSelection {
  readonly exclude_caches: boolean
  readonly one_file_system: boolean
  /** `device:inode` of folders that were never entered. */
  readonly skipped: readonly string[]
  /** Base64 of paths that are there and are missing from the tree, or from which something is. */
  readonly unread: readonly string[]
  /** Counts recovery points of this selection: whose turn it is to be read again. */
  readonly turn: number
}

/** The body, as it is stored. */
export interface ManifestBody {
  readonly id: string
  readonly source: string
  readonly sequence: number
  readonly started: string
  readonly finished: string
  readonly host: string
  readonly paths: readonly PathText[]
  readonly excludes: readonly string[]
  readonly root: string
  readonly level: number
  readonly epoch: number
  readonly program: string
  readonly statistics: ManifestStatistics
  readonly warnings: number
  readonly previous_point: string | null
  readonly selection?: ManifestSelection
}

/** What may be read without keys; the seal covers it. */
export interface ManifestPublic {
  readonly id: string
  readonly source: string
  readonly sequence: number
  readonly previous: string | null
  readonly packs?: readonly string[]
}

export interface RecoveryPoint extends ManifestBody {
  /** The object's name in this repository. */
  readonly object: string
  readonly publicPart: ManifestPublic
}

const NAME = /^points\/([0-9a-f]{32})\/([0-9]{10})-([0-9a-f]{64})\.point$/

export interface ManifestName {
  readonly source: string
  readonly sequence: number
  readonly hash: string
}

export function manifestOfName(name: string): ManifestName | undefined {
  const match = NAME.exec(name)
  return match ? { source: match[1] as string, sequence: Number(match[2]), hash: match[3] as string } : undefined
}

function placeOf(source: string, sequence: number): string {
  return `points/${source}/${String(sequence).padStart(10, '0')}`
}

export function encodeManifest(
  random: Random,
  keys: RepositoryKeys,
  publicPart: ManifestPublic,
  body: ManifestBody,
): { name: string; bytes: Buffer } {
  const place = placeOf(publicPart.source, publicPart.sequence)
  const { bytes } = encodeSealedObject(random, keys, {
    kind: OBJECT_KIND.manifest,
    place,
    publicPart: Buffer.from(JSON.stringify(publicPart)),
    body: Buffer.from(JSON.stringify(body)),
  })
  return { name: `${place}-${objectHash(keys, bytes)}.point`, bytes }
}

/** MANIFEST_DAMAGED with the object's name. */
export function decodeManifest(keys: RepositoryKeys, name: string, bytes: Buffer): RecoveryPoint {
  const parts = manifestOfName(name)
  try {
    if (!parts) throw new SealedObjectError('its name is not a manifest’s')
    if (objectHash(keys, bytes) !== parts.hash) throw new SealedObjectError('its hash is not that of its name')
    const { publicPart, body } = decodeSealedObject(keys, OBJECT_KIND.manifest, placeOf(parts.source, parts.sequence), bytes)
    return {
      ...(JSON.parse(body.toString('utf8')) as ManifestBody),
      object: name,
      publicPart: JSON.parse(publicPart.toString('utf8')) as ManifestPublic,
    }
  } catch (error) {
    if (!(error instanceof SealedObjectError)) throw error
    throw repositoryError('MANIFEST_DAMAGED', `manifest ${name} can not be read: ${error.message}`, {
      context: { object: name },
      cause: error,
    })
  }
}
