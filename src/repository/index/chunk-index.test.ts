import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { someKeys } from '../../../test/support/packs.ts'
import { anOperation, noise, runs } from '../../../test/support/pool.ts'
import { MemoryStore } from '../../storage/index.ts'
import { type PackRecord, packName, type SealedPack } from '../pack/pack-format.ts'
import { ChunkIndex } from './chunk-index.ts'
import { KnownChunks } from './known-chunks.ts'
import { mergeSegments } from './merge-segments.ts'
import { openSegments } from './open-index.ts'
import { encodeSegment } from './segment.ts'

const op = anOperation('chunk index')
const KEYS = someKeys('chunk index')

function idOf(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

function aPack(name: string, ids: readonly Buffer[]): SealedPack {
  const records = ids.map(
    (id, n): PackRecord => ({ id, offset: 80 + n * 700, storedBytes: 500 + n, contentBytes: 8_388_608 - n, type: 1, compression: 1 }),
  )
  return { sha256: idOf(name).toString('hex'), sizeBytes: 1000 + ids.length, records }
}

function manyIds(name: string, count: number): Buffer[] {
  return Array.from({ length: count }, (_, n) => idOf(`${name} ${n}`))
}

/** A store whose index holds a segment for each group of packs. */
async function aStore(groups: readonly (readonly SealedPack[])[]): Promise<MemoryStore> {
  const store = new MemoryStore()
  for (const packs of groups) {
    const segment = encodeSegment(op.random, KEYS, packs)
    await store.put(op, segment.name, segment.bytes)
  }
  return store
}

async function anIndex(store: MemoryStore): Promise<ChunkIndex> {
  return new ChunkIndex((await openSegments(op, store, KEYS)).files)
}

/** What an index should say, by chunk: `pack offset` of each copy. */
function modelOf(packs: readonly SealedPack[]): Map<string, Set<string>> {
  const model = new Map<string, Set<string>>()
  for (const { sha256, records } of packs) {
    for (const { id, offset } of records) {
      const key = id.toString('hex')
      model.set(key, (model.get(key) ?? new Set()).add(`${sha256} ${offset}`))
    }
  }
  return model
}

function copiesIn(index: ChunkIndex, id: Buffer): Set<string> {
  const found = index.find(id)
  return new Set(found ? [found, ...(found.others ?? [])].map(({ pack, record }) => `${pack} ${record.offset}`) : [])
}

function assertLike(index: ChunkIndex, model: ReadonlyMap<string, ReadonlySet<string>>): void {
  const known = KnownChunks.over(index, KEYS, 10)
  for (const [key, copies] of model) {
    const id = Buffer.from(key, 'hex')
    assert.deepEqual(copiesIn(index, id), copies, key)
    assert.ok(known.has(id) && !known.add(id), key)
  }
  for (let n = 0; n < 50; n++) {
    assert.equal(index.find(noise(`none ${n}`, 32)), undefined)
    assert.equal(known.has(noise(`none ${n}`, 32)), false)
  }
  const listed = new Set([...index.ids()].map((id) => id.toString('hex')))
  assert.equal(listed.size, model.size)
  assert.ok([...listed].every((key) => model.has(key)))
  for (const { ordinal, records, count, pack } of index.blocks()) {
    for (const n of [0, count - 1]) {
      const id = records.subarray(n * 46, n * 46 + 32)
      assert.ok(index.ordinalsOf(id).includes(ordinal + n))
      assert.equal(index.recordAt(ordinal + n)?.pack, pack(records.readUIntLE(n * 46 + 32, 3)))
    }
  }
}

/** Packs with chunks of a small world, so that many stand in several; ids of all kinds of nearness. */
const packShape = fc.record({
  name: fc.nat(30),
  chunks: fc.uniqueArray(fc.nat(3000), { maxLength: 400 }),
})

function idIn(world: string, n: number): Buffer {
  if (world === 'spread') return idOf(`chunk ${n}`)
  const id = Buffer.alloc(32)
  id.writeUInt32BE(n, world === 'alike' ? 9 : 28)
  return id
}

for (const world of ['spread', 'alike', 'almost the same']) {
  test(`an index of many segments says what its packs hold, and so does every merge of them (ids ${world})`, async () => {
    const shape = fc.record({
      groups: fc.array(fc.array(packShape, { maxLength: 4 }), { maxLength: 6 }),
      merged: fc.infiniteStream(fc.boolean()),
      added: fc.array(packShape, { maxLength: 2 }),
    })
    await fc.assert(
      fc.asyncProperty(shape, async ({ groups, merged, added }) => {
        // The same name is the same pack, wherever it is listed.
        const made = new Map<number, SealedPack>()
        const packOf = ({ name, chunks }: { name: number; chunks: number[] }) => {
          const pack =
            made.get(name) ??
            aPack(
              `pack ${name}`,
              chunks.map((n) => idIn(world, n)),
            )
          made.set(name, pack)
          return pack
        }
        const listed = groups.map((group) => [...new Set(group.map(packOf))])
        const store = await aStore(listed)
        // Two ids that begin with the same 17 bytes are one to a writer: only ids of keyed hashes may be asked of it.
        const model = modelOf(listed.flat())
        const check = async () => {
          const index = await anIndex(store)
          if (world === 'spread') assertLike(index, model)
          else for (const [key, copies] of model) assert.deepEqual(copiesIn(index, Buffer.from(key, 'hex')), copies)
          return index
        }
        await check()
        for (let round = 0; round < 2; round++) {
          const { files } = await openSegments(op, store, KEYS)
          const sources = files.filter(() => merged.next().value)
          if (sources.length === 0) continue
          await mergeSegments(op, { store, keys: KEYS, sources })
          await check()
          for (const { name } of sources) await store.remove(op, name)
        }
        const index = await check()
        for (const pack of added.map(packOf)) index.addPack(pack)
        for (const [key, copies] of modelOf([...listed.flat(), ...added.map(packOf)])) {
          assert.deepEqual(copiesIn(index, Buffer.from(key, 'hex')), copies)
        }
      }),
      runs(world === 'spread' ? 15 : 8),
    )
  })
}

test('segments of several blocks are searched to their ends, one block at a time', async () => {
  const ids = manyIds('blocks', 5000)
  const store = await aStore([[aPack('one', ids.slice(0, 3000)), aPack('two', ids.slice(3000))]])
  const index = await anIndex(store)
  for (const [n, id] of ids.entries()) assert.equal(index.find(id)?.record.offset, 80 + (n < 3000 ? n : n - 3000) * 700)
  assert.deepEqual(index.readAll(), [])
})

test('a merge without some packs holds the records of the others, and lists them alone', async () => {
  const packs = ['a', 'b', 'c'].map((name) => aPack(name, manyIds(name, 1500)))
  const shared = aPack('d', [...manyIds('a', 10), ...manyIds('d', 10)])
  const store = await aStore([
    [packs[0] as SealedPack, packs[1] as SealedPack],
    [packs[2] as SealedPack, shared],
  ])
  const { files } = await openSegments(op, store, KEYS)
  const gone = new Set([packs[0], packs[2]].map((pack) => pack?.sha256))
  await mergeSegments(op, { store, keys: KEYS, sources: files, keepsPack: (pack) => !gone.has(pack) })
  for (const { name } of files) await store.remove(op, name)
  const index = await anIndex(store)
  assert.deepEqual(
    [...index.packs.entries()].map(([pack]) => pack).sort(),
    [packs[1] as SealedPack, shared].map(({ sha256 }) => sha256).sort(),
  )
  assertLike(index, modelOf([packs[1] as SealedPack, shared]))
  const { files: rest } = await openSegments(op, store, KEYS)
  assert.equal(await mergeSegments(op, { store, keys: KEYS, sources: rest, keepsPack: () => false }), undefined)
})

test('opening reads heads only, a look-up one block, and a second one of the same block nothing', async () => {
  const ids = manyIds('reads', 20_000)
  const store = await aStore([[aPack('large', ids)]])
  let reads = 0
  const { immediate } = store
  const counting = Object.assign(Object.create(store) as MemoryStore, {
    immediate: {
      ...immediate,
      open: (name: string) => {
        const object = immediate.open(name)
        const read = (offset: number, length: number) => {
          reads++
          return object.read(offset, length)
        }
        return { ...object, read }
      },
    },
    list: store.list.bind(store),
  })
  const index = new ChunkIndex((await openSegments(op, counting, KEYS)).files)
  assert.equal(reads, 1)
  assert.ok(index.find(ids[7] as Buffer))
  const once = reads
  assert.ok(once >= 2 && once <= 3)
  assert.ok(index.find(ids[7] as Buffer))
  assert.equal(reads, once)
})

test('an index reads on when a merge has removed its segments', async () => {
  const ids = manyIds('removed', 3000)
  const store = await aStore([[aPack('first', ids.slice(0, 1500))], [aPack('second', ids.slice(1500))]])
  const index = await anIndex(store)
  const { files } = await openSegments(op, store, KEYS)
  await mergeSegments(op, { store, keys: KEYS, sources: files })
  for (const { name } of files) await store.remove(op, name)
  for (const id of ids) assert.ok(index.find(id))
})

test('a writer does not count what packs hold that are missing, have another size, or were found damaged; it looks once at each', async () => {
  const packs = ['there', 'missing', 'short', 'bad'].map((name) => aPack(name, manyIds(name, 30)))
  const store = await aStore([packs])
  for (const pack of packs)
    if (pack !== packs[1]) await store.put(op, packName(pack.sha256), Buffer.alloc(pack === packs[2] ? 5 : pack.sizeBytes))
  const [bad] = manyIds('bad', 1) as [Buffer]
  const { files } = await openSegments(op, store, KEYS)
  const damage = new Map([[packs[3]?.sha256 as string, new Set([bad.toString('hex')])]])
  const index = new ChunkIndex(files, {
    packs: (listed) =>
      listed.checked(
        store.immediate,
        Uint8Array.from([...listed.entries()], ([pack]) => (pack === packs[1]?.sha256 ? 0 : 1)),
        damage,
      ),
  })
  const known = KnownChunks.over(index, KEYS, 10)
  const isKnown = (name: string) => manyIds(name, 30).map((id) => known.has(id))
  assert.ok(isKnown('there').every(Boolean))
  assert.ok(!isKnown('missing').some(Boolean))
  assert.ok(!isKnown('short').some(Boolean))
  assert.deepEqual(
    isKnown('bad'),
    manyIds('bad', 30).map((_, n) => n !== 0),
  )
  assert.equal(known.hasAll(Buffer.concat(manyIds('there', 30))), true)
  assert.equal(known.hasAll(Buffer.concat([...manyIds('there', 30), bad])), false)
  assert.equal(index.find(bad), undefined)
  assert.equal(index.packs.areAllUsable(), false)
  index.packs.setUnusable(packs[0]?.sha256 as string)
  assert.ok(!isKnown('there').some(Boolean))
  assert.equal(known.add(manyIds('there', 1)[0] as Buffer), true)
  assert.equal(known.add(manyIds('there', 1)[0] as Buffer), false)
})

test('a chunk that stands in several packs is known while one of them is usable', async () => {
  const shared = manyIds('shared', 20)
  const packs = [aPack('lost', shared), aPack('there', shared)]
  const store = await aStore([packs])
  const index = await anIndex(store)
  index.packs.setUnusable(packs[0]?.sha256 as string)
  for (const id of shared) assert.equal(index.find(id)?.pack, packs[1]?.sha256)
  assert.equal(index.find(shared[0] as Buffer)?.others, undefined)
})

test('of a segment with a damaged block the other blocks serve, and other segments', async () => {
  const ids = manyIds('damaged', 6000).sort(Buffer.compare)
  const store = await aStore([[aPack('one', ids)], [aPack('two', ids.slice(0, 500))]])
  const { files } = await openSegments(op, store, KEYS)
  const large = files.find(({ head }) => head.count === 6000)
  store.tamper(large?.name as string, (bytes) => {
    const at = (large?.head.blocksAt as number) + 100
    bytes[at] = (bytes[at] as number) ^ 1
    return bytes
  })
  const index = await anIndex(store)
  for (const [n, id] of ids.entries()) assert.equal(index.find(id) !== undefined, n < 500 || n >= 1024, `chunk ${n}`)
  assert.deepEqual(index.damagedSegments, [large?.name])
  await assert.rejects(mergeSegments(op, { store, keys: KEYS, sources: (await openSegments(op, store, KEYS)).files }), {
    name: 'Error',
    message: /block 0 is broken/,
  })
})

test('an empty index finds nothing', () => {
  const index = new ChunkIndex()
  assert.equal(index.find(idOf('x')), undefined)
  assert.equal(index.size, 0)
  assert.deepEqual([...index.ids(), ...index.blocks()], [])
})

test('chunks of added packs that are not usable are not found and not listed', () => {
  const index = new ChunkIndex()
  index.addPack(aPack('lost', manyIds('lost', 30)), () => false)
  assert.equal(index.find(idOf('lost 3')), undefined)
  assert.deepEqual([...index.ids()], [])
})
