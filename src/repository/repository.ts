/**
 * A repository opened to read: keys, recovery points, index, chunks. Locks nothing, changes nothing; works the same over a disk and over a vault.
 * Writing is `openWriteSession` (write-session.ts), which takes one of these.
 */
import { hasCode, type TerpError } from '../base/errors.ts'
import type { Operation } from '../base/operation.ts'
import { randomHex } from '../base/random.ts'
import type { ObjectStore } from '../storage/index.ts'
import { repositoryError } from './errors.ts'
import { encodeFormat, FORMAT_NAMES, FORMAT_VERSION, type RepositoryFormat, readFormat } from './format/format-file.ts'
import { ChunkIndex } from './index/chunk-index.ts'
import { addUnlistedPacks, completion, openSegments, wholeIndex } from './index/open-index.ts'
import type { PackTable } from './index/pack-table.ts'
import { deriveKeys, type HashName, type KeyBundle, makeKeyBundle, type RepositoryKeys, sourceId } from './keys/hierarchy.ts'
import type { Secret } from './keys/secret.ts'
import { addKeySlot, type KeyCosts, listKeySlots, unwrapBundle } from './keys/slot.ts'
import { decodeManifest, manifestOfName, type RecoveryPoint } from './manifest/manifest.ts'
import { DEFAULT_PACK_BYTES } from './pack/pack-format.ts'

export interface CreateOptions {
  readonly kind: RepositoryFormat['kind']
  readonly chunking: RepositoryFormat['chunking']
  /** Each gets a slot of its own; the first is the one used every day. */
  readonly secrets: readonly { readonly secret: Secret; readonly label: string }[]
  /** A vault's copy shares these with its pool (docs/format.md §5). */
  readonly shared?: { readonly bundle: Pick<KeyBundle, 'idKey' | 'chunkingKey'>; readonly format: Pick<RepositoryFormat, 'contentHash'> }
  /** The quicker one on this machine; unless shared. */
  readonly contentHash?: HashName
  readonly keyCosts?: KeyCosts
  readonly packBytes?: number
}

/** A finding of damage, or something worth knowing, about one object. */
export interface Finding {
  readonly code: string
  readonly severity: 'damage' | 'hint'
  /** The object's name, or a path in a recovery point. */
  readonly object: string
  readonly message: string
  /** Ids of the recovery points that it concerns. */
  readonly recoveryPoints: readonly string[]
}

export interface PointListing {
  /** By time, oldest first. */
  readonly points: readonly RecoveryPoint[]
  readonly damaged: readonly Finding[]
}

export interface LoadedIndex {
  readonly index: ChunkIndex
  readonly damagedSegments: readonly string[]
  /** Packs that good segments list, with the size that they should have. */
  readonly listed: PackTable
}

export class Repository {
  readonly store: ObjectStore
  readonly format: RepositoryFormat
  readonly bundle: KeyBundle
  readonly keys: RepositoryKeys

  constructor(store: ObjectStore, format: RepositoryFormat, bundle: KeyBundle) {
    this.store = store
    this.format = format
    this.bundle = bundle
    this.keys = deriveKeys(bundle, format.repositoryId, format)
  }

  /** REPOSITORY_EXISTS. Key slots first, FORMAT last: a crash leaves no half repository. */
  static async create(op: Operation, store: ObjectStore, options: CreateOptions): Promise<Repository> {
    for (const name of FORMAT_NAMES) {
      if (await store.head(op, name)) throw repositoryError('REPOSITORY_EXISTS', `there is a repository in ${store.description} already`)
    }
    const contentHash = options.shared?.format.contentHash ?? options.contentHash ?? 'blake3'
    const format: RepositoryFormat = {
      version: FORMAT_VERSION,
      contentHash,
      // A vault checks the names of what it takes, and knows SHA-256 only.
      objectHash: options.kind === 'vault' ? 'sha256' : contentHash,
      repositoryId: randomHex(op.random, 16),
      kind: options.kind,
      chunking: options.chunking,
      packBytes: options.packBytes ?? DEFAULT_PACK_BYTES,
      padding: options.kind === 'vault' ? 'padme' : 'none',
    }
    const bundle = makeKeyBundle(op.random, options.shared?.bundle)
    for (const { secret, label } of options.secrets) {
      const costs = options.keyCosts === undefined ? {} : { costs: options.keyCosts }
      await addKeySlot(op, store, { repositoryId: format.repositoryId, bundle, secret, label, ...costs })
    }
    const bytes = encodeFormat(format, op.clock.nowMs())
    await store.put(op, 'FORMAT.copy', bytes)
    await store.put(op, 'FORMAT', bytes)
    return new Repository(store, format, bundle)
  }

  /** REPOSITORY_NOT_FOUND, REPOSITORY_FORMAT_DAMAGED, REPOSITORY_TOO_NEW, SECRET_WRONG, KEY_SLOT_DAMAGED. */
  static async open(op: Operation, store: ObjectStore, secret: Secret, use: 'read' | 'write' = 'read'): Promise<Repository> {
    const format = await readFormat(op, store, use)
    const { slots, damaged } = await listKeySlots(op, store)
    for (const name of damaged) op.warn({ code: 'KEY_SLOT_DAMAGED', message: `${name} is damaged`, item: name })
    let damage: TerpError | undefined
    for (const slot of slots) {
      try {
        const bundle = unwrapBundle(slot, format.repositoryId, secret)
        if (bundle) return new Repository(store, format, bundle)
      } catch (error) {
        // Another slot may open all the same: a repository that was begun twice has slots of the first try.
        if (!hasCode(error, 'KEY_SLOT_DAMAGED')) throw error
        damage ??= error
      }
    }
    if (damage) throw damage
    const lost = damaged.map((name) => name.replace(/^keys\/|\.(key|copy)$/g, '')).filter((id) => !slots.some(({ slot }) => slot === id))
    if (lost.length > 0)
      throw repositoryError('KEY_SLOT_DAMAGED', `no key slot opens with this ${describe(secret)}, and ${lost.join(', ')} is damaged`)
    throw repositoryError('SECRET_WRONG', `this ${describe(secret)} opens none of the ${slots.length} key slots of ${store.description}`)
  }

  /** With a key bundle that the caller already holds (a pool's for its copy in the vault). */
  static async openWithBundle(op: Operation, store: ObjectStore, bundle: KeyBundle, use: 'read' | 'write'): Promise<Repository> {
    return new Repository(store, await readFormat(op, store, use), bundle)
  }

  /** `from`: of a source, those from this number on. */
  async listPoints(op: Operation, source?: string, from = 0): Promise<PointListing> {
    const points: RecoveryPoint[] = []
    const damaged: Finding[] = []
    const prefix = source === undefined ? 'points/' : `points/${sourceId(this.keys, source)}/`
    for await (const { name } of this.store.list(op, prefix)) {
      const parts = manifestOfName(name)
      if (!parts || parts.sequence < from) continue
      try {
        points.push(decodeManifest(this.keys, name, await this.store.get(op, name)))
      } catch (error) {
        if (!hasCode(error, 'MANIFEST_DAMAGED')) throw error
        damaged.push({ code: error.code, severity: 'damage', object: name, message: error.message, recoveryPoints: [] })
      }
    }
    points.sort((a, b) => (a.finished < b.finished ? -1 : a.finished > b.finished ? 1 : a.sequence - b.sequence))
    return { points, damaged }
  }

  /** By its number. POINT_NOT_FOUND, MANIFEST_DAMAGED. */
  async pointOf(op: Operation, source: string, sequence: number): Promise<RecoveryPoint> {
    for await (const { name } of this.store.list(op, `points/${sourceId(this.keys, source)}/`)) {
      if (manifestOfName(name)?.sequence === sequence) return decodeManifest(this.keys, name, await this.store.get(op, name))
    }
    throw repositoryError('POINT_NOT_FOUND', `there is no recovery point ${sequence} of ${source}`)
  }

  /** `query` is an id, a unique prefix of one, or `latest`. POINT_NOT_FOUND, POINT_AMBIGUOUS, MANIFEST_DAMAGED. */
  async findPoint(op: Operation, query: string, source?: string): Promise<RecoveryPoint> {
    const { points, damaged } = await this.listPoints(op, source)
    const isId = /^[0-9a-f]{1,32}$/.test(query)
    const found = query === 'latest' ? points.slice(-1) : isId ? points.filter(({ id }) => id.startsWith(query)) : []
    const [point, second] = found
    if (second) throw repositoryError('POINT_AMBIGUOUS', `${query} begins the ids of ${found.length} recovery points`)
    for (const finding of damaged) op.warn({ code: finding.code, message: finding.message, item: finding.object })
    if (point) return point
    throw repositoryError(
      'POINT_NOT_FOUND',
      query === 'latest' ? `there is no recovery point in ${this.store.description}` : `there is no recovery point ${query}`,
    )
  }

  /**
   * Opens the segments' heads; blocks are read when a chunk of theirs is asked for, and the directories of packs that no good segment lists when one is not
   * found: a segment that is damaged or lost costs a reader nothing else. Where that can't be done at once, and with `whole`, all of it is read now.
   */
  async loadIndex(op: Operation, options: { readonly whole?: boolean } = {}): Promise<LoadedIndex> {
    const { store, keys } = this
    const opened = await openSegments(op, store, keys)
    if (store.immediate && !options.whole && opened.damaged.length === 0) {
      const { immediate } = store
      const index = new ChunkIndex(opened.files, {
        complete: completion(op, immediate, keys, { unlisted: true }),
        packs: (listed) => listed.checked(immediate, new Uint8Array(listed.size).fill(1), new Map()),
        tellsUnusable: true,
      })
      return { index, damagedSegments: [], listed: index.packs }
    }
    const { index, damaged } = wholeIndex(opened)
    await addUnlistedPacks(op, store, keys, index)
    return { index, damagedSegments: damaged, listed: index.packs }
  }
}

function describe(secret: Secret): string {
  return secret.kind === 'passphrase' ? 'passphrase' : secret.kind === 'recovery' ? 'recovery key' : 'key file'
}
