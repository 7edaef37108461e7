/** The tree of BLAKE3 above pieces of 64 KiB. */

export const PIECE_BYTES = 65_536

/** Chaining values of 32 bytes; what is the root is the hash. */
export interface TreeHash {
  /** Of a piece, the `number`th of its content from 0 on. Only the last piece may be short. */
  ofPiece(bytes: Uint8Array, number: number, isRoot: boolean): Buffer
  /** Of two parts of a tree. */
  ofParent(left: Uint8Array, right: Uint8Array, isRoot: boolean): Buffer
}

/** The chaining values of complete subtrees, largest first: as many as the number of pieces has ones in binary. The root waits for the last piece. */
export class Tree {
  readonly #hash: TreeHash
  readonly #subtrees: Buffer[] = []
  #pieces = 0

  constructor(hash: TreeHash) {
    this.#hash = hash
  }

  /** A whole piece that is not the last. */
  add(piece: Uint8Array): void {
    let value = this.#hash.ofPiece(piece, this.#pieces, false)
    this.#pieces++
    for (let subtrees = this.#pieces; subtrees % 2 === 0; subtrees /= 2) {
      const left = this.#subtrees.pop()
      if (left) value = this.#hash.ofParent(left, value, false)
    }
    this.#subtrees.push(value)
  }

  finish(piece: Uint8Array): Buffer {
    let value = this.#hash.ofPiece(piece, this.#pieces, this.#subtrees.length === 0)
    for (let left = this.#subtrees.pop(); left; left = this.#subtrees.pop()) {
      value = this.#hash.ofParent(left, value, this.#subtrees.length === 0)
    }
    return value
  }
}
