export { type Cutter, gear32 } from './gear32.ts'
export { BUNDLED_BELOW_BYTES, CHUNK_LIMIT_BYTES, type ChunkingParameters, DEFAULT_CHUNKING } from './parameters.ts'
