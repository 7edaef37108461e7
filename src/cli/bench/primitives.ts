/** The engine's primitives on one core, each for a moment: the same functions, through the same doors, as a backup and a restore. */
import { createCipheriv, createDecipheriv, hash } from 'node:crypto'
import { invariant } from '../../base/errors.ts'
import type { Operation } from '../../base/operation.ts'
import { CUTTER_KEY_BYTES, createCutter, DEFAULT_CHUNKING } from '../../chunking/index.ts'
import { blake3 } from '../../hashing/index.ts'
import { Compressor, decompressInto } from '../../repository/index.ts'
import { poolHash } from '../pool-hash.ts'
import type { Efforts } from './efforts.ts'
import type { Rates } from './measures.ts'
import { textOf } from './synthetic.ts'

const CHUNK_BYTES = 1 << 20
const CUT_BYTES = 16 << 20
/** Long enough to time, short enough that a signal is heard soon. */
const SLICE_MS = 25

type Measure = (bytes: number, work: () => unknown) => Promise<number>

export async function measurePrimitives(op: Operation, { primitiveMs }: Efforts): Promise<{ rates: Rates; compressed: number }> {
  const text = textOf(op.random, CHUNK_BYTES)
  const { compression, stored } = new Compressor().compress(text)
  invariant(compression !== 0, 'made-up text can be compressed')
  const packed = Buffer.from(stored)
  const seal = sealer(op, packed)
  const measure: Measure = (bytes, work) => rateOf(op, primitiveMs, bytes, work)
  const rates: Rates = {
    cut: await measureCut(op, measure),
    sha256: await measure(CHUNK_BYTES, () => hash('sha256', text, 'buffer')),
    blake3: await measure(CHUNK_BYTES, () => blake3(text)),
    compress: await measureCompress(measure, text),
    encrypt: await measure(packed.length, seal.seal),
    decode: await measureDecode(measure, seal.open, text.length),
  }
  return { rates, compressed: packed.length / text.length }
}

/** Random content is cut at the usual sizes, and lies where the kernel can see it without a copy. */
async function measureCut(op: Operation, measure: Measure): Promise<number> {
  const cutter = createCutter(DEFAULT_CHUNKING, op.random.bytes(CUTTER_KEY_BYTES[DEFAULT_CHUNKING.algorithm]))
  const content = cutter.allocate(CUT_BYTES)
  content.set(op.random.bytes(CUT_BYTES))
  return measure(CUT_BYTES, () => {
    for (let at = 0; at < CUT_BYTES; ) at = cutter.findCut(content, at, CUT_BYTES)
  })
}

async function measureCompress(measure: Measure, text: Buffer): Promise<number> {
  const compressor = new Compressor()
  return measure(text.length, () => compressor.compress(text))
}

function sealer(op: Operation, content: Buffer): { seal(): Buffer; open(): Buffer } {
  const [key, nonce] = [op.random.bytes(32), op.random.bytes(12)]
  const cipher = createCipheriv('aes-256-gcm', key, nonce)
  const sealed = Buffer.concat([cipher.update(content), cipher.final()])
  const tag = cipher.getAuthTag()
  return {
    seal() {
      const again = createCipheriv('aes-256-gcm', key, nonce)
      const bytes = again.update(content)
      again.final()
      return bytes
    },
    open() {
      const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: 16 })
      decipher.setAuthTag(tag)
      const bytes = decipher.update(sealed)
      decipher.final()
      return bytes
    },
  }
}

async function measureDecode(measure: Measure, open: () => Buffer, contentBytes: number): Promise<number> {
  const isSha256 = poolHash() === 'sha256'
  const content = Buffer.allocUnsafe(contentBytes)
  return measure(contentBytes, () => {
    invariant(decompressInto(content, open(), contentBytes), 'what was compressed decompresses')
    if (isSha256) hash('sha256', content, 'buffer')
    else blake3(content)
  })
}

/** Median of slices: a neighbour that takes the core for a moment does not count. */
async function rateOf(op: Operation, forMs: number, bytes: number, work: () => unknown): Promise<number> {
  const { clock } = op
  work() // the first call compiles
  const slices: number[] = []
  const startMs = clock.monotonicMs()
  while (slices.length === 0 || clock.monotonicMs() - startMs < forMs) {
    op.check()
    const sliceMs = clock.monotonicMs()
    let [calls, passedMs] = [0, 0]
    do {
      work()
      calls++
      passedMs = clock.monotonicMs() - sliceMs
    } while (passedMs < SLICE_MS)
    slices.push((calls * bytes * 1000) / passedMs)
    await clock.sleep(0, op.signal)
  }
  return median(slices)
}

export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b)
  return sorted[sorted.length >> 1] ?? Number.NaN
}
