/** Which segments become one. Pure. Few segments make look-ups quick; merging small ones with small ones makes little work of it. */
import { segmentName } from './segment.ts'

/** With more than this, some are merged … */
export const MOST_SEGMENTS = 8
/** … until so many are left, the new one not counted. */
const LEFT_ALONE = 4
/** A look-up costs the same in a larger one; but its table of packs is held in memory: 75 MB at this size and 32 chunks a pack. */
export const MOST_MERGED_RECORDS = 67_108_864
/** A record numbers its pack in three bytes. */
export const MOST_PACKS = 2 ** 24

export interface SegmentSize {
  readonly name: string
  readonly records: number
  readonly packs: number
  /** Hashes of the segments that it replaced. */
  readonly inputs: readonly string[]
}

/** Names; none where there is nothing to do. */
export function planMerge(segments: readonly SegmentSize[]): string[] {
  const leftOver = leftOverOf(segments)
  if (leftOver.length > 0) {
    const replaced = new Set(segments.flatMap(({ inputs }) => inputs.map(segmentName)))
    // What was replaced is in what replaces it, and adds nothing.
    const counted = segments.map((segment) => (replaced.has(segment.name) ? { ...segment, records: 0, packs: 0 } : segment))
    return fitting(counted.filter(({ name }) => leftOver.includes(name)))
  }
  if (segments.length <= MOST_SEGMENTS) return []
  const rising = segments.toSorted((a, b) => a.records - b.records || (a.name < b.name ? -1 : 1))
  return fitting(rising.slice(0, segments.length - LEFT_ALONE))
}

/** A crash between publishing a merged segment and removing what it replaces leaves both: they are merged once more, which compares them again. */
function leftOverOf(segments: readonly SegmentSize[]): string[] {
  const names = new Set(segments.map(({ name }) => name))
  const found = new Set<string>()
  for (const { name, inputs } of segments) {
    for (const input of inputs.map(segmentName)) {
      if (!names.has(input)) continue
      found.add(input)
      found.add(name)
    }
  }
  return [...found]
}

/** As many of the first as one segment can hold; a merge of one is none. */
function fitting(segments: readonly SegmentSize[]): string[] {
  const chosen: string[] = []
  let records = 0
  let packs = 0
  for (const segment of segments) {
    records += segment.records
    packs += segment.packs
    if (records > MOST_MERGED_RECORDS || packs >= MOST_PACKS) break
    chosen.push(segment.name)
  }
  return chosen.length > 1 ? chosen : []
}
