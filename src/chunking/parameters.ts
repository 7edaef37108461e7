/** Where content may be cut: docs/format.md §7. Written into FORMAT when a repository is made and never changed afterwards. */
export interface ChunkingParameters {
  /** `gear32` is that of pools of version 1. */
  readonly algorithm: 'gear32' | 'sieve'
  readonly minBytes: number
  /** A power of two: the size around which most chunks end. */
  readonly targetBytes: number
  readonly maxBytes: number
}

export const DEFAULT_CHUNKING: ChunkingParameters = {
  algorithm: 'sieve',
  minBytes: 262_144,
  targetBytes: 1_048_576,
  maxBytes: 4_194_304,
}

/** So much of a repository's chunking key goes into a cutter. */
export const CUTTER_KEY_BYTES: Readonly<Record<ChunkingParameters['algorithm'], number>> = { gear32: 1024, sieve: 32 }

/** No chunk of any repository is larger than this (docs/format.md §7): readers size their buffers by it. */
export const CHUNK_LIMIT_BYTES = 8_388_608

/** Files below this are bundled with their neighbours before they are cut. */
export const BUNDLED_BELOW_BYTES = 524_288
