/**
 * AssemblyScript: the search of the `sieve` rule (docs/format.md §7) with SIMD. src/chunking/sieve.ts says the same in plain TypeScript, and a
 * property test holds both equal.
 *
 * A position is the address before which a chunk would end. Up to 31 bytes behind `to` are read, and not looked at.
 */

/** Bytes that decide about a position. */
const WINDOW: usize = 32

/**
 * The first position from `from` on and before `to` that ends a chunk, 0 if there is none. At `key`: the four words with which SipHash starts
 * (its key is in them), then u16: two factors of the sum, three more that set what is 4, 8 and 16 bytes older apart, and its summand. `sumMask` is
 * of the sum's upper bits, `hashMask` of the hash's lower ones.
 *
 * A vector has eight positions, two bytes apart: of even and of odd addresses in turn. The sum of 32 bytes grows out of sums of 4, 8 and 16 that are
 * carried from one vector to the next, and so begins a window earlier with zeros, where no sum is looked at.
 */
export function sieve(key: usize, from: usize, to: usize, sumMask: u32, hashMask: u32): usize {
  const k0 = v128.load16_splat(key, 32)
  const k1 = v128.load16_splat(key, 34)
  const c4 = v128.load16_splat(key, 36)
  const c8 = v128.load16_splat(key, 38)
  const c16 = v128.load16_splat(key, 40)
  const plus = v128.load16_splat(key, 42)
  const mask = i16x8.splat(sumMask as i16)
  let even4 = i16x8.splat(0)
  let even8 = even4
  let even16 = even4
  let odd4 = even4
  let odd8 = even4
  let odd16 = even4
  let rejected: usize = 0
  for (let at = from - WINDOW; at < to; at += 32) {
    let first4 = sum4(at - 4, k0, k1)
    let first8 = sum8(even4, first4, c4)
    let first16 = sum16(even8, first8, c8)
    const even = sum32(even16, first16, c16, plus)
    even4 = sum4(at + 12, k0, k1)
    even8 = sum8(first4, even4, c4)
    even16 = sum16(first8, even8, c8)
    const evenLater = sum32(first16, even16, c16, plus)
    first4 = sum4(at - 3, k0, k1)
    first8 = sum8(odd4, first4, c4)
    first16 = sum16(odd8, first8, c8)
    const odd = sum32(odd16, first16, c16, plus)
    odd4 = sum4(at + 13, k0, k1)
    odd8 = sum8(first4, odd4, c4)
    odd16 = sum16(first8, odd8, c8)
    const oddLater = sum32(first16, odd16, c16, plus)
    // Upper bits are zero in one of the numbers exactly when they are in the least of them.
    const least = i16x8.min_u(i16x8.min_u(even, odd), i16x8.min_u(evenLater, oddLater))
    if (i16x8.all_true(v128.and(least, mask)) || at < from) continue
    let evens = zeros(even, mask) | (zeros(evenLater, mask) << 8)
    let odds = zeros(odd, mask) | (zeros(oddLater, mask) << 8)
    while ((evens | odds) !== 0) {
      const nextEven = ctz(evens) << 1
      const nextOdd = (ctz(odds) << 1) + 1
      if (nextEven < nextOdd) evens &= evens - 1
      else odds &= odds - 1
      const position = at + (min(nextEven, nextOdd) as usize)
      if (position >= to) return 0
      // What repeats in a short period gets through again and again, and all alike: one hash will do.
      if (rejected !== 0 && isSame(position - WINDOW, rejected - WINDOW)) continue
      if (((sipHash(key, position - WINDOW) as u32) & hashMask) === 0) return position
      rejected = position
    }
  }
  return 0
}

/** The sums of eight times 4 bytes, the first of which begin at `at`. */
function sum4(at: usize, k0: v128, k1: v128): v128 {
  return i16x8.add(i16x8.mul(v128.load(at), k0), i16x8.mul(v128.load(at, 2), k1))
}

/** Adds what is 4 bytes, that is two lanes, older. */
function sum8(before: v128, now: v128, factor: v128): v128 {
  const older = i8x16.shuffle(before, now, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27)
  return i16x8.add(now, i16x8.mul(older, factor))
}

/** Adds what is 8 bytes, that is four lanes, older. */
function sum16(before: v128, now: v128, factor: v128): v128 {
  const older = i8x16.shuffle(before, now, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23)
  return i16x8.add(now, i16x8.mul(older, factor))
}

/** Adds what is 16 bytes, that is a whole vector, older, and the summand. */
function sum32(before: v128, now: v128, factor: v128, plus: v128): v128 {
  return i16x8.add(i16x8.add(now, plus), i16x8.mul(before, factor))
}

function isSame(window: usize, other: usize): bool {
  const first = v128.xor(v128.load(window), v128.load(other))
  const second = v128.xor(v128.load(window, 16), v128.load(other, 16))
  return !v128.any_true(v128.or(first, second))
}

/** One bit for each of the eight numbers: set where all bits of the mask are zero. */
function zeros(numbers: v128, mask: v128): u32 {
  return i16x8.bitmask(i16x8.eq(v128.and(numbers, mask), i16x8.splat(0))) as u32
}

/** SipHash-2-4 of the window at `at`. */
function sipHash(key: usize, at: usize): u64 {
  let v0 = load<u64>(key)
  let v1 = load<u64>(key, 8)
  let v2 = load<u64>(key, 16)
  let v3 = load<u64>(key, 24)
  for (let offset: usize = 0; offset <= 48; offset += 8) {
    // Four words of content; one that says the length; two turns of two rounds that finish.
    let word: u64 = 0
    if (offset < WINDOW) word = load<u64>(at + offset)
    else if (offset === WINDOW) word = (WINDOW as u64) << 56
    else if (offset === WINDOW + 8) v2 ^= 0xff
    v3 ^= word
    for (let round = 0; round < 2; round++) {
      v0 += v1
      v1 = rotl<u64>(v1, 13) ^ v0
      v0 = rotl<u64>(v0, 32)
      v2 += v3
      v3 = rotl<u64>(v3, 16) ^ v2
      v0 += v3
      v3 = rotl<u64>(v3, 21) ^ v0
      v2 += v1
      v1 = rotl<u64>(v1, 17) ^ v2
      v2 = rotl<u64>(v2, 32)
    }
    v0 ^= word
  }
  return v0 ^ v1 ^ v2 ^ v3
}
