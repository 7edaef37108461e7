/** Looking into recovery points, as tasks of a thread. Each is a reading session, so that a prune leaves what it reads alone. */
import { comparePoints, findEntry, type OpenedPoint, openPoint, treePath } from '../../archive/index.ts'
import { isKind } from '../../base/errors.ts'
import { asSession, type ChunkLocation, locate } from '../../repository/index.ts'
import type { Task, TaskPlace } from '../pools/task.ts'
import { type PlainEntry, plainEntry } from './plain-entry.ts'

export interface At {
  readonly pointId: string
  /** Base64; empty for the root. */
  readonly path: string
}

export function looking<T>({ op, repository, store }: TaskPlace, work: () => Promise<T>): Promise<T> {
  return asSession(op, repository, store, 'look', work)
}

export async function openAt({ op, repository }: TaskPlace, pointId: string): Promise<OpenedPoint> {
  return openPoint(op, repository, await repository.findPoint(op, pointId))
}

export const bytesOf = (path: string) => Buffer.from(path, 'base64')

export interface FolderPage {
  readonly entries: readonly PlainEntry[]
  /** Base64 of the name after which the next page begins. */
  readonly next: string | undefined
}

/** What lies directly in a folder. PATH_NOT_IN_POINT, POINT_NOT_FOUND. */
export const browse: Task<At & { readonly after?: string | undefined; readonly limit: number }, FolderPage> = (place, args) =>
  looking(place, async () => {
    const { op } = place
    const opened = await openAt(place, args.pointId)
    try {
      const folder = treePath(bytesOf(args.path))
      if (folder.length > 0) {
        const entry = await findEntry(op, opened, folder)
        if (entry.kind !== 'folder') return { entries: [plainEntry(entry)], next: undefined }
      }
      const entries: PlainEntry[] = []
      let last: Buffer | undefined
      for await (const entry of opened.tree.children(op, folder, args.after === undefined ? undefined : bytesOf(args.after))) {
        if (entries.length === args.limit) return { entries, next: last?.toString('base64') }
        entries.push(plainEntry(entry))
        last = entry.path.subarray(entry.path.lastIndexOf(0x2f) + 1)
      }
      return { entries, next: undefined }
    } finally {
      opened.close()
    }
  })

export const entry: Task<At, PlainEntry> = (place, { pointId, path }) =>
  looking(place, async () => {
    const opened = await openAt(place, pointId)
    try {
      return plainEntry(await findEntry(place.op, opened, bytesOf(path)))
    } finally {
      opened.close()
    }
  })

export interface Version {
  readonly pointId: string
  readonly finished: string
  /** Undefined where the point has no such path. */
  readonly entry: PlainEntry | undefined
  /** Of the content; equal for equal content in the same chunks. */
  readonly contentKey: string | undefined
}

/** The path in the given points of a source, in their order. A point that is damaged or gone is left out. */
export const versions: Task<{ readonly points: readonly string[]; readonly path: string }, readonly Version[]> = (place, args) =>
  looking(place, async () => {
    const { op, repository } = place
    const path = treePath(bytesOf(args.path))
    const wanted = new Set(args.points)
    const found = new Map<string, Version>()
    const { index } = await repository.loadIndex(op)
    try {
      for (const point of (await repository.listPoints(op)).points) {
        if (!wanted.has(point.id)) continue
        op.check()
        const opened = await openPoint(op, repository, point, index)
        try {
          const there = path.length > 0 ? await opened.tree.find(op, path) : undefined
          found.set(point.id, {
            pointId: point.id,
            finished: point.finished,
            entry: there && plainEntry(there),
            contentKey: there && contentKeyOf(there.extents),
          })
        } catch (error) {
          if (!isKind(error, 'corrupt')) throw error
        } finally {
          opened.close()
        }
      }
    } finally {
      index.close()
    }
    return args.points.flatMap((id) => found.get(id) ?? [])
  })

function contentKeyOf(extents: OpenedExtents): string {
  return extents
    .map((extent) => (extent.kind === 'hole' ? `h${extent.length}` : `${extent.chunk.toString('base64url')}.${extent.length}`))
    .join(' ')
}
type OpenedExtents = Awaited<ReturnType<typeof findEntry>>['extents']

export interface PlainDifference {
  readonly change: 'added' | 'removed' | 'content' | 'metadata' | 'type'
  readonly before: PlainEntry | undefined
  readonly after: PlainEntry | undefined
}

/** In the order of paths; told as they are found. `skip`: so many were told before. */
export const differences: Task<
  { readonly before: string; readonly after: string; readonly limit: number; readonly skip: number },
  { readonly isMore: boolean },
  PlainDifference
> = (place, args, emit) =>
  looking(place, async () => {
    const { op } = place
    const [before, after] = [await openAt(place, args.before), await openAt(place, args.after)]
    let count = 0
    try {
      for await (const { change, before: was, after: is } of comparePoints(op, before, after)) {
        count++
        if (count <= args.skip) continue
        if (count > args.skip + args.limit) return { isMore: true }
        await emit({ change, before: was && plainEntry(was), after: is && plainEntry(is) })
      }
      return { isMore: false }
    } finally {
      before.close()
      after.close()
    }
  })

export interface RestorePlan {
  readonly files: number
  readonly folders: number
  readonly others: number
  readonly bytes: number
  /** What is read from the pool and sent: each chunk once, as it is stored. */
  readonly storedBytes: number
  readonly chunks: number
  /** Chosen paths that the point does not have. */
  readonly absent: readonly string[]
}

/** What a restore of these paths comes to. Nothing of the content is read. */
export const plan: Task<{ readonly pointId: string; readonly paths?: readonly string[] | undefined }, RestorePlan> = (place, args) =>
  looking(place, async () => {
    const { op } = place
    const opened = await openAt(place, args.pointId)
    const total = { files: 0, folders: 0, others: 0, bytes: 0, storedBytes: 0, chunks: 0 }
    const seen = new Set<string>()
    const absent: string[] = []
    const take = (location: ChunkLocation) => {
      total.chunks++
      total.storedBytes += location.record.storedBytes
    }
    try {
      for (const path of args.paths ?? ['']) {
        let found = 0
        for await (const one of opened.tree.within(op, treePath(bytesOf(path)))) {
          op.check()
          found++
          if (one.kind === 'file') {
            total.files++
            total.bytes += one.sizeBytes
            for await (const extent of opened.tree.content(op, one.extents)) {
              if (extent.kind === 'hole') continue
              const key = extent.chunk.toString('latin1')
              if (seen.has(key)) continue
              seen.add(key)
              take(locate(opened.index, extent.chunk))
            }
          } else if (one.kind === 'folder') total.folders++
          else total.others++
        }
        if (found === 0 && path !== '') absent.push(path)
      }
      return { ...total, absent }
    } finally {
      opened.close()
    }
  })
