export { type Blake3Way, blake3, blake3By, blake3Way, createBlake3, type Hasher } from './blake3.ts'
