/**
 * AssemblyScript: rules for cutting that were measured and not taken (docs/adr/0009-cutting-kernel.md). Each finds the first position from `from` on
 * and before `to` that ends a chunk, or 0.
 */

/** The gear hash in 64 bits: so the last 64 bytes decide. `key` are 256 u64. */
export function gear64(key: usize, start: usize, from: usize, to: usize, zeroBits: u32): usize {
  const mask: u64 = ~(~(0 as u64) >> (zeroBits as u64))
  let hash: u64 = 0
  let at = start
  for (const warm = from - 1; at < warm; at++) hash = (hash << 1) + load<u64>(key + ((load<u8>(at) as usize) << 3))
  for (const last = to - 1; at < last; at++) {
    hash = (hash << 1) + load<u64>(key + ((load<u8>(at) as usize) << 3))
    if ((hash & mask) === 0) return at + 1
  }
  return 0
}

const LANE: usize = 1024

/** gear32 at four places at once, for the processor's sake: the same cuts as gear32. `key` are 256 u32. */
export function gear32Lanes(key: usize, from: usize, to: usize, zeroBits: u32): usize {
  const below: u32 = (1 as u32) << (32 - zeroBits)
  let at = from - 1
  for (; at + 4 * LANE < to; at += 4 * LANE) {
    let a: u32 = 0
    let b: u32 = 0
    let c: u32 = 0
    let d: u32 = 0
    let found: usize = 0
    for (let i = at - 31; i < at + LANE; i++) {
      a = (a << 1) + load<u32>(key + ((load<u8>(i) as usize) << 2))
      b = (b << 1) + load<u32>(key + ((load<u8>(i, LANE) as usize) << 2))
      c = (c << 1) + load<u32>(key + ((load<u8>(i, 2 * LANE) as usize) << 2))
      d = (d << 1) + load<u32>(key + ((load<u8>(i, 3 * LANE) as usize) << 2))
      if (i < at || min(min(a, b), min(c, d)) >= below) continue
      if (a < below) return i + 1
      const lane = b < below ? 1 : c < below ? 2 : 3
      const position = i + 1 + (lane as usize) * LANE
      if (found === 0 || position < found) found = position
    }
    if (found !== 0) return found
  }
  return one(key, at - 31, at + 1, to, below)
}

function one(key: usize, start: usize, from: usize, to: usize, below: u32): usize {
  let hash: u32 = 0
  let at = start
  for (const warm = from - 1; at < warm; at++) hash = (hash << 1) + load<u32>(key + ((load<u8>(at) as usize) << 2))
  for (const last = to - 1; at < last; at++) {
    hash = (hash << 1) + load<u32>(key + ((load<u8>(at) as usize) << 2))
    if (hash < below) return at + 1
  }
  return 0
}

/**
 * Asymmetric extremum (AE) of a keyed hash of four bytes, with SIMD: a chunk ends `window` bytes after a position that nothing since has exceeded.
 * `key` is one odd u32.
 */
export function extremum(key: usize, from: usize, to: usize, window: usize): usize {
  const factor = load<u32>(key)
  const factors = i32x4.splat(factor as i32)
  let greatest: u32 = 0
  let greatestAt = from
  let all = i32x4.splat(0)
  for (let at = from; at < to; at += 16) {
    if (at >= greatestAt + window) return greatestAt + window
    const first = i32x4.max_u(i32x4.mul(v128.load(at - 4), factors), i32x4.mul(v128.load(at - 3), factors))
    const second = i32x4.max_u(i32x4.mul(v128.load(at - 2), factors), i32x4.mul(v128.load(at - 1), factors))
    if (!v128.any_true(i32x4.gt_u(i32x4.max_u(first, second), all))) continue
    for (let position = at; position < at + 16; position++) {
      const hash = load<u32>(position - 4) * factor
      if (hash <= greatest) continue
      greatest = hash
      greatestAt = position
    }
    all = i32x4.splat(greatest as i32)
  }
  return 0
}
