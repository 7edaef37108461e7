/** What the processor can do that decides between two ways of doing the same. */
import { readFileSync } from 'node:fs'

/** True where SHA-256 has instructions of its own; without them it is slower than BLAKE3. False where nobody can tell. */
export function hasShaInstructions(): boolean {
  try {
    return /^(flags|Features)\s*:.*\b(sha_ni|sha2)\b/m.test(readFileSync('/proc/cpuinfo', 'latin1'))
  } catch {
    return false // no /proc: not Linux, or a cage without it
  }
}
