/** The disk below a folder: how fast objects become durable there, and how fast they come back. */
import { closeSync, constants, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import type { Operation } from '../../base/operation.ts'
import type { Disk } from '../../platform/index.ts'
import { packName } from '../../repository/index.ts'
import { createLocalDiskStore, type LocalDiskStore } from '../../storage/index.ts'
import { errnoOf } from '../files.ts'
import type { Efforts } from './efforts.ts'
import type { DiskMeasures } from './measures.ts'
import { median } from './primitives.ts'

/** What is used of WebAssembly: the types of Node leave it out. */
declare namespace WebAssembly {
  class Memory {
    constructor(pages: { initial: number })
    readonly buffer: ArrayBuffer
  }
}

const MOST_OBJECTS = 24
const LEAST_OBJECTS = 4
/** As many as a backup's workers have at once. */
const IN_FLIGHT = 4
const SMALL_PUTS = 15
const SMALL_BYTES = 4096
const READ_BYTES = 4 << 20
const PAGE_BYTES = 65_536

/** `folder` is a new one; its owner removes it. */
export async function measureDisk(op: Operation, disk: Disk, folder: string, efforts: Efforts): Promise<DiskMeasures> {
  const store = await createLocalDiskStore(op, disk, folder)
  const publishMs = await measureSmall(op, store)
  const { rate, names } = await measurePublish(op, store, efforts)
  return { publish: rate, publishMs, ...(await measureRead(op, folder, names, efforts)) }
}

async function measureSmall(op: Operation, store: LocalDiskStore): Promise<number> {
  const took: number[] = []
  for (let n = 0; n < SMALL_PUTS; n++) {
    const startMs = op.clock.monotonicMs()
    await store.put(op, nameOf(1000 + n), op.random.bytes(SMALL_BYTES))
    took.push(op.clock.monotonicMs() - startMs)
  }
  return median(took)
}

async function measurePublish(
  op: Operation,
  store: LocalDiskStore,
  { objectBytes, diskMs }: Efforts,
): Promise<{ rate: number; names: string[] }> {
  // No two alike, and none that a disk could compress.
  const objects = Array.from({ length: IN_FLIGHT }, () => op.random.bytes(objectBytes))
  const names: string[] = []
  const startMs = op.clock.monotonicMs()
  const isEnough = () => names.length >= MOST_OBJECTS || (names.length >= LEAST_OBJECTS && op.clock.monotonicMs() - startMs > diskMs)
  const publishAll = async (bytes: Uint8Array) => {
    while (!isEnough()) {
      const name = nameOf(names.length)
      names.push(name)
      await store.put(op, name, bytes)
    }
  }
  await Promise.all(objects.map(publishAll))
  return { rate: (names.length * objectBytes * 1000) / (op.clock.monotonicMs() - startMs), names }
}

function nameOf(n: number): string {
  return packName(n.toString(16).padStart(2, '0').slice(-2).padEnd(64, n.toString(16).padStart(62, '0')))
}

/** Past the cache, which has just been filled with them; where the file system can't do that, out of it. */
async function measureRead(
  op: Operation,
  folder: string,
  names: readonly string[],
  { diskMs }: Efforts,
): Promise<{ read: number; isCached: boolean }> {
  // What is read past the cache must lie at the beginning of a page, as the memory of WebAssembly does.
  const buffer = new Uint8Array(new WebAssembly.Memory({ initial: READ_BYTES / PAGE_BYTES }).buffer)
  let isCached = false
  let bytes = 0
  const startMs = op.clock.monotonicMs()
  for (const name of names) {
    if (bytes > 0 && op.clock.monotonicMs() - startMs > diskMs) break
    op.check()
    const path = join(folder, name)
    const past: number | undefined = isCached ? undefined : openPastCache(path)
    isCached ||= past === undefined
    const file = past ?? openSync(path, constants.O_RDONLY)
    try {
      for (let length = readSync(file, buffer); length > 0; length = readSync(file, buffer)) bytes += length
    } finally {
      closeSync(file)
    }
    await op.clock.sleep(0, op.signal)
  }
  return { read: (bytes * 1000) / (op.clock.monotonicMs() - startMs), isCached }
}

function openPastCache(path: string): number | undefined {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_DIRECT)
  } catch (error) {
    if (errnoOf(error) === 'EINVAL') return undefined
    throw error
  }
}
