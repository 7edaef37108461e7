/** Holds docs/format.md §15 to the code and the code to the page: what the page shows decodes to what it says, and is made again byte by byte. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { crc32 } from 'node:zlib'
import { readBlock } from '../../scripts/generated-block.ts'
import {
  CONTENT_CHUNKS,
  CUT_SIZES,
  cutStream,
  FORMAT_PAGE,
  FRAME_CONTENT,
  fromJson,
  KEY_BYTES,
  KEY_FILE,
  listedExtents,
  makeVectors,
  PASSPHRASE,
  SOURCE,
} from '../../scripts/write-vectors.ts'
import { comparePaths } from '../../src/archive/entry.ts'
import type { Entry } from '../../src/archive/index.ts'
import { decodeContentList } from '../../src/archive/tree/content-list.ts'
import { decodePage, isLeaf } from '../../src/archive/tree/page-codec.ts'
import { ByteReader, fromHex } from '../../src/base/bytes.ts'
import { startOperation } from '../../src/base/operation.ts'
import { createCutter } from '../../src/chunking/index.ts'
import { unseal } from '../../src/repository/format/aead.ts'
import { decodeFormat } from '../../src/repository/format/format-file.ts'
import { decodeSealedObject, OBJECT_KIND } from '../../src/repository/format/sealed-object.ts'
import { decodeIndexRecord, decodeSegment } from '../../src/repository/index/segment.ts'
import {
  type ChunkType,
  cutterKey,
  decodeKeyBundle,
  encodeKeyBundle,
  listKeySlots,
  pageSeed,
  parseKeyFile,
  parsePassphrase,
  unwrapBundle,
} from '../../src/repository/index.ts'
import { chunkId, deriveKeys, deriveObjectKey, objectHash, sourceId } from '../../src/repository/keys/hierarchy.ts'
import { decodeManifest } from '../../src/repository/manifest/manifest.ts'
import { decompress } from '../../src/repository/pack/compression.ts'
import { entryAssociatedData, packOfName, padmeSize } from '../../src/repository/pack/pack-format.ts'
import { decodePackHeader, openEntry, readPackDirectory, verifyPack } from '../../src/repository/pack/pack-reader.ts'
import { MemoryStore } from '../../src/storage/index.ts'

const block = readBlock(readFileSync(FORMAT_PAGE, 'utf8'), 'vectors')
const op = startOperation()

/** Name → values, in the order of the page. What stands in brackets is for people. */
const vectors = new Map<string, string[]>()
for (const [, code] of block.matchAll(/```text\n([\s\S]*?)\n```/g)) {
  for (const [, name, value] of (code ?? '').matchAll(/^(\S[^(:\n]*?)(?: \(.*\))?:(.*(?:\n {2}.*)*)/gm)) {
    vectors.set(name as string, [...(vectors.get(name as string) ?? []), (value as string).replace(/^[ \n]+/, '').replaceAll('\n  ', '\n')])
  }
}

function text(name: string): string {
  const [value, ...others] = vectors.get(name) ?? []
  assert.ok(value !== undefined && others.length === 0, `the page has one vector «${name}»`)
  return value
}
const bytes = (name: string) => fromHex(text(name).replaceAll('\n', ''))
const pairs = (name: string) =>
  text(name)
    .split(' ')
    .map((pair) => pair.split('=') as [string, string])

const bundle = () => {
  const decoded = decodeKeyBundle(bytes('bundle'))
  assert.ok(decoded)
  return decoded
}
const keys = () => deriveKeys(bundle(), text('repository id'))

describe('the test vectors of docs/format.md', () => {
  it('are what the code writes today, byte by byte', async () => {
    assert.equal(block, await makeVectors(bytes('entry frame')))
  })

  it('give the integers', () => {
    for (const [value, encoded] of pairs('varint')) assert.equal(new ByteReader(fromHex(encoded)).varint(), Number(value))
    for (const [value, encoded] of pairs('svarint')) assert.equal(new ByteReader(fromHex(encoded)).svarint(), Number(value))
    for (const [length, size] of pairs('padme')) assert.equal(padmeSize(Number(length)), Number(size))
  })

  it('give paths in their order', () => {
    const paths = (JSON.parse(text('path order')) as string[]).map((path) => Buffer.from(path))
    for (let i = 1; i < paths.length; i++) assert.ok(comparePaths(paths[i - 1] as Buffer, paths[i] as Buffer) < 0, `${paths[i]}`)
  })

  it('give keys, FORMAT and key slots that open', async () => {
    assert.deepEqual(bytes('bundle'), KEY_BYTES)
    assert.deepEqual(Buffer.from(keys().dataKey), bytes('data key'))
    assert.deepEqual(Buffer.from(keys().metaKey), bytes('meta key'))
    assert.equal(decodeFormat(Buffer.from(`${text('FORMAT')}\n`), 'write')?.repositoryId, text('repository id'))
    const secrets = { 'key file': parseKeyFile(Buffer.from(text('key file'))), passphrase: parsePassphrase(text('passphrase')) }
    assert.deepEqual([text('key file'), text('passphrase')], [KEY_FILE, PASSPHRASE])
    for (const [name, secret] of Object.entries(secrets)) {
      const line = text(`slot of the ${name}`)
      const store = new MemoryStore()
      await store.put(op, `keys/${(JSON.parse(line.split('\n')[0] as string) as { slot: string }).slot}.key`, Buffer.from(`${line}\n`))
      const [slot] = (await listKeySlots(op, store)).slots
      assert.ok(slot)
      const opened = unwrapBundle(slot, text('repository id'), secret)
      assert.deepEqual(opened && encodeKeyBundle(opened), bytes('bundle'))
      for (const wrong of Object.values(secrets))
        if (wrong !== secret) assert.equal(unwrapBundle(slot, text('repository id'), wrong), undefined)
    }
  })

  it('give ids of chunks and of sources', () => {
    const ids = text('chunk ids').split(' ')
    ids.forEach((id, i) => {
      assert.equal(chunkId(keys(), (i + 1) as ChunkType, Buffer.from('hello')).toString('hex'), id)
    })
    assert.equal(chunkId({ ...keys(), contentHash: 'blake3' }, 1, Buffer.from('hello')).toString('hex'), text('chunk id with blake3'))
    assert.equal(objectHash({ contentHash: 'blake3', objectHash: 'blake3' }, Buffer.from('hello')), text('object hash with blake3'))
    assert.deepEqual(pairs('source id'), [[SOURCE, sourceId(keys(), SOURCE)]])
  })

  // The rules of §7 as the page says them, without the code that is fast.
  const endsBy = (ends: (stream: Buffer, chunk: number, n: number, zeroBits: number) => boolean): number[] => {
    const stream = cutStream()
    const { minBytes, targetBytes, maxBytes } = CUT_SIZES
    const bits = Math.log2(targetBytes)
    const found: number[] = []
    for (let start = 0; start < stream.length; ) {
      let n = minBytes
      while (n < maxBytes && start + n < stream.length && !ends(stream, start, n, n < targetBytes ? bits + 2 : bits - 2)) n++
      start = Math.min(start + n, stream.length)
      found.push(start)
    }
    return found
  }
  const cutBy = (algorithm: 'gear32' | 'sieve'): number[] => {
    const stream = cutStream()
    const cutter = createCutter({ algorithm, ...CUT_SIZES }, cutterKey(keys(), algorithm))
    const found: number[] = []
    for (let at = 0; at < stream.length; found.push(at)) at = cutter.findCut(stream, at, stream.length)
    return found
  }

  it('give the gear table and its cuts', () => {
    const key = Buffer.from(cutterKey(keys(), 'gear32'))
    const table = Array.from({ length: 256 }, (_, i) => key.readUInt32LE(i * 4))
    const shown = text('gear table').split(' ')
    assert.deepEqual(
      shown.map((number) => Number.parseInt(number, 16)),
      table.slice(0, shown.length),
    )
    const found = endsBy((stream, chunk, n, zeroBits) => {
      let hash = 0
      // What is older than 64 bytes is shifted out.
      for (let i = Math.max(CUT_SIZES.minBytes, n) - 64; i < n; i++)
        hash = (hash * 2 + (table[stream[chunk + i] as number] as number)) % 2 ** 32
      return hash < 2 ** (32 - zeroBits)
    })
    assert.equal(found.join(' '), text('cuts by gear32'))
    assert.deepEqual(cutBy('gear32'), found)
  })

  it('give the key and the cuts of sieve', () => {
    const key = Buffer.from(cutterKey(keys(), 'sieve'))
    assert.ok(key.equals(bytes('sieve key')))
    const [k0, k1, c4, c8, c16] = [16, 18, 20, 22, 24].map((at) => key.readUInt16LE(at) | 1) as [number, number, number, number, number]
    const summand = key.readUInt16LE(26) | 0x8000
    const factors = Array.from({ length: 16 }, (_, j) => {
      const product = (a: number, b: number) => (a * b) % 65_536
      const older = [...((j & 2) === 0 ? [c4] : []), ...((j & 4) === 0 ? [c8] : []), ...((j & 8) === 0 ? [c16] : [])]
      return older.reduce(product, j % 2 === 0 ? k0 : k1)
    })
    const sumBits = Math.floor(Math.log2(CUT_SIZES.targetBytes) / 2)
    const found = endsBy((stream, chunk, n, zeroBits) => {
      const at = chunk + n
      const sum = factors.reduce((total, factor, j) => (total + factor * stream.readUInt16LE(at - 32 + 2 * j)) % 65_536, summand)
      if (sum >= 2 ** (16 - sumBits)) return false
      return sipHash(key.subarray(0, 16), stream.subarray(at - 32, at)) % 2n ** BigInt(zeroBits - sumBits) === 0n
    })
    assert.equal(found.join(' '), text('cuts by sieve'))
    assert.deepEqual(cutBy('sieve'), found)
  })

  it('give the hash that ends pages', () => {
    assert.equal(pageSeed(keys()), Number.parseInt(text('page seed'), 16))
    for (const [path, value] of pairs('page crc')) assert.equal(crc32(path, pageSeed(keys())), Number.parseInt(value, 16))
  })

  it('give an entry of a pack, which decrypts and decompresses to its content', () => {
    const derived = deriveObjectKey(keys().dataKey, bytes('entry salt'), 'terp/1/pack')
    assert.deepEqual(Buffer.from(derived.key), bytes('entry key'))
    assert.deepEqual(Buffer.from(derived.commitment), bytes('entry commitment'))
    const id = chunkId(keys(), 1, FRAME_CONTENT)
    const associated = entryAssociatedData(keys(), 1, { id, offset: 4711, type: 1, compression: 1 })
    assert.deepEqual(associated, bytes('entry associated data'))
    const stored = unseal(derived.key, 4711, associated, bytes('entry'))
    assert.deepEqual(stored, bytes('entry frame'))
    assert.deepEqual(stored && decompress(stored, FRAME_CONTENT.length), FRAME_CONTENT)
  })

  it('give a pack, whose directory and entries are whole, and its index segment', async () => {
    const sha256 = packOfName(text('pack name'))
    assert.ok(sha256)
    assert.equal(createHash('sha256').update(bytes('pack')).digest('hex'), sha256)
    const store = new MemoryStore()
    await store.put(op, text('pack name'), bytes('pack'))
    const records = await readPackDirectory(op, store, keys(), sha256, bytes('pack').length)
    const header = decodePackHeader(keys(), sha256, bytes('pack'))
    const contents = records.map((record) =>
      openEntry(
        keys(),
        sha256,
        header,
        record,
        bytes('pack').subarray(record.offset, record.offset + record.storedBytes),
      ).content.toString(),
    )
    assert.deepEqual(contents, ['hello', 'wörld'])
    assert.deepEqual((await verifyPack(op, store, keys(), sha256)).damage, [])

    assert.equal(`index/${createHash('sha256').update(bytes('segment')).digest('hex')}.idx`, text('segment name'))
    const segment = decodeSegment(keys(), bytes('segment'))
    assert.deepEqual(segment.packs, [{ sha256, sizeBytes: bytes('pack').length }])
    const indexed = [0, 46].map((at) => decodeIndexRecord(segment.records, at))
    assert.deepEqual(
      indexed,
      records.toSorted((a, b) => a.id.compare(b.id)),
    )
  })

  it('give pages with one entry of each kind, and a content list', () => {
    const common = fromJson(text('entries in common')) as Entry
    const expected = (vectors.get('entry of the page') ?? []).map((line) => ({ ...common, ...(fromJson(line) as Entry) }))
    assert.deepEqual(new Set(expected.map(({ kind }) => kind)).size, 7)
    const page = decodePage(bytes('leaf page'))
    assert.ok(isLeaf(page))
    assert.deepEqual(page.entries, expected)
    assert.deepEqual(page.chunks, CONTENT_CHUNKS)
    assert.deepEqual(decodePage(bytes('empty page')), { level: 0, entries: [], chunks: [] })
    assert.deepEqual(decodePage(bytes('inner page')), { level: 1, children: fromJson(text('children')) })
    assert.deepEqual(decodeContentList(bytes('content list')), listedExtents())
  })

  it('give a manifest and a configuration, which are bound to their places', () => {
    const manifest = decodeManifest(keys(), text('manifest name'), bytes('manifest'))
    assert.equal(manifest.source, SOURCE)
    assert.equal(manifest.publicPart.source, sourceId(keys(), SOURCE))
    assert.ok(text('manifest name').endsWith(`-${createHash('sha256').update(bytes('manifest')).digest('hex')}.point`))
    const elsewhere = text('manifest name').replace('/0000000001-', '/0000000002-')
    assert.throws(() => decodeManifest(keys(), elsewhere, bytes('manifest')), { code: 'MANIFEST_DAMAGED' })

    const place = text('configuration name').replace(/\.conf$/, '')
    const { body } = decodeSealedObject(keys(), OBJECT_KIND.configuration, place, bytes('configuration'))
    assert.equal(body.toString(), '{"said":"hello"}')
    const other = place.replace('note', 'vault')
    assert.throws(() => decodeSealedObject(keys(), OBJECT_KIND.configuration, other, bytes('configuration')))
  })
})

/** SipHash-2-4 as its paper says it, of a message whose length is a multiple of 8. */
function sipHash(key: Buffer, message: Buffer): bigint {
  const word = (bytes: Buffer, at: number) => bytes.readBigUInt64LE(at)
  const wrap = (value: bigint) => BigInt.asUintN(64, value)
  const rotate = (value: bigint, by: bigint) => wrap((value << by) | (value >> (64n - by)))
  const start = Buffer.from('736f6d6570736575646f72616e646f6d6c7967656e6572617465646279746573', 'hex')
  const v = [0, 1, 2, 3].map((i) => start.readBigUInt64BE(i * 8) ^ word(key, (i % 2) * 8)) as [bigint, bigint, bigint, bigint]
  const rounds = (count: number) => {
    for (let i = 0; i < count; i++) {
      v[0] = wrap(v[0] + v[1])
      v[2] = wrap(v[2] + v[3])
      v[1] = rotate(v[1], 13n) ^ v[0]
      v[3] = rotate(v[3], 16n) ^ v[2]
      v[0] = wrap(rotate(v[0], 32n) + v[3])
      v[2] = wrap(v[2] + v[1])
      v[1] = rotate(v[1], 17n) ^ v[2]
      v[3] = rotate(v[3], 21n) ^ v[0]
      v[2] = rotate(v[2], 32n)
    }
  }
  const words = Array.from({ length: message.length / 8 }, (_, i) => word(message, i * 8))
  for (const m of [...words, BigInt(message.length % 256) << 56n]) {
    v[3] ^= m
    rounds(2)
    v[0] ^= m
  }
  v[2] ^= 0xffn
  rounds(4)
  return v[0] ^ v[1] ^ v[2] ^ v[3]
}
