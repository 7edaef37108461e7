export { type Cutter, createCutter, createScriptCutter } from './cutter.ts'
export { BUNDLED_BELOW_BYTES, CHUNK_LIMIT_BYTES, type ChunkingParameters, CUTTER_KEY_BYTES, DEFAULT_CHUNKING } from './parameters.ts'
