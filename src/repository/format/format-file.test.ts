import assert from 'node:assert/strict'
import { test } from 'node:test'
import { anOperation, aPool, KEY_FILE, SMALL_CHUNKS } from '../../../test/support/pool.ts'
import { MemoryStore } from '../../storage/index.ts'
import { Repository } from '../repository.ts'
import { decodeCheckedLine, encodeCheckedLine } from './checked-line.ts'
import { decodeFormat, encodeFormat, type RepositoryFormat, readFormat } from './format-file.ts'

const FORMAT: RepositoryFormat = {
  version: 2,
  contentHash: 'blake3',
  objectHash: 'sha256',
  repositoryId: 'ab'.repeat(16),
  kind: 'vault',
  chunking: SMALL_CHUNKS,
  packBytes: 65_536,
  padding: 'padme',
}
const op = anOperation('format')

async function stored(copies: Record<string, Buffer>): Promise<MemoryStore> {
  const store = new MemoryStore()
  for (const [name, bytes] of Object.entries(copies)) await store.put(op, name, bytes)
  return store
}

/** FORMAT with fields of a later program. */
function formatWith(fields: object): Buffer {
  return encodeCheckedLine({ ...decodeCheckedLine(encodeFormat(FORMAT, 0)), ...fields })
}

test('FORMAT is read as it was written', () => {
  assert.deepEqual(decodeFormat(encodeFormat(FORMAT, 0), 'read'), FORMAT)
})

test('every flipped bit of FORMAT is found', () => {
  const bytes = encodeFormat(FORMAT, 0)
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = Buffer.from(bytes)
    flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7))
    assert.equal(decodeFormat(flipped, 'read'), undefined, `bit ${bit}`)
  }
})

test('FORMAT cut short anywhere is found', () => {
  const bytes = encodeFormat(FORMAT, 0)
  for (let length = 0; length < bytes.length; length++) assert.equal(decodeFormat(bytes.subarray(0, length), 'read'), undefined)
})

test('one copy is enough, whichever it is; a damaged one is told', async () => {
  const good = encodeFormat(FORMAT, 0)
  const bad = Buffer.from('x')
  for (const copies of [{ FORMAT: bad, 'FORMAT.copy': good }, { FORMAT: good }, { 'FORMAT.copy': good }]) {
    assert.deepEqual(await readFormat(op, await stored(copies), 'read'), FORMAT)
  }
  assert.deepEqual(
    op.warnings.map(({ code, item }) => `${code} ${item}`),
    ['REPOSITORY_FORMAT_DAMAGED FORMAT'],
  )
})

test('two damaged copies are told apart from no repository', async () => {
  const bad = Buffer.from('x')
  await assert.rejects(readFormat(op, await stored({ FORMAT: bad, 'FORMAT.copy': bad }), 'read'), { code: 'REPOSITORY_FORMAT_DAMAGED' })
  await assert.rejects(readFormat(op, await stored({ FORMAT: Buffer.alloc(0) }), 'read'), { code: 'REPOSITORY_FORMAT_DAMAGED' })
  await assert.rejects(readFormat(op, new MemoryStore(), 'read'), { code: 'REPOSITORY_NOT_FOUND' })
})

test('a repository that needs a newer reader is refused, one that needs a newer writer only to write', async () => {
  const newReader = await stored({ FORMAT: formatWith({ min_reader: 3, min_writer: 3 }) })
  await assert.rejects(readFormat(op, newReader, 'read'), { code: 'REPOSITORY_TOO_NEW' })
  const newWriter = await stored({ FORMAT: formatWith({ version: 3, min_writer: 3, more: 'unknown' }) })
  assert.deepEqual(await readFormat(op, newWriter, 'read'), FORMAT)
  await assert.rejects(readFormat(op, newWriter, 'write'), { code: 'REPOSITORY_TOO_NEW' })
})

test('chunking that is not known is refused, never guessed', () => {
  assert.throws(() => decodeFormat(formatWith({ chunking: { algorithm: 'rabin' } }), 'read'), { code: 'REPOSITORY_TOO_NEW' })
})

test('a repository is never made over another, also where only one copy of FORMAT is left', async () => {
  const making = anOperation('made twice')
  const store = new MemoryStore()
  await aPool(making, { store })
  await assert.rejects(aPool(making, { store }), { code: 'REPOSITORY_EXISTS' })
  store.tamper('FORMAT', () => undefined)
  await assert.rejects(aPool(making, { store }), { code: 'REPOSITORY_EXISTS' })
})

test('a pool has no padding and a vault has', async () => {
  assert.equal((await aPool(anOperation('p'))).format.padding, 'none')
  const store = new MemoryStore()
  await aPool(anOperation('v'), { store, kind: 'vault' })
  assert.equal((await Repository.open(op, store, KEY_FILE)).format.padding, 'padme')
})
