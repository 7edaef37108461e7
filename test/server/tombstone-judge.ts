/**
 * Looks at a pool while no server has it: whether each chunk that its recovery points reach stands in a pack without a tombstone. What a session found before a tombstone it may
 * build on; then its point waits to be looked at again, and such packs come back. But no point that was there before may ever depend on what is about to be deleted.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { walkTree } from '../../src/archive/reachability.ts'
import { startOperation } from '../../src/base/operation.ts'
import { systemDisk } from '../../src/platform/index.ts'
import {
  CHUNK_TYPE,
  type ChunkIndex,
  type LiveSet,
  parseKeyFile,
  Repository,
  readDeletion,
  tombstonedPacks,
} from '../../src/repository/index.ts'
import { LocalDiskStore } from '../../src/storage/index.ts'

export class TombstoneJudge {
  readonly counts = { looks: 0, looksWithTombstones: 0, chunks: 0, chunksThatComeBack: 0 }
  readonly #folder: string
  readonly #keyFile: string
  #points: ReadonlySet<string> = new Set()
  #doomed: ReadonlySet<string> = new Set()

  constructor(folder: string, keyFile: string) {
    this.#folder = folder
    this.#keyFile = keyFile
  }

  async look(): Promise<void> {
    const op = startOperation()
    const store = new LocalDiskStore(systemDisk(), this.#folder)
    const repository = await Repository.open(op, store, parseKeyFile(readFileSync(this.#keyFile)))
    const tombstones = tombstonedPacks(await readDeletion(op, repository))
    const { index } = await repository.loadIndex(op)
    const { points, damaged } = await repository.listPoints(op)
    assert.deepEqual(damaged, [])
    const before = points.filter(({ id }) => this.#points.has(id))
    const since = points.filter(({ id }) => !this.#points.has(id))
    const reached = new Reached(index, tombstones)
    for (const { root } of before) await walkTree(op, repository, reached as unknown as LiveSet, rootOf(root))
    const fresh = [...reached.doomed].filter((id) => !this.#doomed.has(id))
    assert.deepEqual(fresh, [], 'chunks of recovery points that were there before have tombstones')
    for (const { root } of since) await walkTree(op, repository, reached as unknown as LiveSet, rootOf(root))
    this.counts.looks++
    this.counts.chunks += reached.size
    this.counts.chunksThatComeBack += reached.doomed.size
    if (tombstones.size > 0) this.counts.looksWithTombstones++
    this.#points = new Set(points.map(({ id }) => id))
    this.#doomed = reached.doomed
    index.close()
  }
}

const rootOf = (root: string | Uint8Array) => (typeof root === 'string' ? Buffer.from(root, 'hex') : Buffer.from(root))

/** In place of the set that a prune marks: it knows what was seen, and which of that stands in no pack that stays. */
class Reached {
  readonly doomed = new Set<string>()
  readonly #index: ChunkIndex
  readonly #tombstones: ReadonlySet<string>
  readonly #seen = new Set<string>()

  constructor(index: ChunkIndex, tombstones: ReadonlySet<string>) {
    this.#index = index
    this.#tombstones = tombstones
  }

  get size(): number {
    return this.#seen.size
  }

  mark(id: Buffer): 'seen' | 'data' | 'tree' {
    const name = id.toString('hex')
    if (this.#seen.has(name)) return 'seen'
    this.#seen.add(name)
    const found = this.locate(id)
    const packs = [found.pack, ...(found.others ?? []).map(({ pack }) => pack)]
    if (packs.every((pack) => this.#tombstones.has(pack))) this.doomed.add(name)
    return found.record.type === CHUNK_TYPE.data ? 'data' : 'tree'
  }

  locate(id: Buffer) {
    const found = this.#index.find(Buffer.from(id))
    assert.ok(found, `no pack holds the chunk ${id.toString('hex')}, which a recovery point reaches`)
    return found
  }
}
