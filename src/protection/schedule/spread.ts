/** Where in a window a run begins, so that a thousand sources with one schedule don't all begin at once. Always the same for the same id. */
export function spreadMs(id: string, windowMs: number): number {
  if (windowMs <= 0) return 0
  // FNV-1a, finished by the mixing steps of MurmurHash3, which spread ids that differ only at their end.
  let hash = 0x811c9dc5
  for (let i = 0; i < id.length; i++) hash = Math.imul(hash ^ id.charCodeAt(i), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  hash = (hash ^ (hash >>> 16)) >>> 0
  return Math.floor((hash / 2 ** 32) * windowMs)
}
