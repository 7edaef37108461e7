/** Every way to BLAKE3 against an implementation that is not ours. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { blake3 as noble } from '@noble/hashes/blake3.js'
import { seededRandom } from '../src/base/random.ts'
import { type Blake3Way, blake3, blake3By, blake3Way, createBlake3, type Hasher } from '../src/hashing/index.ts'

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

const WAYS: readonly Blake3Way[] = ['native', 'kernel', 'script']
/** The script is slow. */
const lengthsFor = (way: Blake3Way) => (way === 'script' ? LENGTHS.filter((length) => length <= 600_000) : LENGTHS)

for (const way of WAYS) {
  const by = blake3By(way)
  describe(`BLAKE3, ${way}`, { skip: by ? false : 'this machine has no such way' }, () => {
    it('has the values of its specification', () => {
      // The test vectors of the specification have input of the bytes 0, 1 … 250, over and over.
      const input = Uint8Array.from({ length: 102_400 }, (_, i) => i % 251)
      const vectors: [number, string][] = [
        [0, 'af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262'],
        [1, '2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213'],
        [1024, '42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7'],
      ]
      for (const [length, value] of vectors) assert.equal(hex(present(by).hash(input.subarray(0, length))), value)
    })

    it('is that of another implementation, for every length', () => {
      for (const length of lengthsFor(way)) {
        const bytes = CONTENT.subarray(0, length)
        assert.equal(hex(present(by).hash(bytes)), hex(noble(bytes)), `${length} bytes`)
      }
    })

    it('is the same of bytes that come in parts', () => {
      for (const length of LENGTHS.filter((length) => length <= 600_000)) {
        const bytes = CONTENT.subarray(0, length)
        const whole = hex(blake3(bytes))
        const most = [100_000, 2 * PIECE + 1]
        for (const parts of [...most.map((most) => () => 1 + upTo(most)), () => PIECE]) {
          assert.equal(inParts(present(by).create(), bytes, parts), whole, `${length} bytes`)
        }
      }
    })

    it('of shared memory is the same', () => {
      const shared = new Uint8Array(new SharedArrayBuffer(300_000)).subarray(7, 200_007)
      shared.set(CONTENT.subarray(0, shared.length))
      assert.equal(hex(present(by).hash(shared)), hex(noble(CONTENT.subarray(0, shared.length))))
      assert.equal(
        inParts(present(by).create(), shared, () => 30_011),
        hex(noble(CONTENT.subarray(0, shared.length))),
      )
    })

    it('of several contents at once keeps them apart', () => {
      const contents = [CONTENT.subarray(0, 200_000), CONTENT.subarray(1000, 201_000), CONTENT.subarray(5, 199_000)]
      const hashers = contents.map(() => present(by).create())
      for (let at = 0; at < 200_000; at += 30_011) {
        for (const [i, content] of contents.entries()) hashers[i]?.update(content.subarray(at, at + 30_011))
      }
      assert.deepEqual(
        hashers.map((hasher) => hex(hasher.digest())),
        contents.map((content) => hex(noble(content))),
      )
    })
  })
}

it('BLAKE3 goes the first way that the machine has', () => {
  assert.equal(
    blake3Way(),
    WAYS.find((way) => blake3By(way)),
  )
  assert.equal(hex(createBlake3().digest()), hex(blake3(new Uint8Array(0))))
})

function present<T>(value: T | undefined): T {
  assert.ok(value !== undefined)
  return value
}
