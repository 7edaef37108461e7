/** A small pool whose every object is known by what it is for. */
import type { TestContext } from 'node:test'
import { openPoint, readFileContent } from '../../src/archive/index.ts'
import { isKind } from '../../src/base/errors.ts'
import type { ChunkingParameters } from '../../src/chunking/index.ts'
import { type RecoveryPoint, Repository, writeConfiguration } from '../../src/repository/index.ts'
import { MemoryStore } from '../../src/storage/index.ts'
import { anOperation, aPool, aSourceTree, backUpPaths, KEY_FILE, namesIn, noise, writeFiles } from './pool.ts'

/** Too large to be bundled: the same chunks come again, whatever else is read. */
const CONTENTS: Readonly<Record<string, Buffer>> = { shared: noise('shared', 530_000), only: noise('only', 530_000) }

/** So large that a file needs no content list, which would be a pack of its own. */
const CHUNKING: ChunkingParameters = { algorithm: 'sieve', minBytes: 65_536, targetBytes: 131_072, maxBytes: 262_144 }

export interface DamagedPool {
  readonly store: MemoryStore
  readonly folder: string
  readonly first: RecoveryPoint
  readonly second: RecoveryPoint
  /** Names of objects; the number says which backup wrote it. */
  readonly data1: string
  readonly data2: string
  readonly tree1: string
  readonly tree2: string
  readonly segment1: string
  readonly segment2: string
  readonly manifest1: string
  readonly manifest2: string
  readonly slot: string
  readonly configuration: string
  readonly epoch: string
  /** Names that nothing has. */
  readonly strangePack: string
  readonly strangeManifest: string
}

/** Sound, until a test harms it. */
export async function aDamagedPool(t: TestContext): Promise<DamagedPool> {
  const folder = aSourceTree(t, { shared: CONTENTS.shared as Buffer })
  for (let attempt = 0; attempt < 10; attempt++) {
    writeFiles(folder, { shared: CONTENTS.shared as Buffer })
    const pool = await build(folder, `${t.name} ${attempt}`)
    // Where a page ends depends on the key and the folder's name; what the findings are should not.
    if (pool && pool.first.level === 0 && pool.second.level === 0) return pool
  }
  throw new Error('no attempt made a pool of the shape that the catalogue needs')
}

async function build(folder: string, seed: string): Promise<DamagedPool | undefined> {
  const op = anOperation(seed)
  const store = new MemoryStore()
  await writeConfiguration(op, await aPool(op, { store, chunking: CHUNKING, packBytes: 1_048_576 }), 'vault', { url: 'x' })
  const first = await backUpPaths(op, store, [folder], { excludes: ['only'] })
  const before = new Set(await namesIn(op, store, ''))
  writeFiles(folder, { only: CONTENTS.only as Buffer })
  const second = await backUpPaths(op, store, [folder])
  const all = await namesIn(op, store, '')
  const find = (prefix: string, isOld: boolean) => all.find((name) => name.startsWith(prefix) && before.has(name) === isOld) ?? ''
  const packs = await Promise.all(
    all.filter((name) => name.startsWith('packs/')).map(async (name) => ({ name, isData: (await store.get(op, name))[9] === 1 })),
  )
  const pack = (isData: boolean, isOld: boolean) => packs.find((one) => one.isData === isData && before.has(one.name) === isOld)?.name ?? ''
  if (packs.length !== 4) return undefined
  return {
    store,
    folder,
    first: first.point,
    second: second.point,
    data1: pack(true, true),
    data2: pack(true, false),
    tree1: pack(false, true),
    tree2: pack(false, false),
    segment1: find('index/', true),
    segment2: find('index/', false),
    manifest1: first.point.object,
    manifest2: second.point.object,
    slot: all.find((name) => /^keys\/.*\.key$/.test(name)) ?? '',
    configuration: find('conf/', true),
    epoch: find('epoch/', false),
    strangePack: `packs/ab/${'ab'.repeat(32)}.pack`,
    strangeManifest: first.point.object.replace(/[0-9a-f]{32}/, '0'.repeat(32)),
  }
}

/** Flips a bit of one byte; negative numbers count from the end. */
export function flip(at: number): (bytes: Buffer) => Buffer {
  return (bytes) => {
    const place = at < 0 ? bytes.length + at : at
    bytes[place] = (bytes[place] as number) ^ 1
    return bytes
  }
}

/** Names of the files of a point that can be read, with right bytes; `unreadable` when its tree can not be; `gone` when it is not listed. */
export async function readable(store: MemoryStore, { folder }: DamagedPool, id: string): Promise<string> {
  const op = anOperation(`reading ${id}`)
  const repository = await Repository.open(op, store, KEY_FILE)
  const point = (await repository.listPoints(op)).points.find((one) => one.id === id)
  if (!point) return 'gone'
  const names: string[] = []
  try {
    const opened = await openPoint(op, repository, point)
    for await (const entry of opened.tree.within(op, Buffer.from(folder.slice(1)))) {
      if (entry.kind !== 'file') continue
      const name = entry.path.toString().slice(folder.length)
      try {
        const pieces: Buffer[] = []
        for await (const piece of readFileContent(op, opened, entry)) pieces.push(Buffer.from(piece))
        if (!Buffer.concat(pieces).equals(CONTENTS[name] as Buffer)) return `wrong bytes of ${name}`
        names.push(name)
      } catch (error) {
        if (!isKind(error, 'corrupt')) throw error
      }
    }
  } catch (error) {
    if (!isKind(error, 'corrupt')) throw error
    return 'unreadable'
  }
  return names.sort().reverse().join(' ')
}
