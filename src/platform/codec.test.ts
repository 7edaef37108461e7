import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import { runs } from '../../test/support/pool.ts'
import { seededRandom } from '../base/random.ts'
import { type Codec, symbolCodec, type ZstdSettings, zlibCodec, zstd } from './codec.ts'
import { bindZstd } from './posix.ts'

const symbols = bindZstd()
const codecs: [string, Codec | undefined][] = [
  ['by symbols', symbols && symbolCodec(symbols)],
  ['by zlib', zlibCodec],
]

const fast: ZstdSettings = { level: 1 }
const settings: ZstdSettings[] = [
  { level: -1 },
  fast,
  { level: 3 },
  { level: 1, windowLog: 22, hashLog: 15, minMatch: 7, codesLiterals: true },
  { level: 1, windowLog: 22, minMatch: 6, targetLength: 2, codesLiterals: false },
]

test('the pinned Node exports what is asked of it', () => {
  assert.ok(symbols)
})

for (const [name, codec] of codecs) {
  const skip = codec ? false : 'this Node exports no zstd'
  const { compress, decompress } = codec ?? zlibCodec

  test(`${name}: what was compressed decompresses to itself, and through the other too`, { skip }, () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 70_000 }),
        fc.constantFrom(0xff, 0x0f, 0),
        fc.constantFrom(...settings),
        (length, mask, how) => {
          const content = seededRandom(`${length}`)
            .bytes(length)
            .map((byte) => byte & mask)
          const packed = new Uint8Array(length + 1000)
          const size = compress(packed, content, how)
          assert.ok(size > 0)
          for (const back of [decompress, zlibCodec.decompress]) {
            const into = new Uint8Array(length)
            assert.equal(back(into, packed.subarray(0, size)), length)
            assert.ok(Buffer.from(into).equals(content))
          }
        },
      ),
      runs(100),
    )
  })

  test(`${name}: no room, damage and strange bytes are -1, and nothing is written beyond the room`, { skip }, () => {
    const content = seededRandom('content').bytes(50_000)
    const small = new Uint8Array(2000)
    assert.equal(compress(small.subarray(0, 1000), content, fast), -1)
    assert.ok(small.subarray(1000).every((byte) => byte === 0))
    const frame = zstdCompressSync(Buffer.alloc(10_000, 'frame '))
    assert.equal(decompress(small.subarray(0, 1000), frame), -1)
    assert.ok(small.subarray(1000).every((byte) => byte === 0))
    const room = new Uint8Array(10_000)
    assert.equal(decompress(room, frame), 10_000)
    for (let at = 0; at < 5; at++) {
      const damaged = Buffer.from(frame)
      damaged[at] = (damaged[at] as number) ^ 0xff
      const got = decompress(room, damaged)
      assert.ok(got === -1 || !Buffer.from(room.subarray(0, got)).equals(Buffer.alloc(10_000, 'frame ')), `byte ${at}`)
    }
    assert.equal(decompress(room, frame.subarray(0, frame.length - 1)), -1)
    assert.equal(decompress(room, content.subarray(0, 100)), -1)
  })
}

test('settings are heeded, each by a context of its own', { skip: symbols ? false : 'this Node exports no zstd' }, () => {
  const content = Buffer.concat(Array.from({ length: 4000 }, (_, i) => Buffer.from(`${(i * 7919) % 4001} is ${(i * 31) % 97}\n`)))
  const codec = symbolCodec(symbols as NonNullable<typeof symbols>)
  const size = (how: ZstdSettings) => codec.compress(new Uint8Array(content.length), content, how)
  const [coded, uncoded] = [{ level: 1 }, { level: 1, codesLiterals: false }]
  const sizes = [size(coded), size(uncoded), size(coded), size(uncoded)]
  assert.deepEqual(sizes, [sizes[0], sizes[1], sizes[0], sizes[1]])
  assert.ok((sizes[0] as number) < (sizes[1] as number))
  assert.notEqual(size({ level: 1, minMatch: 4 }), sizes[0])
  assert.throws(() => size({ level: 1, minMatch: 40 }), { code: 'INTERNAL' })
})

test('worker threads have contexts of their own and free them when they end', async () => {
  const url = new URL('./codec.ts', import.meta.url).href
  const source = `import { parentPort } from 'node:worker_threads'
    const { zstd } = await import(${JSON.stringify(url)})
    const into = new Uint8Array(2000)
    const fast = { level: 1 }
    for (let i = 0; i < 100; i++) zstd.compress(into, Buffer.alloc(1000, 'thread '), fast)
    parentPort.postMessage(zstd.compress(into, Buffer.alloc(1000, 'thread '), { level: 1 }))`
  const expected = zstd.compress(new Uint8Array(2000), Buffer.alloc(1000, 'thread '), { level: 1 })
  for (let round = 0; round < 5; round++) {
    const workers = [0, 1, 2].map(() => new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`)))
    const sizes = await Promise.all(workers.map((worker) => new Promise((done, fail) => worker.once('message', done).once('error', fail))))
    assert.deepEqual(sizes, [expected, expected, expected])
    await Promise.all(workers.map((worker) => worker.terminate()))
  }
})
