import assert from 'node:assert/strict'
import { createCipheriv } from 'node:crypto'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import fc from 'fast-check'
import { runs } from '../../test/support/pool.ts'
import { seededRandom } from '../base/random.ts'
import { cryptoDecipher, type Decipher, decipher, type Sealed, symbolDecipher } from './decipher.ts'
import { bindGcm } from './posix.ts'

const symbols = bindGcm('Decrypt')
const bySymbols = symbols && symbolDecipher(symbols)
const deciphers: [string, Decipher | undefined][] = [
  ['by symbols', bySymbols],
  ['by node:crypto', cryptoDecipher],
]

test('the pinned Node exports what is asked of it', () => {
  assert.ok(bySymbols)
})

function seal(seed: number, length: number, associatedBytes: number): { plain: Uint8Array; sealed: Sealed } {
  const random = seededRandom(`${seed}`)
  const [key, nonce, associated, plain] = [random.bytes(32), random.bytes(12), random.bytes(associatedBytes), random.bytes(length)]
  const cipher = createCipheriv('aes-256-gcm', key, nonce)
  cipher.setAAD(associated)
  const body = Buffer.concat([cipher.update(plain), cipher.final()])
  return { plain, sealed: { key, nonce, associated, body, tag: cipher.getAuthTag() } }
}

const sealings = fc.tuple(
  fc.nat(),
  fc.oneof(fc.integer({ min: 0, max: 200 }), fc.integer({ min: 0, max: 70_000 })),
  fc.integer({ min: 0, max: 100 }),
)

for (const [name, open] of deciphers) {
  const skip = open ? false : 'this Node exports no OpenSSL'
  const decrypt = open ?? cryptoDecipher

  test(`${name}: gives back what was sealed, in other memory and in its own`, { skip }, () => {
    fc.assert(
      fc.property(sealings, ([seed, length, associatedBytes]) => {
        const { plain, sealed } = seal(seed, length, associatedBytes)
        const into = new Uint8Array(length)
        assert.ok(decrypt(into, sealed))
        assert.ok(Buffer.from(into).equals(plain))
        assert.ok(decrypt(sealed.body, sealed))
        assert.ok(Buffer.from(sealed.body).equals(plain))
      }),
      runs(100),
    )
  })

  test(`${name}: one bit that is wrong anywhere is noticed, and the next one is opened all the same`, { skip }, () => {
    fc.assert(
      fc.property(
        sealings,
        fc.constantFrom('key', 'nonce', 'associated', 'body', 'tag'),
        fc.nat(),
        ([seed, length, associatedBytes], part, where) => {
          const { plain, sealed } = seal(seed, length, associatedBytes)
          const wrong = Buffer.from(sealed[part])
          if (wrong.length > 0) {
            const at = where % wrong.length
            wrong[at] = (wrong[at] as number) ^ (1 << (where & 7))
            assert.equal(decrypt(new Uint8Array(length), { ...sealed, [part]: wrong }), false)
          }
          const into = new Uint8Array(length)
          assert.ok(decrypt(into, sealed))
          assert.ok(Buffer.from(into).equals(plain))
        },
      ),
      runs(100),
    )
  })

  test(`${name}: memory of another length, and a tag that was cut short, are refused`, { skip }, () => {
    const { sealed } = seal(1, 100, 10)
    for (const length of [0, 99, 101]) assert.equal(decrypt(new Uint8Array(length), sealed), false)
    assert.equal(decrypt(new Uint8Array(100), { ...sealed, tag: sealed.tag.subarray(0, 4) }), false)
    assert.ok(decrypt(new Uint8Array(100), sealed))
  })
}

test('a thread has a decipher of its own, which ends with it', async () => {
  const file = new URL('./decipher.ts', import.meta.url).href
  const { plain, sealed } = seal(7, 5000, 80)
  const source = `
    const { decipher } = await import(${JSON.stringify(file)})
    const { parentPort, workerData } = await import('node:worker_threads')
    const into = new Uint8Array(workerData.body.length)
    for (let i = 0; i < 100; i++) decipher(into, workerData)
    parentPort.postMessage(into)`
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`), { workerData: sealed })
  const into = await new Promise<Uint8Array>((resolve, reject) => worker.once('message', resolve).once('error', reject))
  assert.ok(Buffer.from(into).equals(plain))
  await worker.terminate()
  const again = new Uint8Array(5000)
  assert.ok(decipher(again, sealed))
  assert.ok(Buffer.from(again).equals(plain))
})
