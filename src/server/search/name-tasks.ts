/** What recovery points add to the index of names, as tasks of a thread. */
import { comparePoints, type Entry, openPoint } from '../../archive/index.ts'
import type { Task } from '../pools/task.ts'
import { looking } from '../recovery/look-tasks.ts'

export interface NameChange {
  readonly isAdded: boolean
  readonly entry: { readonly folder: string; readonly name: string; readonly kind: string }
}

/** So that messages are few, and small. */
const AT_ONCE = 1000

export interface NamesOf {
  readonly source: string
  /** Numbers of its points. */
  readonly before?: number | undefined
  readonly point: number
}

/** Names that the point has and the one before had not, and the reverse; without one before, all. */
export const names: Task<NamesOf, void, readonly NameChange[]> = (place, args, emit) =>
  looking(place, async () => {
    const { op, repository } = place
    let changes: NameChange[] = []
    const take = async (isAdded: boolean, entry: Entry) => {
      changes.push({ isAdded, entry: named(entry) })
      if (changes.length < AT_ONCE) return
      await emit(changes)
      changes = []
    }
    const after = await openPoint(op, repository, await repository.pointOf(op, args.source, args.point))
    try {
      if (args.before === undefined) {
        for await (const leaf of after.tree.leaves(op)) for (const entry of leaf) await take(true, entry)
      } else {
        const before = await openPoint(op, repository, await repository.pointOf(op, args.source, args.before), after.index)
        try {
          for await (const { change, before: was, after: is } of comparePoints(op, before, after)) {
            if (change === 'content' || change === 'metadata') continue
            if (was) await take(false, was)
            if (is) await take(true, is)
          }
        } finally {
          before.close()
        }
      }
      if (changes.length > 0) await emit(changes)
    } finally {
      after.close()
    }
  })

/** Of a source, the numbers of its points from one on, rising; those that can not be read are left out. */
export const chain: Task<{ readonly source: string; readonly from: number }, readonly number[]> = async (
  { op, repository },
  { source, from },
) => {
  const { points } = await repository.listPoints(op, source, from)
  return points.map(({ sequence }) => sequence).toSorted((a, b) => a - b)
}

function named({ path, kind }: Entry): NameChange['entry'] {
  const slash = path.lastIndexOf(0x2f)
  return { folder: path.subarray(0, Math.max(0, slash)).toString('utf8'), name: path.subarray(slash + 1).toString('utf8'), kind }
}
