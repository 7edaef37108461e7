/** Holds docs/format.md §15 to the code and the code to the page: what the page shows decodes to what it says, and is made again byte by byte. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { crc32 } from 'node:zlib'
import { readBlock } from '../../scripts/generated-block.ts'
import {
  CONTENT_CHUNKS,
  CUT_PARAMETERS,
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
import { gear32 } from '../../src/chunking/index.ts'
import { unseal } from '../../src/repository/format/aead.ts'
import { decodeFormat } from '../../src/repository/format/format-file.ts'
import { decodeSealedObject, OBJECT_KIND } from '../../src/repository/format/sealed-object.ts'
import { decodeIndexRecord } from '../../src/repository/index/chunk-index.ts'
import { decodeSegment } from '../../src/repository/index/segment.ts'
import {
  type ChunkType,
  decodeKeyBundle,
  encodeKeyBundle,
  gearTable,
  listKeySlots,
  pageSeed,
  parseKeyFile,
  parsePassphrase,
  unwrapBundle,
} from '../../src/repository/index.ts'
import { chunkId, deriveKeys, deriveObjectKey, sourceId } from '../../src/repository/keys/hierarchy.ts'
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
    assert.deepEqual(pairs('source id'), [[SOURCE, sourceId(keys(), SOURCE)]])
  })

  it('give the gear table, cuts and the hash that ends pages', () => {
    const table = gearTable(keys())
    const shown = text('gear table').split(' ')
    assert.deepEqual(
      shown.map((number) => Number.parseInt(number, 16)),
      [...table.subarray(0, shown.length)],
    )
    // The rule of §7 as the page says it, without the code that is fast.
    const stream = cutStream()
    const { minBytes, targetBytes, maxBytes } = CUT_PARAMETERS
    const bits = Math.log2(targetBytes)
    const ends: number[] = []
    for (let start = 0; start < stream.length; ) {
      let hash = 0
      let n = minBytes - 64
      for (;;) {
        hash = (hash * 2 + (table[stream[start + n] as number] as number)) % 2 ** 32
        n++
        const zeros = n < targetBytes ? bits + 2 : bits - 2
        if ((n >= minBytes && hash < 2 ** (32 - zeros)) || n === maxBytes) break
      }
      start = Math.min(start + n, stream.length)
      ends.push(start)
    }
    assert.equal(ends.join(' '), text('cuts'))
    const cutter = gear32(CUT_PARAMETERS, table)
    ends.forEach((end, i) => {
      assert.equal(cutter.findCut(stream, ends[i - 1] ?? 0, stream.length), end)
    })
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
