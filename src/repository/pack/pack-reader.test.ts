import assert from 'node:assert/strict'
import { test } from 'node:test'
import { aSmallPack, type SmallPack, someKeys } from '../../../test/support/packs.ts'
import { anOperation, noise } from '../../../test/support/pool.ts'
import { TerpError } from '../../base/errors.ts'
import { MemoryStore } from '../../storage/index.ts'
import { ChunkReader } from '../chunk-reader.ts'
import { CHUNK_TYPE, type RepositoryKeys } from '../keys/hierarchy.ts'
import { PACK_CLASS, packName, type SealedPack } from './pack-format.ts'
import { readPackDirectory, verifyPack } from './pack-reader.ts'

const op = anOperation('reader')

/** What verify finds in other bytes under the pack's name: undefined when nothing. */
async function findDamage(small: SmallPack, bytes: Buffer): Promise<string | undefined> {
  const store = new MemoryStore()
  await store.put(op, small.name, bytes)
  try {
    return (await verifyPack(op, store, small.keys, small.pack.sha256)).damage[0]?.code
  } catch (error) {
    assert.ok(error instanceof TerpError, String(error))
    assert.equal(error.kind, 'corrupt', error.code)
    return error.code
  }
}

/** Reads every entry by its record: right bytes or an error of damage, never wrong bytes. */
async function assertNoWrongBytes(store: MemoryStore, keys: RepositoryKeys, pack: SealedPack, contents: SmallPack['contents']) {
  const reader = new ChunkReader(store, keys)
  let failed = 0
  for (const record of pack.records) {
    const expected = contents.get(record.id.toString('hex'))
    assert.ok(expected)
    try {
      assert.deepEqual(await reader.read(op, { pack: pack.sha256, record }), expected)
    } catch (error) {
      assert.ok(error instanceof TerpError && error.kind === 'corrupt', String(error))
      failed++
    }
  }
  assert.equal(await failuresInRooms(reader, pack, contents), failed)
  return failed
}

/** The same in memory that is used again for every read, as restores do. */
async function failuresInRooms(reader: ChunkReader, pack: SealedPack, contents: SmallPack['contents']): Promise<number> {
  const sealed = Buffer.alloc(100_000, 'left over')
  let failed = 0
  const rooms = { sealed: () => sealed, content: (bytes: number) => Buffer.alloc(bytes + 10, 'left over') }
  const locations = pack.records.map((record) => ({ pack: pack.sha256, record }))
  for await (const { location, content } of reader.readMany(op, locations, rooms)) {
    if (Buffer.isBuffer(content)) assert.deepEqual(content, contents.get(location.record.id.toString('hex')))
    else failed++
  }
  return failed
}

test('every flipped bit of a pack is detected, and no read returns wrong bytes', async () => {
  const small = await aSmallPack()
  const bytes = await small.store.get(op, small.name)
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = Buffer.from(bytes)
    flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7))
    assert.ok(await findDamage(small, flipped), `bit ${bit} of ${bytes.length * 8}`)
    const store = new MemoryStore()
    await store.put(op, small.name, flipped)
    await assertNoWrongBytes(store, small.keys, small.pack, small.contents)
  }
})

test('every flipped bit of a padded directory is detected', async () => {
  const small = await aSmallPack({ padding: 'padme' })
  const bytes = await small.store.get(op, small.name)
  for (let bit = 4000; bit < bytes.length * 8; bit += 4001) {
    const flipped = Buffer.from(bytes)
    flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7))
    assert.ok(await findDamage(small, flipped), `bit ${bit}`)
  }
})

test('a pack cut short at any byte is detected, and so is one that is too long', async () => {
  const small = await aSmallPack()
  const bytes = await small.store.get(op, small.name)
  for (let length = 0; length < bytes.length; length++) assert.ok(await findDamage(small, bytes.subarray(0, length)), `${length} bytes`)
  assert.ok(await findDamage(small, Buffer.concat([bytes, Buffer.alloc(1)])))
  assert.ok(await findDamage(small, Buffer.concat([bytes, bytes])))
})

test('a pack of which everything is zeros or ones is detected', async () => {
  const small = await aSmallPack()
  for (const fill of [0, 0xff]) assert.ok(await findDamage(small, Buffer.alloc(500, fill)))
})

test('damage of one entry leaves the others readable', async () => {
  const { store, keys, pack, contents, name } = await aSmallPack()
  const [first] = pack.records
  assert.ok(first)
  store.tamper(name, (bytes) => {
    bytes[first.offset] = (bytes[first.offset] as number) ^ 1
    return bytes
  })
  const { records, damage } = await verifyPack(op, store, keys, pack.sha256)
  assert.deepEqual(
    damage.map(({ code }) => code),
    ['CHUNK_DAMAGED'],
  )
  assert.deepEqual(records, pack.records.slice(1))
  assert.equal(await assertNoWrongBytes(store, keys, pack, contents), 1)
})

test('a pack that is not there is missing, not damaged', async () => {
  const { store, keys, pack, name } = await aSmallPack()
  store.tamper(name, () => undefined)
  await assert.rejects(verifyPack(op, store, keys, pack.sha256), { code: 'PACK_MISSING' })
})

const TWINS = [noise('twin one', 500), noise('twin two', 500)]

test('two entries that changed places are refused (R24)', async () => {
  const { store, keys, pack, contents, name } = await aSmallPack({ contents: TWINS })
  const [one, two] = pack.records
  assert.ok(one && two && one.storedBytes === two.storedBytes)
  store.tamper(name, (bytes) => {
    const first = Buffer.from(bytes.subarray(one.offset, one.offset + one.storedBytes))
    bytes.copyWithin(one.offset, two.offset, two.offset + two.storedBytes)
    bytes.set(first, two.offset)
    return bytes
  })
  assert.equal(await assertNoWrongBytes(store, keys, pack, contents), 2)
  assert.deepEqual((await verifyPack(op, store, keys, pack.sha256)).records, [])
})

test('a record that points to another entry, or calls it another type, is refused (R24)', async () => {
  const { store, keys, pack } = await aSmallPack({ contents: TWINS })
  const [one, two] = pack.records
  assert.ok(one && two)
  const reader = new ChunkReader(store, keys)
  const lies = [
    { ...one, offset: two.offset },
    { ...one, id: two.id },
    { ...one, type: CHUNK_TYPE.page },
    { ...one, compression: 1 as const },
    { ...one, contentBytes: one.contentBytes - 1 },
    { ...one, storedBytes: one.storedBytes - 1 },
    { ...one, storedBytes: 3 },
  ]
  for (const record of lies) await assert.rejects(reader.read(op, { pack: pack.sha256, record }), { code: 'CHUNK_DAMAGED' })
})

test('a pack of another repository is refused, also when that has the same master key (R24)', async () => {
  const small = await aSmallPack()
  const strangers = [someKeys('stranger'), { ...small.keys, repositoryId: new Uint8Array(16) }]
  for (const keys of strangers) {
    await assert.rejects(verifyPack(op, small.store, keys, small.pack.sha256), { code: 'PACK_DAMAGED' })
    assert.equal(await assertNoWrongBytes(small.store, keys, small.pack, small.contents), small.contents.size)
  }
})

test('an entry of another repository does not open with ours, even under our pack key', async () => {
  const small = await aSmallPack()
  const keys = { ...small.keys, idKey: new Uint8Array(32) }
  const { records, damage } = await verifyPack(op, small.store, keys, small.pack.sha256)
  assert.deepEqual(records, [])
  assert.equal(damage.length, small.contents.size)
})

test('a data pack does not pass for a tree pack', async () => {
  const { store, keys, pack, name } = await aSmallPack()
  store.tamper(name, (bytes) => {
    bytes[9] = PACK_CLASS.tree
    return bytes
  })
  await assert.rejects(readPackDirectory(op, store, keys, pack.sha256, pack.sizeBytes), { code: 'PACK_DAMAGED' })
})

test('a pack under the name of another is found by its hash, though every seal holds', async () => {
  const small = await aSmallPack()
  const other = 'ab'.repeat(32)
  await small.store.put(op, packName(other), await small.store.get(op, small.name))
  const { records, damage } = await verifyPack(op, small.store, small.keys, other)
  assert.equal(records.length, small.contents.size)
  assert.deepEqual(
    damage.map(({ code }) => code),
    ['PACK_DAMAGED'],
  )
})
