/** The rules for cutting that are compared, each with a window in the memory in which it searches. */

import { compileAssembly } from '../../scripts/build-kernel.ts'
import { seededRandom } from '../../src/base/random.ts'
import { CUTTER_KEY_BYTES, type Cutter, createCutter, createScriptCutter, DEFAULT_CHUNKING } from '../../src/chunking/index.ts'

export interface Contender {
  readonly name: string
  /** Of at least `WINDOW_BYTES`. */
  readonly window: Uint8Array
  findCut(start: number, end: number): number
}

export const WINDOW_BYTES = 33_554_432
const { minBytes, targetBytes, maxBytes } = DEFAULT_CHUNKING
const TARGET_BITS = Math.log2(targetBytes)
/** So that chunks are about as large as those of the others. */
const EXTREMUM_WINDOW_BYTES = 580_000

interface Exports {
  gear64(key: number, start: number, from: number, to: number, zeroBits: number): number
  gear32Lanes(key: number, from: number, to: number, zeroBits: number): number
  extremum(key: number, from: number, to: number, window: number): number
}

/** Node has it, its types do not. */
interface WebAssemblyGlobal {
  Memory: new (descriptor: { initial: number }) => { readonly buffer: ArrayBuffer }
  Module: new (bytes: Uint8Array) => object
  Instance: new (module: object, imports: object) => { readonly exports: unknown }
}
const { Memory, Module, Instance } = (globalThis as unknown as { WebAssembly: WebAssemblyGlobal }).WebAssembly

const candidates = new Module(compileAssembly(['bench/chunking/assembly/candidates.ts']))
const KEY_AT = 4096
const WINDOW_AT = 65_536

function ofTheProduct(name: string, algorithm: 'gear32' | 'sieve', make: typeof createCutter, key: string): Contender {
  const cutter: Cutter = make({ ...DEFAULT_CHUNKING, algorithm }, seededRandom(key).bytes(CUTTER_KEY_BYTES[algorithm]))
  const window = cutter.allocate(WINDOW_BYTES)
  return { name, window, findCut: (start, end) => cutter.findCut(window, start, end) }
}

/** Addresses in, address out. */
type FindCut = (exports: Exports, start: number, end: number) => number

function candidate(name: string, key: Uint8Array, findCut: FindCut): Contender {
  const memory = new Memory({ initial: (WINDOW_AT + WINDOW_BYTES) / 65_536 + 1 })
  const exports = new Instance(candidates, { env: { memory } }).exports as Exports
  new Uint8Array(memory.buffer).set(key, KEY_AT)
  const window = new Uint8Array(memory.buffer, WINDOW_AT, WINDOW_BYTES)
  return { name, window, findCut: (start, end) => findCut(exports, WINDOW_AT + start, WINDOW_AT + end) - WINDOW_AT }
}

/** As the product does it: cuts are rarer before the target and more frequent after it. */
function normalised(search: (exports: Exports, from: number, to: number, zeroBits: number) => number): FindCut {
  return (exports, start, end) => {
    const limit = Math.min(end, start + maxBytes)
    const from = start + minBytes
    if (limit <= from) return limit
    const target = Math.min(limit, start + targetBytes)
    return search(exports, from, target, TARGET_BITS + 2) || search(exports, target, limit, TARGET_BITS - 2) || limit
  }
}

const extremum: FindCut = (exports, start, end) => {
  const limit = Math.min(end, start + maxBytes)
  const from = start + minBytes
  return limit <= from ? limit : exports.extremum(KEY_AT, from, limit, EXTREMUM_WINDOW_BYTES) || limit
}

export function contenders(key: string): Contender[] {
  const bytes = seededRandom(key).bytes(2048)
  return [
    ofTheProduct('gear32, TypeScript', 'gear32', createScriptCutter, key),
    ofTheProduct('gear32, WebAssembly', 'gear32', createCutter, key),
    candidate(
      'gear32 in four lanes',
      bytes.subarray(0, 1024),
      normalised(({ gear32Lanes }, from, to, bits) => gear32Lanes(KEY_AT, from, to, bits)),
    ),
    candidate(
      'gear64',
      bytes,
      normalised(({ gear64 }, from, to, bits) => gear64(KEY_AT, from - 64, from, to, bits)),
    ),
    candidate('extremum, SIMD', odd(bytes.subarray(0, 4)), extremum),
    ofTheProduct('sieve, TypeScript', 'sieve', createScriptCutter, key),
    ofTheProduct('sieve, SIMD', 'sieve', createCutter, key),
  ]
}

function odd(factor: Uint8Array): Uint8Array {
  return factor.map((byte, i) => (i === 0 ? byte | 1 : byte))
}
