/** Reading and writing of the encodings of docs/format.md §3: little-endian integers, varints, length-prefixed bytes. */
import { baseError } from './errors.ts'

export class ByteWriter {
  #buffer: Buffer
  #length = 0

  constructor(capacity = 1024) {
    this.#buffer = Buffer.allocUnsafe(capacity)
  }

  get length(): number {
    return this.#length
  }

  #room(extra: number): void {
    const need = this.#length + extra
    if (need <= this.#buffer.length) return
    const larger = Buffer.allocUnsafe(Math.max(need, this.#buffer.length * 2))
    this.#buffer.copy(larger, 0, 0, this.#length)
    this.#buffer = larger
  }

  u8(value: number): this {
    this.#room(1)
    this.#buffer[this.#length++] = value
    return this
  }

  u24(value: number): this {
    this.#room(3)
    this.#length = this.#buffer.writeUIntLE(value, this.#length, 3)
    return this
  }

  u32(value: number): this {
    this.#room(4)
    this.#length = this.#buffer.writeUInt32LE(value, this.#length)
    return this
  }

  u64(value: number): this {
    this.#room(8)
    this.#length = this.#buffer.writeBigUInt64LE(BigInt(value), this.#length)
    return this
  }

  /** Unsigned LEB128 of a safe integer. */
  varint(value: number): this {
    this.#room(8)
    let rest = value
    while (rest >= 0x80) {
      this.#buffer[this.#length++] = (rest % 0x80) | 0x80
      rest = Math.floor(rest / 0x80)
    }
    this.#buffer[this.#length++] = rest
    return this
  }

  svarint(value: number): this {
    return this.varint(value >= 0 ? value * 2 : -value * 2 - 1)
  }

  raw(bytes: Uint8Array): this {
    this.#room(bytes.length)
    this.#buffer.set(bytes, this.#length)
    this.#length += bytes.length
    return this
  }

  bytes(bytes: Uint8Array): this {
    return this.varint(bytes.length).raw(bytes)
  }

  /** A copy of what was written. */
  finish(): Buffer {
    return Buffer.from(this.#buffer.subarray(0, this.#length))
  }
}

/** Reads hostile bytes: every read is checked; a short or senseless input throws what `fail` makes. */
export class ByteReader {
  readonly #buffer: Buffer
  readonly #fail: (why: string) => Error
  #at = 0

  constructor(bytes: Uint8Array, fail: (why: string) => Error = (why) => baseError('INTERNAL', why)) {
    this.#buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#fail = fail
  }

  get at(): number {
    return this.#at
  }

  get left(): number {
    return this.#buffer.length - this.#at
  }

  #take(length: number): number {
    const at = this.#at
    if (length > this.#buffer.length - at) throw this.#fail(`${length} bytes are wanted at ${at}, ${this.#buffer.length - at} are left`)
    this.#at = at + length
    return at
  }

  u8(): number {
    return this.#buffer[this.#take(1)] as number
  }

  u24(): number {
    return this.#buffer.readUIntLE(this.#take(3), 3)
  }

  u32(): number {
    return this.#buffer.readUInt32LE(this.#take(4))
  }

  u64(): number {
    const value = this.#buffer.readBigUInt64LE(this.#take(8))
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw this.#fail(`the number ${value} is too large`)
    return Number(value)
  }

  varint(): number {
    let value = 0
    let scale = 1
    for (let n = 0; n < 8; n++) {
      const byte = this.u8()
      value += (byte & 0x7f) * scale
      if (byte < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER) break
        return value
      }
      scale *= 0x80
    }
    throw this.#fail('a number is too large')
  }

  svarint(): number {
    const value = this.varint()
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2
  }

  /** A view, not a copy. */
  raw(length: number): Buffer {
    const at = this.#take(length)
    return this.#buffer.subarray(at, at + length)
  }

  bytes(): Buffer {
    return this.raw(this.varint())
  }

  end(): void {
    if (this.left !== 0) throw this.#fail(`${this.left} bytes are left over`)
  }
}

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')
}

export function fromHex(text: string): Buffer {
  return Buffer.from(text, 'hex')
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}
