/**
 * What is being deleted, and for whom it waits: one sealed object, topic `deletion` (docs/format.md §12). Every change publishes the next number, if nobody
 * else has: of two that decide at once, one fails and has changed nothing. Whoever begins to write reads it first.
 */
import { hasCode } from '../../base/errors.ts'
import type { Operation } from '../../base/operation.ts'
import type { ObjectStore, PruningStore } from '../../storage/index.ts'
import { repositoryError } from '../errors.ts'
import { decodeSealedObject, encodeSealedObject, OBJECT_KIND, SealedObjectError } from '../format/sealed-object.ts'
import type { RepositoryKeys } from '../keys/hierarchy.ts'
import { pruneError } from './errors.ts'

/** Packs that nobody may come to need any more. */
export interface TombstoneGroup {
  readonly packs: readonly string[]
  /** Sessions that were open when the tombstones were published. */
  readonly waits_for: readonly string[]
}

export interface ExpiredPoint {
  /** The manifest's name as long as the point was visible. */
  readonly object: string
  /** RFC 3339, UTC. */
  readonly at: string
  /** Sessions that were open when it was expired: they may build on it. */
  readonly waits_for: readonly string[]
}

export interface Deletion {
  /** Of the object; 0 when nothing was ever deleted. */
  readonly number: number
  readonly tombstones: readonly TombstoneGroup[]
  /** Their manifests are in the trash, or on the way there. */
  readonly expired: readonly ExpiredPoint[]
  /** Manifests that are gone, by their names: those that others name as the one before them, and the last of each source. */
  readonly gone: readonly string[]
  /** Hashes of the manifests that were visible when last somebody looked. */
  readonly known: readonly string[]
  /** What no point needs, and still lies in packs that are worth keeping. */
  readonly unreferenced_bytes: number
}

export const NO_DELETION: Deletion = { number: 0, tombstones: [], expired: [], gone: [], known: [], unreferenced_bytes: 0 }

const NAME = /^conf\/([0-9]{12})-deletion\.conf$/

interface Place {
  readonly store: ObjectStore
  readonly keys: RepositoryKeys
}

/** CONFIGURATION_DAMAGED. Where nothing changed since `last`, that is the answer: an object never changes. */
export async function readDeletion(op: Operation, place: Place, last: Deletion = NO_DELETION): Promise<Deletion> {
  for (;;) {
    const name = (await namesOf(op, place.store)).at(-1)
    if (name === undefined) return NO_DELETION
    if (Number(NAME.exec(name)?.[1]) === last.number) return last
    try {
      const bytes = await place.store.get(op, name)
      const { body } = decodeSealedObject(place.keys, OBJECT_KIND.configuration, name.replace(/\.conf$/, ''), bytes)
      return { ...NO_DELETION, ...(JSON.parse(body.toString('utf8')) as Partial<Deletion>), number: Number(NAME.exec(name)?.[1]) }
    } catch (error) {
      // Replaced since the list was made.
      if (hasCode(error, 'STORAGE_OBJECT_NOT_FOUND')) continue
      if (!(error instanceof SealedObjectError)) throw error
      throw repositoryError('CONFIGURATION_DAMAGED', `${name} can not be read: ${error.message}`, {
        context: { object: name },
        hint: 'Run `terp pool prune`: it begins anew, and nothing that was about to be deleted is.',
      })
    }
  }
}

/**
 * For those who find it damaged, by the holder of PRUNE.LOCK. Tombstones are forgotten, so nothing is deleted that was not gone already; `expired` is what lies
 * in the trash, and waits for all sessions that may know of it.
 */
export async function resetDeletion(
  op: Operation,
  place: Place & { readonly store: PruningStore },
  expired: readonly ExpiredPoint[],
): Promise<Deletion> {
  const names = await namesOf(op, place.store)
  const last = Number(NAME.exec(names.at(-1) ?? '')?.[1] ?? 0)
  return writeDeletion(op, place, { ...NO_DELETION, number: last, expired })
}

/** Publishes what comes after `deletion.number`; PRUNE_SUPERSEDED when somebody else has. Older ones are removed. */
export async function writeDeletion(
  op: Operation,
  { store, keys }: Place & { readonly store: PruningStore },
  deletion: Deletion,
): Promise<Deletion> {
  const number = deletion.number + 1
  const conf = `conf/${String(number).padStart(12, '0')}-deletion`
  const { number: _, ...body } = deletion
  const { bytes } = encodeSealedObject(op.random, keys, {
    kind: OBJECT_KIND.configuration,
    place: conf,
    body: Buffer.from(JSON.stringify(body)),
  })
  try {
    await store.put(op, `${conf}.conf`, bytes)
  } catch (error) {
    if (!hasCode(error, 'STORAGE_OBJECT_EXISTS')) throw error
    throw pruneError('PRUNE_SUPERSEDED', `another process changed what is to be deleted in ${store.description}`, { cause: error })
  }
  const older = (await namesOf(op, store)).filter((name) => Number(NAME.exec(name)?.[1]) < number)
  await store.removeAll(op, older)
  return { ...deletion, number }
}

export function tombstonedPacks(deletion: Deletion): Set<string> {
  return new Set(deletion.tombstones.flatMap(({ packs }) => packs))
}

async function namesOf(op: Operation, store: ObjectStore): Promise<string[]> {
  const names: string[] = []
  for await (const { name } of store.list(op, 'conf/')) if (NAME.test(name)) names.push(name)
  return names
}
