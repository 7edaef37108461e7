/** The kernels as they lie in the repository, and a processor that cannot run them. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { it } from 'node:test'
import { KERNEL_FOLDERS, kernelPage, kernelPagePath } from '../scripts/build-kernel.ts'
import { seededRandom } from '../src/base/random.ts'
import { CUTTER_KEY_BYTES, createCutter, createScriptCutter, DEFAULT_CHUNKING } from '../src/chunking/index.ts'
import { blake3 } from '../src/hashing/index.ts'

for (const folder of KERNEL_FOLDERS) {
  it(`${folder}/kernel-bytes.ts is what \`npm run build:kernel\` makes of the sources beside it`, () => {
    assert.equal(readFileSync(kernelPagePath(folder), 'utf8'), kernelPage(folder))
  })
}

it('without SIMD the twins cut and hash, and do it the same', {
  skip: process.arch === 'x64' ? false : 'the switches are those of x64',
}, () => {
  const program = `
    import { createCutter, DEFAULT_CHUNKING } from ${JSON.stringify(import.meta.resolve('../src/chunking/index.ts'))}
    import { blake3By } from ${JSON.stringify(import.meta.resolve('../src/hashing/index.ts'))}
    import { seededRandom } from ${JSON.stringify(import.meta.resolve('../src/base/random.ts'))}
    const cutter = createCutter(DEFAULT_CHUNKING, seededRandom('key').bytes(${CUTTER_KEY_BYTES[DEFAULT_CHUNKING.algorithm]}))
    const content = cutter.allocate(3_000_000)
    content.set(seededRandom('content').bytes(content.length))
    const isKernel = content.buffer === cutter.allocate(1).buffer
    console.log(JSON.stringify([isKernel, cutter.findCut(content, 0, content.length), blake3By('kernel') !== undefined, (blake3By('kernel') ?? blake3By('script')).hash(content).toString('hex')]))`
  const run = (...switches: string[]) =>
    JSON.parse(execFileSync(process.execPath, [...switches, '--input-type=module', '--eval', program], { encoding: 'utf8' })) as unknown
  const twin = createScriptCutter(DEFAULT_CHUNKING, seededRandom('key').bytes(CUTTER_KEY_BYTES[DEFAULT_CHUNKING.algorithm]))
  const kernel = createCutter(DEFAULT_CHUNKING, seededRandom('key').bytes(CUTTER_KEY_BYTES[DEFAULT_CHUNKING.algorithm]))
  const content = seededRandom('content').bytes(3_000_000)
  const end = kernel.findCut(content, 0, content.length)
  assert.ok(end < content.length)
  const hash = blake3(content).toString('hex')
  assert.equal(twin.findCut(content, 0, content.length), end)
  assert.deepEqual(run(), [true, end, true, hash])
  assert.deepEqual(run('--no-enable-ssse3', '--no-enable-sse4-1'), [false, end, false, hash])
})
