/** Medians, because machines have neighbours: one disturbed run must not move a figure. */

export function median(numbers: readonly number[]): number {
  if (numbers.length === 0) return Number.NaN
  const sorted = [...numbers].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] as number
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] as number) + upper) / 2
}

/** Of each pair's ratio, not the ratio of two medians: what slowed the machine down slowed both halves of a pair. */
export function medianRatio(pairs: readonly (readonly [number, number])[]): number {
  return median(pairs.map(([ours, theirs]) => ours / theirs))
}

/** Half of the distance between the quartiles, as a share of the median: how far to trust it. */
export function spread(numbers: readonly number[]): number {
  if (numbers.length < 3) return Number.NaN
  const sorted = [...numbers].sort((a, b) => a - b)
  const at = (share: number) => sorted[Math.round(share * (sorted.length - 1))] as number
  return (at(0.75) - at(0.25)) / 2 / median(numbers)
}
