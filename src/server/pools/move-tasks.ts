/** Moving recovery points to another pool volume, as tasks of threads: one here reads, checks and stores there; one there reads all of it back. */
import { type CopiedChunks, copyPoints as copy, readPoints as readBack } from '../../archive/index.ts'
import { systemDisk } from '../../platform/index.ts'
import { asSession, type RecoveryPoint, type SealedPack, type WriterGrant } from '../../repository/index.ts'
import { LocalDiskStore } from '../../storage/index.ts'
import type { Task, TaskPlace } from './task.ts'

export interface CopyWish {
  readonly source: string
  readonly points: readonly string[]
  readonly to: { readonly folder: string; readonly grant: WriterGrant }
}

export type CopyItem = { readonly pack: SealedPack } | { readonly copied: CopiedChunks }

/** Packs as they become durable, and at last how much that was. */
export const copyPoints: Task<CopyWish, void, CopyItem> = (place, { source, points, to }, emit) =>
  reading(place, async () => {
    const store = new LocalDiskStore(systemDisk(), to.folder, { tag: to.grant.tag })
    let telling = Promise.resolve()
    const onSealed = (pack: SealedPack) => {
      telling = telling.then(() => emit({ pack }))
      // It is waited for below.
      telling.catch(() => undefined)
    }
    const wanted = await pointsOf(place, source, points)
    const copied = await copy(place.op, { from: place.repository, points: wanted, store, grant: to.grant, onSealed })
    await telling
    await emit({ copied })
  })

/** Throws the first that can not be read. */
export const readPoints: Task<{ readonly source: string; readonly points: readonly string[] }, void> = (place, { source, points }) =>
  reading(place, async () => readBack(place.op, place.repository, await pointsOf(place, source, points)))

function reading<T>({ op, repository, store }: TaskPlace, work: () => Promise<T>): Promise<T> {
  return asSession(op, repository, store, 'move', work)
}

async function pointsOf({ op, repository }: TaskPlace, source: string, ids: readonly string[]): Promise<RecoveryPoint[]> {
  const wanted = new Set(ids)
  return (await repository.listPoints(op, source)).points.filter(({ id }) => wanted.has(id))
}
