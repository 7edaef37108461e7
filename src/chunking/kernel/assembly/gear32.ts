/** AssemblyScript: the search of the `gear32` rule (docs/format.md §7), one byte after the other. Its twin is src/chunking/gear32.ts. */

/**
 * The first position from `from` on and before `to` that ends a chunk, 0 if there is none. The hash starts at `start`; `key` are the 256 u32.
 * The upper bits of a hash are zero exactly when it is below `below`.
 */
export function gear32(key: usize, start: usize, from: usize, to: usize, below: u32): usize {
  let hash: u32 = 0
  let at = start
  for (const warm = from - 1; at < warm; at++) hash = (hash << 1) + load<u32>(key + ((load<u8>(at) as usize) << 2))
  for (const last = to - 1; at < last; at++) {
    hash = (hash << 1) + load<u32>(key + ((load<u8>(at) as usize) << 2))
    if (hash < below) return at + 1
  }
  return 0
}
