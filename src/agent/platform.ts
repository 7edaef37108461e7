import { arch, availableParallelism, hostname, release, totalmem, type } from 'node:os'
import type { Platform } from '../wire/index.ts'

export function thisPlatform(): Platform {
  return { os: type(), release: release(), arch: arch(), hostname: hostname(), cpus: availableParallelism(), memoryBytes: totalmem() }
}
