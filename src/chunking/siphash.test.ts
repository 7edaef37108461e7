import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sipHash, sipHashStart } from './siphash.ts'

test('the hash is SipHash-2-4', () => {
  // As `openssl mac -macopt hexkey:000102…0f -macopt size:8 SIPHASH` gives it for the bytes 0 to 31: ce7cf2722f512771, lower bytes first.
  const counted = Uint8Array.from({ length: 40 }, (_, i) => i - 4)
  const start = sipHashStart(new DataView(Uint8Array.from({ length: 16 }, (_, i) => i).buffer))
  assert.equal(sipHash(start, counted, 4) >>> 0, 0x72f27cce)
})
