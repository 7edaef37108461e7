/** Which copies of a configuration are kept: the last few, so that one that is damaged is not the only one, and the last of each day of two weeks, for mistakes that are noticed late. */
const NEWEST = 10
const DAYS = 14

/** Ids of those that go. */
export function surplusOf(points: readonly { readonly id: string; readonly finished: string }[]): string[] {
  const newestFirst = points.toSorted((a, b) => (a.finished < b.finished ? 1 : a.finished > b.finished ? -1 : 0))
  const days = new Set<string>()
  return newestFirst.flatMap(({ id, finished }, n) => {
    const day = finished.slice(0, 10)
    const isLastOfDay = !days.has(day)
    days.add(day)
    return n < NEWEST || (isLastOfDay && days.size <= DAYS) ? [] : [id]
  })
}
