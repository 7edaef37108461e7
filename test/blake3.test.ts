/** Both ways to BLAKE3 against a third. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { blake3 as noble } from '@noble/hashes/blake3.js'
import { seededRandom } from '../src/base/random.ts'
import { blake3, createBlake3, type Hasher, scriptBlake3 } from '../src/hashing/index.ts'

const CHUNK = 1024
const PIECE = 65_536
const random = seededRandom('hashing/blake3')
const upTo = (most: number) => Buffer.from(random.bytes(4)).readUInt32LE(0) % most
const CONTENT = random.bytes(4_194_304)
const LENGTHS = [
  ...[0, 1, 63, 64, 65, 127, 128, 129],
  ...[1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 17, 31, 63, 64].flatMap((n) => [n * CHUNK - 1, n * CHUNK, n * CHUNK + 1]),
  ...[1, 2, 3, 4, 5, 7, 8].flatMap((n) => [n * PIECE - 1, n * PIECE, n * PIECE + 1, n * PIECE + CHUNK, n * PIECE + 3 * CHUNK + 5]),
  ...Array.from({ length: 60 }, () => upTo(300_000)),
  1_048_576,
  4_194_304,
]

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

function inParts(hasher: Hasher, bytes: Uint8Array, partBytes: () => number): string {
  for (let at = 0; at < bytes.length; ) {
    const part = bytes.subarray(at, at + partBytes())
    // What was handed over may change afterwards.
    const own = part.slice()
    hasher.update(own)
    own.fill(0xff)
    at += part.length
  }
  return hex(hasher.digest())
}

describe('BLAKE3', () => {
  it('has the values of its specification', () => {
    // The test vectors of the specification have input of the bytes 0, 1 … 250, over and over.
    const input = Uint8Array.from({ length: 102_400 }, (_, i) => i % 251)
    const vectors: [number, string][] = [
      [0, 'af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262'],
      [1, '2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213'],
      [1024, '42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7'],
    ]
    for (const [length, value] of vectors) assert.equal(hex(blake3(input.subarray(0, length))), value)
  })

  it('is that of another implementation, for every length', () => {
    for (const length of LENGTHS) {
      const bytes = CONTENT.subarray(0, length)
      assert.equal(hex(blake3(bytes)), hex(noble(bytes)), `${length} bytes`)
      if (length <= 600_000) assert.equal(hex(scriptBlake3(bytes)), hex(noble(bytes)), `${length} bytes without the kernel`)
    }
  })

  it('is the same of bytes that come in parts', () => {
    for (const length of LENGTHS.filter((length) => length <= 600_000)) {
      const bytes = CONTENT.subarray(0, length)
      const whole = hex(blake3(bytes))
      for (const most of [100_000, 2 * PIECE + 1]) {
        const next = () => 1 + upTo(most)
        assert.equal(inParts(createBlake3(), bytes, next), whole, `${length} bytes`)
      }
      assert.equal(
        inParts(createBlake3(), bytes, () => PIECE),
        whole,
        `${length} bytes in pieces`,
      )
    }
  })

  it('of several contents at once keeps them apart', () => {
    const contents = [CONTENT.subarray(0, 200_000), CONTENT.subarray(1000, 201_000), CONTENT.subarray(5, 199_000)]
    const hashers = contents.map(() => createBlake3())
    for (let at = 0; at < 200_000; at += 30_011) {
      for (const [i, content] of contents.entries()) hashers[i]?.update(content.subarray(at, at + 30_011))
    }
    assert.deepEqual(
      hashers.map((hasher) => hex(hasher.digest())),
      contents.map((content) => hex(blake3(content))),
    )
  })
})
