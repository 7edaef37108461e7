import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { noise } from '../../../test/support/pool.ts'
import { zstd } from '../../platform/index.ts'
import { Compressor, decompress, decompressInto } from './compression.ts'
import { COMPRESSION } from './pack-format.ts'

const MIB = 1_048_576

/** Lines of made-up words, some more frequent than others. */
function text(length: number): Buffer {
  const draws = noise('words', length)
  const words = Array.from({ length: 400 }, (_, i) => noise(`word ${i}`, 3 + (i % 8)).map((byte) => 97 + (byte % 26)))
  const parts: Uint8Array[] = []
  for (let i = 0; i * 4 < length; i++) {
    const pick = ((draws[i] as number) * (draws[length - 1 - i] as number)) >> 7
    parts.push(words[pick % words.length] as Uint8Array, Buffer.from((draws[i] as number) % 9 === 0 ? '\n' : ' '))
  }
  return Buffer.concat(parts, length)
}

test('what comes back is what went in, whatever it looks like and whatever came before', () => {
  const compressor = new Compressor()
  for (const content of [
    Buffer.alloc(0),
    Buffer.from('x'),
    noise('short', 63),
    text(300),
    noise('random', MIB),
    text(2 * MIB),
    Buffer.alloc(3 * MIB),
    noise('random again', 200_000),
    text(131_073),
  ]) {
    const { compression, stored } = compressor.compress(content)
    const back = compression === COMPRESSION.none ? Buffer.from(stored) : decompress(stored, content.length)
    assert.ok(back?.equals(content), `${content.length} bytes`)
  }
})

test('random content is stored as it is, without a copy; content that repeats far apart is found all the same', () => {
  const compressor = new Compressor()
  const random = noise('random', MIB)
  assert.deepEqual({ ...compressor.compress(random), stored: undefined }, { compression: COMPRESSION.none, stored: undefined })
  assert.equal(compressor.compress(random).stored, random)
  const again = Buffer.concat([noise('part', MIB / 8), noise('part', MIB / 8), noise('rest', MIB / 4)])
  const { compression, stored } = compressor.compress(again)
  assert.equal(compression, COMPRESSION.zstd)
  assert.ok(stored.length < again.length * 0.8)
})

test('text is compressed better than the fastest way would', () => {
  const content = text(MIB)
  const into = Buffer.alloc(MIB)
  const fast = zstd.compress(into, content, { level: 1 })
  assert.ok(new Compressor().compress(content).stored.length < fast)
})

test('a frame of another length than was said is refused', () => {
  const content = text(MIB)
  const { stored } = new Compressor().compress(content)
  const into = Buffer.alloc(2 * MIB)
  assert.equal(decompressInto(into, stored, MIB), true)
  assert.equal(decompressInto(into, stored, MIB - 1), false)
  assert.equal(decompressInto(into, stored, MIB + 1), false)
  assert.equal(decompressInto(into.subarray(0, 1000), stored, MIB), false)
  assert.equal(decompress(stored.subarray(1), MIB), undefined)
})

test('towards a narrow line the same comes back of fewer bytes', () => {
  const [usual, hard] = [new Compressor(), new Compressor({ isHard: true })]
  const program = readFileSync(process.execPath).subarray(40 * MIB, 44 * MIB)
  for (const content of [text(3 * MIB), program]) {
    const before = usual.compress(content).stored.length
    const { compression, stored } = hard.compress(content)
    assert.equal(compression, COMPRESSION.zstd)
    assert.ok(stored.length < before, `${stored.length} and ${before} bytes of ${content.length}`)
    assert.ok(decompress(stored, content.length)?.equals(content))
  }
  assert.equal(hard.compress(noise('random', MIB)).compression, COMPRESSION.none)
})
