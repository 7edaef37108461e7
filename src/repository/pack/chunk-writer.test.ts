import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { aChunkWriter, someKeys } from '../../../test/support/packs.ts'
import { anOperation, namesIn, noise, runs } from '../../../test/support/pool.ts'
import type { Operation } from '../../base/operation.ts'
import { FaultyStore, MemoryStore, storageError } from '../../storage/index.ts'
import { KnownChunks } from '../index/known-chunks.ts'
import { CHUNK_TYPE } from '../keys/hierarchy.ts'
import { PACK_CLASS, packName, padmeSize } from './pack-format.ts'
import { readPackDirectory, verifyPack } from './pack-reader.ts'

test('what was written is in the packs, once, whatever the contents', async () => {
  const content = fc.oneof(
    fc.uint8Array({ maxLength: 2000 }).map((bytes) => Buffer.from(bytes)),
    fc
      .record({ seed: fc.integer({ max: 20, min: 0 }), length: fc.integer({ min: 0, max: 40_000 }) })
      .map(({ seed, length }) => noise(String(seed), length)),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(content, { maxLength: 20 }), fc.constantFrom('none', 'padme'), async (contents, padding) => {
      const op = anOperation('property')
      const { writer, store, keys, sealed } = aChunkWriter({ padding: padding as 'none' | 'padme' })
      const ids = new Set<string>()
      for (const bytes of contents) ids.add((await writer.write(op, CHUNK_TYPE.data, bytes)).id.toString('hex'))
      await writer.flush(op)
      const found: string[] = []
      for (const pack of sealed) {
        const { records, damage } = await verifyPack(op, store, keys, pack.sha256)
        assert.deepEqual(damage, [])
        assert.deepEqual(await readPackDirectory(op, store, keys, pack.sha256, pack.sizeBytes), records)
        found.push(...records.map(({ id }) => id.toString('hex')))
      }
      assert.deepEqual(found.sort(), [...ids].sort())
    }),
    runs(40),
  )
})

test('a pack has the name of its hash, and no more bytes than it may', async () => {
  const op = anOperation('names')
  const { writer, store, sealed } = aChunkWriter()
  for (let n = 0; n < 40; n++) await writer.write(op, CHUNK_TYPE.data, noise(`chunk ${n}`, 9000))
  await writer.flush(op)
  assert.ok(sealed.length >= 6)
  for (const { sha256, sizeBytes } of sealed) {
    const bytes = await store.get(op, packName(sha256))
    assert.equal(createHash('sha256').update(bytes).digest('hex'), sha256)
    assert.equal(bytes.length, sizeBytes)
    assert.ok(sizeBytes <= 65_536)
  }
})

test('a chunk that is larger than a pack gets one of its own', async () => {
  const op = anOperation('large')
  const { writer, store, keys, sealed } = aChunkWriter({ packBytes: 4096 })
  await writer.write(op, CHUNK_TYPE.data, noise('large', 50_000))
  await writer.write(op, CHUNK_TYPE.data, noise('small', 1000))
  await writer.flush(op)
  assert.deepEqual(
    sealed.map(({ records }) => records.length),
    [1, 1],
  )
  for (const { sha256 } of sealed) assert.deepEqual((await verifyPack(op, store, keys, sha256)).damage, [])
})

test('a known chunk is not stored again, and the answer says so', async () => {
  const op = anOperation('known')
  const { writer, sealed } = aChunkWriter()
  const first = await writer.write(op, CHUNK_TYPE.data, Buffer.alloc(500, 'x'))
  const second = await writer.write(op, CHUNK_TYPE.data, Buffer.alloc(500, 'x'))
  await writer.flush(op)
  assert.equal(first.addedBytes, 500)
  assert.ok(first.packedBytes < 500)
  assert.deepEqual(second, { id: first.id, addedBytes: 0, packedBytes: 0 })
  assert.equal(sealed[0]?.records.length, 1)
})

test('equal content of another type, or under another key, is another chunk', async () => {
  const op = anOperation('types')
  const content = Buffer.from('content')
  const { writer } = aChunkWriter({ packClass: PACK_CLASS.tree })
  const page = await writer.write(op, CHUNK_TYPE.page, content)
  const list = await writer.write(op, CHUNK_TYPE.list, content)
  const elsewhere = await aChunkWriter({ keys: someKeys('other') }).writer.write(op, CHUNK_TYPE.page, content)
  assert.equal(new Set([page, list, elsewhere].map(({ id }) => id.toString('hex'))).size, 3)
})

test('a padded pack that is full has exactly the size of a pack, another one the next Padmé size', async () => {
  const op = anOperation('padding')
  const { writer, sealed } = aChunkWriter({ padding: 'padme', packBytes: 262_144 })
  for (let n = 0; n < 30; n++) await writer.write(op, CHUNK_TYPE.data, noise(`padded ${n}`, 20_000 + n))
  await writer.flush(op)
  const sizes = sealed.map(({ sizeBytes }) => sizeBytes)
  assert.deepEqual(sizes.slice(0, -1), [262_144, 262_144])
  const last = sizes.at(-1) as number
  assert.equal(padmeSize(last), last)
})

test('a padded pack is never smaller than 64 KiB', async () => {
  const op = anOperation('tiny')
  const { writer, sealed } = aChunkWriter({ padding: 'padme', packBytes: 262_144 })
  await writer.write(op, CHUNK_TYPE.data, Buffer.from('x'))
  await writer.flush(op)
  assert.equal(sealed[0]?.sizeBytes, 65_536)
})

test('Padmé adds at most 12 %, never takes away, and leaves few sizes', () => {
  fc.assert(
    fc.property(fc.integer({ min: 65_536, max: 2 ** 30 }), (length) => {
      const size = padmeSize(length)
      assert.ok(size >= length && size <= length * 1.12)
      assert.equal(padmeSize(size), size)
    }),
    runs(500),
  )
})

test('no key and nonce come twice in a run (R27)', async () => {
  const op = anOperation('nonces')
  const seen = new Set<string>()
  let count = 0
  const known = KnownChunks.withRoomFor(1000)
  for (const packClass of [PACK_CLASS.data, PACK_CLASS.tree]) {
    const { writer, store, sealed } = aChunkWriter({ packClass, known, keys: someKeys('nonces') })
    const type = packClass === PACK_CLASS.data ? CHUNK_TYPE.data : CHUNK_TYPE.page
    for (let n = 0; n < 300; n++) await writer.write(op, type, noise(`nonce ${n}`, 900))
    await writer.flush(op)
    for (const { sha256, records } of sealed) {
      const salt = (await store.get(op, packName(sha256), { offset: 16, length: 32 })).toString('hex')
      // The directory's counter is no offset.
      for (const nonce of [...records.map(({ offset }) => offset), 0xffffffff]) {
        seen.add(`${packClass} ${salt} ${nonce}`)
        count++
      }
    }
  }
  assert.ok(count > 600)
  assert.equal(seen.size, count)
})

/** Puts that wait until they are let go. */
class SlowStore extends MemoryStore {
  waiting: (() => void)[] = []
  most = 0

  override async put(op: Operation, name: string, bytes: Uint8Array): Promise<'stored' | 'already-there'> {
    await new Promise<void>((resolve) => {
      this.waiting.push(resolve)
      this.most = Math.max(this.most, this.waiting.length)
    })
    return super.put(op, name, bytes)
  }
}

test('two packs are on their way while the next is filled; a slow store holds the writer up', async () => {
  const op = anOperation('slow')
  const store = new SlowStore()
  const { writer, sealed } = aChunkWriter({ store })
  let written = 0
  const work = (async () => {
    for (let n = 0; n < 60; n++) {
      await writer.write(op, CHUNK_TYPE.data, noise(`slow ${n}`, 9000))
      written++
    }
    await writer.flush(op)
  })()
  const settle = async () => {
    for (let n = 0; n < 200; n++) await Promise.resolve()
  }
  await settle()
  assert.ok(written < 30, `${written} chunks were taken while nothing was stored`)
  let isDone = false
  const end = work.then(() => {
    isDone = true
  })
  while (!isDone) {
    store.waiting.shift()?.()
    await settle()
  }
  await end
  assert.equal(store.most, 2)
  assert.equal((await namesIn(op, store, 'packs/')).length, sealed.length)
})

test('a pack that could not be published fails the flush and every later write that comes to a pack', async () => {
  const op = anOperation('failing')
  const store = new FaultyStore(new MemoryStore(), [{ verb: 'put', kind: 'error', skip: 1, error: storageError('STORAGE_FULL', 'full') }])
  const { writer, sealed } = aChunkWriter({ store })
  await writer.write(op, CHUNK_TYPE.data, noise('first', 1000))
  await writer.flush(op)
  await writer.write(op, CHUNK_TYPE.data, noise('second', 1000))
  await assert.rejects(writer.flush(op), { code: 'STORAGE_FULL' })
  await assert.rejects(
    async () => {
      for (let n = 0; n < 20; n++) await writer.write(op, CHUNK_TYPE.data, noise(`later ${n}`, 9000))
    },
    { code: 'STORAGE_FULL' },
  )
  await assert.rejects(writer.flush(op), { code: 'STORAGE_FULL' })
  assert.equal(sealed.length, 1)
  store.assertAllHit()
})

test('a cancelled operation publishes nothing more', async () => {
  const controller = new AbortController()
  const op = anOperation('cancelled', { signal: controller.signal })
  const { writer, store } = aChunkWriter()
  await writer.write(op, CHUNK_TYPE.data, Buffer.from('x'))
  controller.abort()
  await assert.rejects(writer.flush(op), { code: 'CANCELLED' })
  assert.deepEqual(await namesIn(anOperation('looking'), store, ''), [])
})

test('several writes at a time each store their own content', async () => {
  const op = anOperation('several')
  const store = new SlowStore()
  const { writer, sealed, keys } = aChunkWriter({ store })
  const contents = new Map<string, Buffer>()
  const user = async (number: number) => {
    for (let n = 0; n < 30; n++) {
      // Half of each can be compressed: then what is stored lies in a buffer of the writer's.
      const content = Buffer.concat([noise(`${number} ${n}`, 2000 + 700 * number + ((n * 97) % 1500)), Buffer.alloc(4000, number)])
      contents.set((await writer.write(op, CHUNK_TYPE.data, content)).id.toString('hex'), content)
    }
  }
  let isDone = false
  const work = Promise.all([0, 1, 2, 3].map(user))
    .then(() => writer.flush(op))
    .then(() => {
      isDone = true
    })
  while (!isDone) {
    store.waiting.shift()?.()
    for (let n = 0; n < 20; n++) await Promise.resolve()
  }
  await work
  let found = 0
  for (const { sha256 } of sealed) {
    const { records, damage } = await verifyPack(op, store, keys, sha256)
    assert.deepEqual(damage, [])
    found += records.length
  }
  assert.equal(found, contents.size)
})
