import assert from 'node:assert/strict'
import { createDecipheriv } from 'node:crypto'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import fc from 'fast-check'
import { runs } from '../../test/support/pool.ts'
import { seededRandom } from '../base/random.ts'
import { cryptoGcm, type Gcm, gcm, symbolGcm } from './gcm.ts'
import { bindGcm } from './posix.ts'

const symbols = bindGcm('Encrypt')
const ways: [string, Gcm | undefined][] = [
  ['by symbols', symbols && symbolGcm(symbols)],
  ['by node:crypto', cryptoGcm],
]

test('the pinned Node exports what is asked of it', () => {
  assert.ok(symbols)
})

function open(key: Uint8Array, nonce: Uint8Array, associated: Uint8Array, sealed: Uint8Array): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', key, nonce)
  decipher.setAAD(associated)
  decipher.setAuthTag(sealed.subarray(-16))
  return Buffer.concat([decipher.update(sealed.subarray(0, -16)), decipher.final()])
}

for (const [name, way] of ways) {
  const skip = way ? false : 'this Node exports no EVP'
  const { seal } = way ?? cryptoGcm

  test(`${name}: a published vector`, { skip }, () => {
    // Test case 16 of the GCM specification (McGrew and Viega).
    const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex')
    const content = hex(
      `d9313225f88406e5a55909c5aff5269a 86a7a9531534f7da2e4c303d8a318a72
      1c3c0c95956809532fcf0e2449a6b525 b16aedf5aa0de657ba637b39`.replaceAll('\n', ''),
    )
    const into = Buffer.alloc(content.length + 16)
    seal(
      into,
      hex('feffe9928665731c6d6a8f9467308308 feffe9928665731c6d6a8f9467308308'),
      hex('cafebabefacedbaddecaf888'),
      hex('feedfacedeadbeeffeedfacedeadbeef abaddad2'),
      content,
    )
    assert.equal(
      into.toString('hex'),
      '522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662' +
        '76fc6ece0f4e1768cddf8853bb2d551b',
    )
  })

  test(`${name}: node:crypto opens it, one after the other, and nothing is written beyond the room`, { skip }, () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 70_000 }), fc.integer({ min: 0, max: 100 }), fc.integer(), (length, extra, seed) => {
        const random = seededRandom(`${seed}`)
        const [key, nonce, associated, content] = [random.bytes(32), random.bytes(12), random.bytes(extra), random.bytes(length)]
        const room = new Uint8Array(length + 16 + 64)
        seal(room.subarray(32, 32 + length + 16), key, nonce, associated, content)
        assert.ok(open(key, nonce, associated, room.subarray(32, 32 + length + 16)).equals(content))
        assert.ok(room.subarray(0, 32).every((byte) => byte === 0) && room.subarray(-32).every((byte) => byte === 0))
      }),
      runs(200),
    )
  })

  test(`${name}: a size that is wrong is refused before anything is read or written`, { skip }, () => {
    const [key, nonce, content] = [Buffer.alloc(32, 1), Buffer.alloc(12, 2), Buffer.alloc(100, 3)]
    for (const act of [
      () => seal(Buffer.alloc(115), key, nonce, content, content),
      () => seal(Buffer.alloc(117), key, nonce, content, content),
      () => seal(Buffer.alloc(116), key.subarray(1), nonce, content, content),
      () => seal(Buffer.alloc(116), key, nonce.subarray(1), content, content),
    ]) {
      assert.throws(act, { code: 'INTERNAL' })
    }
  })
}

test('worker threads have contexts of their own and free them when they end', async () => {
  const url = new URL('./gcm.ts', import.meta.url).href
  const source = `import { parentPort } from 'node:worker_threads'
    const { gcm } = await import(${JSON.stringify(url)})
    const into = new Uint8Array(1016)
    for (let i = 0; i < 100; i++) gcm.seal(into, Buffer.alloc(32, i), Buffer.alloc(12), Buffer.alloc(5), Buffer.alloc(1000, 'thread '))
    parentPort.postMessage(into)`
  const expected = new Uint8Array(1016)
  gcm.seal(expected, Buffer.alloc(32, 99), Buffer.alloc(12), Buffer.alloc(5), Buffer.alloc(1000, 'thread '))
  for (let round = 0; round < 5; round++) {
    const workers = [0, 1, 2].map(() => new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`)))
    const answers = await Promise.all(
      workers.map((worker) => new Promise((done, fail) => worker.once('message', done).once('error', fail))),
    )
    for (const answer of answers) assert.ok(Buffer.from(answer as Uint8Array).equals(expected))
    await Promise.all(workers.map((worker) => worker.terminate()))
  }
})
