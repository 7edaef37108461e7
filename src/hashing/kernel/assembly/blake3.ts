/**
 * AssemblyScript: BLAKE3 (the plain hash) with SIMD. Always four inputs side by side, one in each lane of a vector: four chunks of 1 KiB, or four
 * parents. Where there are fewer, the other lanes compute what nobody reads.
 *
 * "Chunk", "parent", "chaining value" are the words of BLAKE3's specification here; its chunks are not those of docs/glossary.md.
 */

/** The input of `hashPiece`: 65536 bytes, and what idle lanes read behind them. */
export const PIECE: usize = 16384
/** Chaining values of 32 bytes: of a piece's 64 chunks, and what idle lanes write behind them. */
export const VALUES: usize = 8192
/** Sixteen vectors: the words of four blocks. */
const BLOCK: usize = 4096

const CHUNK_BYTES: usize = 1024
const BLOCK_BYTES: usize = 64
const VALUE_BYTES: usize = 32

const CHUNK_START: u32 = 1
const CHUNK_END: u32 = 2
const PARENT: u32 = 4
const ROOT: u32 = 8

/** For each round, where the word of the message lies that each step takes: sixteen times its number. */
// biome-ignore format: a row for each round
const SCHEDULE = memory.data<u8>([
  0, 16, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240,
  32, 96, 48, 160, 112, 0, 64, 208, 16, 176, 192, 80, 144, 224, 240, 128,
  48, 64, 160, 192, 208, 32, 112, 224, 96, 80, 144, 0, 176, 240, 128, 16,
  160, 112, 192, 144, 224, 48, 208, 240, 64, 0, 176, 32, 80, 128, 16, 96,
  192, 208, 144, 176, 240, 160, 224, 128, 112, 32, 80, 48, 0, 16, 96, 64,
  144, 224, 176, 80, 128, 192, 240, 16, 208, 48, 0, 160, 32, 96, 64, 112,
  176, 240, 80, 0, 16, 144, 128, 96, 224, 160, 32, 192, 48, 64, 112, 208,
])

/**
 * The chaining value of the first `bytes` bytes at PIECE, the piece of that number, is then at VALUES. All pieces but the last have 65536 bytes.
 * `isRoot` when it is the only one: the value is then the hash.
 */
export function hashPiece(bytes: usize, piece: u32, isRoot: bool): void {
  const whole = bytes / CHUNK_BYTES
  const counter = (piece as u64) << 6
  const end: u32 = isRoot && bytes <= CHUNK_BYTES ? CHUNK_END | ROOT : CHUNK_END
  let count: usize = 0
  for (; count < whole; count += 4) {
    hashFour(PIECE + count * CHUNK_BYTES, CHUNK_BYTES, CHUNK_BYTES, counter + count, CHUNK_START, end, VALUES + count * VALUE_BYTES)
  }
  count = whole
  const rest = bytes % CHUNK_BYTES
  if (rest !== 0 || bytes === 0) {
    const at = PIECE + whole * CHUNK_BYTES
    memory.fill(at + rest, 0, BLOCK_BYTES)
    hashFour(at, 0, rest, counter + whole, CHUNK_START, end, VALUES + whole * VALUE_BYTES)
    count++
  }
  hashValues(count, isRoot)
}

/** The chaining value of the tree over `count` values at VALUES takes the place of the first: level by level, an odd one left as it is. */
export function hashValues(count: usize, isRoot: bool): void {
  while (count > 1) {
    const parents = count >> 1
    const last: u32 = isRoot && count === 2 ? ROOT : 0
    const odd = VALUES + (count - 1) * VALUE_BYTES
    const odd0 = v128.load(odd)
    const odd1 = v128.load(odd, 16)
    for (let i: usize = 0; i < parents; i += 4) {
      hashFour(VALUES + i * BLOCK_BYTES, BLOCK_BYTES, BLOCK_BYTES, 0, PARENT, last, VALUES + i * VALUE_BYTES)
    }
    if ((count & 1) !== 0) {
      v128.store(VALUES + parents * VALUE_BYTES, odd0)
      v128.store(VALUES + parents * VALUE_BYTES, odd1, 16)
    }
    count -= parents
  }
}

/**
 * Four inputs of `bytes` bytes each, the first at `at`, the others `stride` apart; `counter` is that of the first chunk. `first` and `last` are the
 * flags of their first and last block. The values are written at `values`, after everything has been read.
 */
function hashFour(at: usize, stride: usize, bytes: usize, counter: u64, first: u32, last: u32, values: usize): void {
  // The lower half never carries: the first of four chunks has a number that four divides.
  const low = i32x4.add(i32x4.splat(counter as i32), first === PARENT ? i32x4(0, 0, 0, 0) : i32x4(0, 1, 2, 3))
  const high = i32x4.splat((counter >> 32) as i32)
  let h0 = i32x4.splat(0x6a09e667)
  let h1 = i32x4.splat(0xbb67ae85)
  let h2 = i32x4.splat(0x3c6ef372)
  let h3 = i32x4.splat(0xa54ff53a)
  let h4 = i32x4.splat(0x510e527f)
  let h5 = i32x4.splat(0x9b05688c)
  let h6 = i32x4.splat(0x1f83d9ab)
  let h7 = i32x4.splat(0x5be0cd19)
  for (let flags = first; ; flags = 0) {
    const isLast = bytes <= BLOCK_BYTES
    if (isLast) flags |= last
    for (let word: usize = 0; word < BLOCK_BYTES; word += 16) {
      const from = at + word
      transpose(v128.load(from), v128.load(from + stride), v128.load(from + 2 * stride), v128.load(from + 3 * stride), BLOCK + 4 * word, 16)
    }
    let v0 = h0
    let v1 = h1
    let v2 = h2
    let v3 = h3
    let v4 = h4
    let v5 = h5
    let v6 = h6
    let v7 = h7
    let v8 = i32x4.splat(0x6a09e667)
    let v9 = i32x4.splat(0xbb67ae85)
    let v10 = i32x4.splat(0x3c6ef372)
    let v11 = i32x4.splat(0xa54ff53a)
    let v12 = low
    let v13 = high
    let v14 = i32x4.splat((isLast ? bytes : BLOCK_BYTES) as i32)
    let v15 = i32x4.splat(flags as i32)
    for (let row = SCHEDULE; row < SCHEDULE + 7 * 16; row += 16) {
      // Columns.
      v0 = i32x4.add(i32x4.add(v0, word(load<u8>(row, 0))), v4)
      v1 = i32x4.add(i32x4.add(v1, word(load<u8>(row, 2))), v5)
      v2 = i32x4.add(i32x4.add(v2, word(load<u8>(row, 4))), v6)
      v3 = i32x4.add(i32x4.add(v3, word(load<u8>(row, 6))), v7)
      v12 = turn16(v128.xor(v12, v0))
      v13 = turn16(v128.xor(v13, v1))
      v14 = turn16(v128.xor(v14, v2))
      v15 = turn16(v128.xor(v15, v3))
      v8 = i32x4.add(v8, v12)
      v9 = i32x4.add(v9, v13)
      v10 = i32x4.add(v10, v14)
      v11 = i32x4.add(v11, v15)
      v4 = turn12(v128.xor(v4, v8))
      v5 = turn12(v128.xor(v5, v9))
      v6 = turn12(v128.xor(v6, v10))
      v7 = turn12(v128.xor(v7, v11))
      v0 = i32x4.add(i32x4.add(v0, word(load<u8>(row, 1))), v4)
      v1 = i32x4.add(i32x4.add(v1, word(load<u8>(row, 3))), v5)
      v2 = i32x4.add(i32x4.add(v2, word(load<u8>(row, 5))), v6)
      v3 = i32x4.add(i32x4.add(v3, word(load<u8>(row, 7))), v7)
      v12 = turn8(v128.xor(v12, v0))
      v13 = turn8(v128.xor(v13, v1))
      v14 = turn8(v128.xor(v14, v2))
      v15 = turn8(v128.xor(v15, v3))
      v8 = i32x4.add(v8, v12)
      v9 = i32x4.add(v9, v13)
      v10 = i32x4.add(v10, v14)
      v11 = i32x4.add(v11, v15)
      v4 = turn7(v128.xor(v4, v8))
      v5 = turn7(v128.xor(v5, v9))
      v6 = turn7(v128.xor(v6, v10))
      v7 = turn7(v128.xor(v7, v11))
      // Diagonals.
      v0 = i32x4.add(i32x4.add(v0, word(load<u8>(row, 8))), v5)
      v1 = i32x4.add(i32x4.add(v1, word(load<u8>(row, 10))), v6)
      v2 = i32x4.add(i32x4.add(v2, word(load<u8>(row, 12))), v7)
      v3 = i32x4.add(i32x4.add(v3, word(load<u8>(row, 14))), v4)
      v15 = turn16(v128.xor(v15, v0))
      v12 = turn16(v128.xor(v12, v1))
      v13 = turn16(v128.xor(v13, v2))
      v14 = turn16(v128.xor(v14, v3))
      v10 = i32x4.add(v10, v15)
      v11 = i32x4.add(v11, v12)
      v8 = i32x4.add(v8, v13)
      v9 = i32x4.add(v9, v14)
      v5 = turn12(v128.xor(v5, v10))
      v6 = turn12(v128.xor(v6, v11))
      v7 = turn12(v128.xor(v7, v8))
      v4 = turn12(v128.xor(v4, v9))
      v0 = i32x4.add(i32x4.add(v0, word(load<u8>(row, 9))), v5)
      v1 = i32x4.add(i32x4.add(v1, word(load<u8>(row, 11))), v6)
      v2 = i32x4.add(i32x4.add(v2, word(load<u8>(row, 13))), v7)
      v3 = i32x4.add(i32x4.add(v3, word(load<u8>(row, 15))), v4)
      v15 = turn8(v128.xor(v15, v0))
      v12 = turn8(v128.xor(v12, v1))
      v13 = turn8(v128.xor(v13, v2))
      v14 = turn8(v128.xor(v14, v3))
      v10 = i32x4.add(v10, v15)
      v11 = i32x4.add(v11, v12)
      v8 = i32x4.add(v8, v13)
      v9 = i32x4.add(v9, v14)
      v5 = turn7(v128.xor(v5, v10))
      v6 = turn7(v128.xor(v6, v11))
      v7 = turn7(v128.xor(v7, v8))
      v4 = turn7(v128.xor(v4, v9))
    }
    h0 = v128.xor(v0, v8)
    h1 = v128.xor(v1, v9)
    h2 = v128.xor(v2, v10)
    h3 = v128.xor(v3, v11)
    h4 = v128.xor(v4, v12)
    h5 = v128.xor(v5, v13)
    h6 = v128.xor(v6, v14)
    h7 = v128.xor(v7, v15)
    if (isLast) break
    bytes -= BLOCK_BYTES
    at += BLOCK_BYTES
  }
  transpose(h0, h1, h2, h3, values, VALUE_BYTES)
  transpose(h4, h5, h6, h7, values + 16, VALUE_BYTES)
}

/** Word n of each of the four vectors makes the vector at `to + n * stride`. */
function transpose(a: v128, b: v128, c: v128, d: v128, to: usize, stride: usize): void {
  const ab01 = i32x4.shuffle(a, b, 0, 4, 1, 5)
  const ab23 = i32x4.shuffle(a, b, 2, 6, 3, 7)
  const cd01 = i32x4.shuffle(c, d, 0, 4, 1, 5)
  const cd23 = i32x4.shuffle(c, d, 2, 6, 3, 7)
  v128.store(to, i64x2.shuffle(ab01, cd01, 0, 2))
  v128.store(to + stride, i64x2.shuffle(ab01, cd01, 1, 3))
  v128.store(to + 2 * stride, i64x2.shuffle(ab23, cd23, 0, 2))
  v128.store(to + 3 * stride, i64x2.shuffle(ab23, cd23, 1, 3))
}

/** A word of the message, by its place in the block of vectors. */
function word(offset: usize): v128 {
  return v128.load(offset, BLOCK)
}

function turn16(x: v128): v128 {
  return i8x16.shuffle(x, x, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13)
}

function turn12(x: v128): v128 {
  return v128.or(i32x4.shr_u(x, 12), i32x4.shl(x, 20))
}

function turn8(x: v128): v128 {
  return i8x16.shuffle(x, x, 1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12)
}

function turn7(x: v128): v128 {
  return v128.or(i32x4.shr_u(x, 7), i32x4.shl(x, 25))
}
