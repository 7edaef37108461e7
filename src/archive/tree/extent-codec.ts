/** Extents and the table of chunks that they name by number: docs/format.md §9.2. */
import type { ByteReader, ByteWriter } from '../../base/bytes.ts'
import type { Extent } from '../entry.ts'

const KIND = { hole: 0, data: 1, list: 2 } as const

export class ChunkTable {
  readonly #numbers = new Map<string, number>()
  readonly #ids: Buffer[] = []

  number(id: Buffer): number {
    const key = id.toString('latin1')
    const known = this.#numbers.get(key)
    if (known !== undefined) return known
    this.#numbers.set(key, this.#ids.length)
    this.#ids.push(id)
    return this.#ids.length - 1
  }

  get ids(): readonly Buffer[] {
    return this.#ids
  }

  write(writer: ByteWriter): void {
    writer.varint(this.#ids.length)
    for (const id of this.#ids) writer.raw(id)
  }
}

export function readChunkTable(reader: ByteReader): Buffer[] {
  const count = reader.varint()
  if (count * 32 > reader.left) reader.raw(count * 32) // throws what the reader throws
  return Array.from({ length: count }, () => reader.raw(32))
}

export function writeExtents(writer: ByteWriter, table: ChunkTable, extents: readonly Extent[]): void {
  writer.varint(extents.length)
  for (const extent of extents) {
    writer.u8(KIND[extent.kind])
    if (extent.kind !== 'hole') writer.varint(table.number(extent.chunk))
    if (extent.kind === 'data') writer.varint(extent.offset)
    writer.varint(extent.length)
  }
}

export function readExtents(reader: ByteReader, table: readonly Buffer[], fail: (why: string) => Error): Extent[] {
  const count = reader.varint()
  const extents: Extent[] = []
  const chunkOf = () => {
    const number = reader.varint()
    const chunk = table[number]
    if (!chunk) throw fail(`an extent names chunk ${number} of ${table.length}`)
    return chunk
  }
  for (let i = 0; i < count; i++) {
    const kind = reader.u8()
    if (kind === KIND.hole) extents.push({ kind: 'hole', length: reader.varint() })
    else if (kind === KIND.data) {
      const chunk = chunkOf()
      const offset = reader.varint()
      extents.push({ kind: 'data', chunk, offset, length: reader.varint() })
    } else if (kind === KIND.list) {
      const chunk = chunkOf()
      extents.push({ kind: 'list', chunk, length: reader.varint() })
    } else throw fail(`an extent has kind ${kind}`)
  }
  return extents
}
