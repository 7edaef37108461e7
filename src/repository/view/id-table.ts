/** Chunk ids and a number for each, in the order in which they came: 32 bytes an id and 8 of a hash table, whatever their count. */
const ID_BYTES = 32
const LEAST = 1024

export class IdTable {
  #ids = Buffer.alloc(LEAST * ID_BYTES)
  #slots = new Int32Array(2 * LEAST).fill(-1)
  #count = 0

  get size(): number {
    return this.#count
  }

  /** The number of the id; it gets one if it had none. `isNew` tells which. */
  add(id: Uint8Array): { readonly number: number; readonly isNew: boolean } {
    const slot = this.#slotOf(id)
    const number = this.#slots[slot] as number
    if (number >= 0) return { number, isNew: false }
    if ((this.#count + 1) * 2 > this.#slots.length) {
      this.#grow()
      return this.add(id)
    }
    this.#ids.set(id, this.#count * ID_BYTES)
    this.#slots[slot] = this.#count
    return { number: this.#count++, isNew: true }
  }

  has(id: Uint8Array): boolean {
    return (this.#slots[this.#slotOf(id)] as number) >= 0
  }

  /** Undefined for an id that was never added. */
  numberOf(id: Uint8Array): number | undefined {
    const number = this.#slots[this.#slotOf(id)] as number
    return number < 0 ? undefined : number
  }

  at(number: number): Buffer {
    return this.#ids.subarray(number * ID_BYTES, (number + 1) * ID_BYTES)
  }

  /** Where the id is, or where it would go. Ids are keyed hashes, so their first bytes are as good as any. */
  #slotOf(id: Uint8Array): number {
    const mask = this.#slots.length - 1
    let slot = (((id[0] as number) << 23) ^ ((id[1] as number) << 16) ^ ((id[2] as number) << 8) ^ (id[3] as number)) & mask
    for (;;) {
      const number = this.#slots[slot] as number
      if (number < 0) return slot
      if (this.#ids.compare(id, 0, ID_BYTES, number * ID_BYTES, (number + 1) * ID_BYTES) === 0) return slot
      slot = (slot + 1) & mask
    }
  }

  #grow(): void {
    const ids = this.#ids
    this.#ids = Buffer.alloc(2 * ids.length)
    this.#ids.set(ids)
    this.#slots = new Int32Array(2 * this.#slots.length).fill(-1)
    for (let number = 0; number < this.#count; number++) this.#slots[this.#slotOf(this.at(number))] = number
  }
}
