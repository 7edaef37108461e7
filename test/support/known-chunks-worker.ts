/** Adds the ids of a range to a shared table and says which were new; for known-chunks.test.ts. */
import { createHash } from 'node:crypto'
import { parentPort, workerData } from 'node:worker_threads'
import { KnownChunks, type KnownChunksMemory } from '../../src/repository/index.ts'

const { memory, count, start } = workerData as { memory: KnownChunksMemory; count: number; start: Int32Array }
const known = new KnownChunks(memory)
// Both threads begin together: what is tested is that they meet.
Atomics.add(start, 0, 1)
Atomics.notify(start, 0)
while (Atomics.load(start, 0) < 2) Atomics.wait(start, 0, 1, 1000)
const fresh: number[] = []
for (let n = 0; n < count; n++) if (known.add(createHash('sha256').update(`id ${n}`).digest())) fresh.push(n)
parentPort?.postMessage(fresh)
