/** What a rule of docs/format.md §7 is to the cutter. */

/**
 * The first n from `from` on and before `to` where a chunk may end after n bytes of the buffer, 0 if there is none; `zeroBits` bits have to be zero
 * there. The window before `from` must be in the buffer.
 */
export type Search = (bytes: Uint8Array, from: number, to: number, zeroBits: number) => number

/** The same in the kernel's memory: addresses instead of numbers of bytes. */
export type KernelSearch = (from: number, to: number, zeroBits: number) => number

/** In every rule, so many bytes before a position decide about it. */
export const WINDOW_BYTES = 32
