import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { runs } from '../../test/support/pool.ts'
import { ByteReader, ByteWriter, equalBytes, fromHex, toHex } from './bytes.ts'

class Refused extends Error {}
const refuse = (why: string) => new Refused(why)

type Field =
  | { readonly kind: 'u8' | 'u24' | 'u32' | 'u64' | 'varint' | 'svarint'; readonly value: number }
  | { readonly kind: 'raw' | 'bytes'; readonly value: Uint8Array }

const integer = (kind: Extract<Field, { value: number }>['kind'], min: number, max: number) =>
  fc.integer({ min, max }).map((value): Field => ({ kind, value }))
const field: fc.Arbitrary<Field> = fc.oneof(
  integer('u8', 0, 0xff),
  integer('u24', 0, 0xffffff),
  integer('u32', 0, 0xffffffff),
  integer('u64', 0, Number.MAX_SAFE_INTEGER),
  integer('varint', 0, Number.MAX_SAFE_INTEGER),
  integer('varint', 0, 300),
  integer('svarint', -(2 ** 52), 2 ** 52 - 1),
  integer('svarint', -70, 70),
  fc.uint8Array({ maxLength: 3000 }).map((value): Field => ({ kind: 'raw', value })),
  fc.uint8Array({ maxLength: 300 }).map((value): Field => ({ kind: 'bytes', value })),
)

function write(writer: ByteWriter, one: Field): void {
  if (typeof one.value !== 'number') writer[one.kind as 'raw' | 'bytes'](one.value)
  else writer[one.kind as 'u8'](one.value)
}

function read(reader: ByteReader, one: Field): number | Buffer {
  return one.kind === 'raw' ? reader.raw(one.value.length) : reader[one.kind]()
}

test('what was written is read again, whatever the fields and their order', () => {
  fc.assert(
    fc.property(fc.array(field, { maxLength: 30 }), (fields) => {
      const writer = new ByteWriter(1)
      for (const one of fields) write(writer, one)
      const bytes = writer.finish()
      assert.equal(writer.length, bytes.length)
      const reader = new ByteReader(bytes, refuse)
      for (const one of fields) {
        const found = read(reader, one)
        if (typeof one.value === 'number') assert.equal(found, one.value)
        else assert.ok(Buffer.isBuffer(found) && equalBytes(found, one.value))
      }
      reader.end()
    }),
    runs(300),
  )
})

test('integers lie as the format says: little-endian, LEB128, zigzag', () => {
  const hex = (act: (writer: ByteWriter) => ByteWriter) => toHex(act(new ByteWriter(1)).finish())
  assert.equal(
    hex((w) => w.u24(0x010203)),
    '030201',
  )
  assert.equal(
    hex((w) => w.u32(0x01020304)),
    '04030201',
  )
  assert.equal(
    hex((w) => w.u64(2 ** 40)),
    '0000000000010000',
  )
  assert.equal(
    hex((w) => w.varint(300)),
    'ac02',
  )
  assert.equal(
    hex((w) => w.svarint(-1).svarint(1).svarint(-2)),
    '010203',
  )
})

test('hostile bytes give a value or the given error, whatever is asked of them', () => {
  const ask = fc.constantFrom('u8', 'u24', 'u32', 'u64', 'varint', 'svarint', 'bytes', 'end')
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), fc.array(ask, { maxLength: 12 }), (bytes, asked) => {
      const reader = new ByteReader(bytes, refuse)
      try {
        for (const verb of asked) reader[verb as 'u8']()
      } catch (error) {
        assert.ok(error instanceof Refused, String(error))
      }
      assert.ok(reader.at + reader.left === bytes.length)
    }),
    runs(1000),
  )
})

test('a length that claims more than there is is refused before anything is allocated', () => {
  const claim = new ByteWriter().varint(Number.MAX_SAFE_INTEGER).finish()
  assert.throws(() => new ByteReader(claim, refuse).bytes(), Refused)
})

test('a varint that never ends, or is larger than a safe integer, is refused', () => {
  assert.throws(() => new ByteReader(Buffer.alloc(20, 0xff), refuse).varint(), Refused)
  assert.throws(() => new ByteReader(fromHex('ffffffffffffff7f'), refuse).varint(), Refused)
  assert.throws(() => new ByteReader(fromHex('ffffffffffffffff'), refuse).u64(), Refused)
})

test('bytes that are left over are refused at the end', () => {
  assert.throws(() => new ByteReader(fromHex('0000'), refuse).end(), Refused)
})
