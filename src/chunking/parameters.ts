/** Where content may be cut: docs/format.md §7. Written into FORMAT when a repository is made and never changed afterwards. */
export interface ChunkingParameters {
  readonly algorithm: 'gear32'
  readonly minBytes: number
  /** A power of two: the size around which most chunks end. */
  readonly targetBytes: number
  readonly maxBytes: number
}

export const DEFAULT_CHUNKING: ChunkingParameters = {
  algorithm: 'gear32',
  minBytes: 262_144,
  targetBytes: 1_048_576,
  maxBytes: 4_194_304,
}

/** No chunk of any repository is larger than this (docs/format.md §7): readers size their buffers by it. */
export const CHUNK_LIMIT_BYTES = 8_388_608

/** Files below this are bundled with their neighbours before they are cut. */
export const BUNDLED_BELOW_BYTES = 524_288
