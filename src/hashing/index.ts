export { blake3, createBlake3, createScriptBlake3, type Hasher, hasBlake3Kernel } from './blake3.ts'
