/** A file of the previous tree that is read again: what a lane may count on, and what becomes of its entry. */
import type { Accounts } from '../../platform/index.ts'
import type { Entry } from '../entry.ts'
import { ContentBefore } from './content-before.ts'
import { entryOfFile, isSameFile, isUnchanged } from './entries.ts'
import type { KeptResult, LaneFile, LaneResult } from './lane.ts'
import type { PreviousTree } from './previous.ts'
import type { WalkItem } from './walk.ts'

/** Nothing, if it was no file. */
export async function knownOf(
  item: WalkItem,
  before: Entry | undefined,
  previous: PreviousTree,
  accounts: Accounts,
): Promise<Pick<LaneFile, 'before' | 'found'>> {
  if (before?.kind !== 'file') return {}
  const found = isFoundAgain(item, before, accounts) ? { found: item.stat } : {}
  if (before.extents.every(({ kind }) => kind !== 'list')) return { ...found, before: before.extents }
  const content = new ContentBefore(previous.contentOf(before))
  try {
    return { ...found, before: await content.within({ from: 0, to: item.stat.sizeBytes }) }
  } finally {
    await content.close()
  }
}

/** Then all that its entry says may stand, if its content is as it was. */
function isFoundAgain({ stat, ancestor }: WalkItem, before: Entry, accounts: Accounts): boolean {
  return (
    isUnchanged(before, stat) &&
    before.ancestor === ancestor &&
    before.dev === stat.dev &&
    before.userName === accounts.userName(stat.uid) &&
    before.groupName === accounts.groupName(stat.gid)
  )
}

/** Null when it could not be stored. */
export function entryOfAnswer(
  { item, before }: { readonly item: WalkItem; readonly before: Entry | undefined },
  result: LaneResult | KeptResult,
  accounts: Accounts,
): Entry | null {
  if (!result.isKept) return result.ok ? sameAsBefore(before, entryOfFile(item, result, accounts)) : null
  const was = before as Entry // without one, nothing is kept
  if (result.extents === was.extents) return was
  return sameAsBefore(was, { ...was, extents: result.extents, sparse: result.extents.some(({ kind }) => kind === 'hole') })
}

/** The very entry before, if nothing differs: then its page may stay. */
export function sameAsBefore(before: Entry | undefined, entry: Entry): Entry {
  return before && isSameFile(before, entry) ? before : entry
}
