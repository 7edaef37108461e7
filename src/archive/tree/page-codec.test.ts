import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { noise, runs } from '../../../test/support/pool.ts'
import { anEntry, byPath } from '../../../test/support/trees.ts'
import { TerpError } from '../../base/errors.ts'
import type { Entry, Extent } from '../entry.ts'
import { decodePage, encodeInnerPage, isLeaf, LeafEncoder } from './page-codec.ts'

/** Without it fast-check makes some objects without a prototype. */
const PLAIN = { noNullPrototype: true }
const bytes = (min: number, max: number) => fc.uint8Array({ minLength: min, maxLength: max }).map((b) => Buffer.from(b))
const size = fc.oneof(fc.integer({ min: 0, max: 1000 }), fc.integer({ min: 0, max: 2 ** 45 }))
const chunk = fc.integer({ min: 0, max: 9 }).map((n) => noise(`chunk ${n}`, 32))
const extent: fc.Arbitrary<Extent> = fc.oneof(
  size.map((length): Extent => ({ kind: 'hole', length })),
  fc.record({ chunk, offset: size, length: size }).map((rest): Extent => ({ kind: 'data', ...rest })),
  fc.record({ chunk, length: size }).map((rest): Extent => ({ kind: 'list', ...rest })),
)
const seconds = fc.integer({ min: -(2 ** 40), max: 2 ** 40 })
const nanoseconds = fc.integer({ min: 0, max: 999_999_999 })
const owner = fc.option(fc.constantFrom('root', 'user', 'jörg', ''), { nil: undefined })

const common = fc.record({
  unsettled: fc.boolean(),
  sparse: fc.boolean(),
  ancestor: fc.boolean(),
  mode: fc.integer({ min: 0, max: 0o7777 }),
  uid: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  gid: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  userName: owner,
  groupName: owner,
  mtimeSec: seconds,
  mtimeNs: nanoseconds,
  ctimeSec: seconds,
  ctimeNs: nanoseconds,
  dev: size,
  ino: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
  links: fc.integer({ min: 1, max: 70_000 }),
  inodeFlags: fc.option(fc.integer({ min: 0, max: 2 ** 32 - 1 }), { nil: undefined }),
  xattrs: fc.array(fc.record({ name: bytes(1, 20), value: bytes(0, 40) }, PLAIN), { maxLength: 3 }),
})
const born = fc.option(fc.record({ bornSec: seconds, bornNs: nanoseconds }), { nil: { bornSec: undefined, bornNs: 0 } })
const kind: fc.Arbitrary<Partial<Entry>> = fc.oneof(
  fc.record({ kind: fc.constant('file' as const), sizeBytes: size, extents: fc.array(extent, { maxLength: 5 }) }),
  fc.record({ kind: fc.constantFrom('folder' as const, 'fifo' as const, 'socket' as const) }),
  fc.record({ kind: fc.constant('symlink' as const), target: bytes(0, 30) }),
  fc.record({
    kind: fc.constantFrom('character-device' as const, 'block-device' as const),
    major: fc.integer({ min: 0, max: 4095 }),
    minor: fc.integer({ min: 0, max: 2 ** 20 - 1 }),
  }),
)
const entries = fc
  .array(fc.record({ path: bytes(1, 8), common, born, kind }), { maxLength: 12 })
  .map((given) =>
    byPath(
      new Map(given.map((one) => [one.path.toString('latin1'), anEntry(one.path, { ...one.common, ...one.born, ...one.kind })])).values(),
    ),
  )

function encode(list: readonly Entry[]): Buffer {
  const leaf = new LeafEncoder()
  for (const entry of list) leaf.add(entry)
  return leaf.finish()
}

test('entries of every kind are read as they were written', () => {
  fc.assert(
    fc.property(entries, (list) => {
      const page = decodePage(encode(list))
      assert.ok(isLeaf(page))
      assert.deepEqual(page.entries, list)
      const named = new Set(list.flatMap(({ extents }) => extents.flatMap((e) => (e.kind === 'hole' ? [] : [e.chunk.toString('hex')]))))
      assert.deepEqual(new Set(page.chunks.map((id) => id.toString('hex'))), named)
    }),
    runs(300),
  )
})

test('equal entries make equal bytes', () => {
  const list = [anEntry('a'), anEntry('b', { userName: undefined })]
  assert.deepEqual(encode(list), encode(list.map((entry) => ({ ...entry }))))
})

test('children of an inner page are read as they were written', () => {
  const child = fc.record({ firstPath: bytes(1, 30), id: bytes(32, 32), entries: size, contentBytes: size }, PLAIN)
  fc.assert(
    fc.property(fc.array(child, { maxLength: 20 }), fc.integer({ min: 1, max: 5 }), (children, level) => {
      assert.deepEqual(decodePage(encodeInnerPage(level, children)), { level, children })
    }),
    runs(100),
  )
})

/** A page, or TREE_DAMAGED: nothing else, and soon. */
function assertHandled(bytesOfPage: Uint8Array): void {
  try {
    decodePage(bytesOfPage)
  } catch (error) {
    assert.ok(error instanceof TerpError && error.code === 'TREE_DAMAGED', String(error))
  }
}

test('hostile bytes are a page or TREE_DAMAGED, never anything else', () => {
  const start = fc.constantFrom([], [1, 0], [1, 1], [1, 0, 1, 0, 0], [1, 0, 0xff, 0xff, 0xff, 0xff, 0x0f])
  fc.assert(
    fc.property(start, bytes(0, 60), (head, rest) => assertHandled(Buffer.concat([Buffer.from(head), rest]))),
    runs(3000),
  )
})

test('every flipped bit and every cut of a page is a page or TREE_DAMAGED', () => {
  const extents: Extent[] = [
    { kind: 'data', chunk: noise('x', 32), offset: 3, length: 70 },
    { kind: 'hole', length: 5 },
  ]
  const page = encode([
    anEntry('a/b', { sizeBytes: 75, extents, xattrs: [{ name: Buffer.from('user.x'), value: Buffer.from('y') }] }),
    anEntry('a/c'),
  ])
  for (let bit = 0; bit < page.length * 8; bit++) {
    const flipped = Buffer.from(page)
    flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7))
    assertHandled(flipped)
  }
  for (let length = 0; length < page.length; length++) {
    assert.throws(() => decodePage(page.subarray(0, length)), { code: 'TREE_DAMAGED' })
  }
  assert.throws(() => decodePage(Buffer.concat([page, Buffer.alloc(1)])), { code: 'TREE_DAMAGED' })
})

test('a page of an unknown version is refused', () => {
  assert.throws(() => decodePage(Buffer.from([2, 0, 0, 0, 0])), { code: 'TREE_DAMAGED' })
})
