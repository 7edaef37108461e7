/** One bit for each record of an index: ten million take 1.25 MB. */
export class Bitmap {
  readonly #bits: Uint8Array

  constructor(size: number) {
    this.#bits = new Uint8Array((size + 7) >> 3)
  }

  has(n: number): boolean {
    return ((this.#bits[n >> 3] as number) & (1 << (n & 7))) !== 0
  }

  set(n: number): void {
    this.#bits[n >> 3] = (this.#bits[n >> 3] as number) | (1 << (n & 7))
  }
}
