export { blake3, createBlake3, type Hasher, hasBlake3Kernel, scriptBlake3 } from './blake3.ts'
