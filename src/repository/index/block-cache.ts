/** Blocks of segments that were read last, up to a number of bytes. */
const ENTRY_BYTES = 128

export class BlockCache {
  readonly #budgetBytes: number
  /** In the order in which they were used, the oldest first. */
  readonly #blocks = new Map<number, Buffer>()
  #bytes = 0

  constructor(budgetBytes: number) {
    this.#budgetBytes = budgetBytes
  }

  get bytes(): number {
    return this.#bytes
  }

  get(key: number): Buffer | undefined {
    const block = this.#blocks.get(key)
    if (block === undefined) return undefined
    this.#blocks.delete(key)
    this.#blocks.set(key, block)
    return block
  }

  add(key: number, block: Buffer): void {
    this.#blocks.set(key, block)
    this.#bytes += block.length + ENTRY_BYTES
    for (const [oldest, bytes] of this.#blocks) {
      if (this.#bytes <= this.#budgetBytes) return
      this.#blocks.delete(oldest)
      this.#bytes -= bytes.length + ENTRY_BYTES
    }
  }
}
