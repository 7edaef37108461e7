/** Asks for the chunks of a range in an order of its own, and says how many were known; for known-chunks.test.ts. */
import { createHash } from 'node:crypto'
import { parentPort, workerData } from 'node:worker_threads'
import { systemDisk } from '../../src/platform/index.ts'
import { KnownChunks, type KnownChunksMemory } from '../../src/repository/index.ts'
import { LocalDiskStore } from '../../src/storage/index.ts'

const { memory, root, count, step, start } = workerData as {
  memory: KnownChunksMemory
  root: string
  count: number
  step: number
  start: Int32Array
}
const known = new KnownChunks(memory, new LocalDiskStore(systemDisk(), root).immediate)
// All threads begin together: what is tested is that they load the same blocks.
Atomics.add(start, 0, 1)
Atomics.notify(start, 0)
while (Atomics.load(start, 0) < 3) Atomics.wait(start, 0, Atomics.load(start, 0), 1000)
let there = 0
let absent = 0
for (let n = 0, i = 0; n < count; n++, i = (i + step) % count) {
  if (known.has(createHash('sha256').update(`id ${i}`).digest())) there++
  if (!known.has(createHash('sha256').update(`none ${i}`).digest())) absent++
}
parentPort?.postMessage({ there, absent })
