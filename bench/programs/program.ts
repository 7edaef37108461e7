/** What the benchmark asks of a backup program. All of them encrypt, and check what they restore. */
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from '../command.ts'
import type { ProgramName } from '../results.ts'

export interface BackupProgram {
  readonly name: ProgramName
  /** As it prints it. */
  readonly version: string
  /** An empty repository. There is none, or none any more. Never timed. */
  init(): Promise<void>
  /** What goes when it is not needed any more: the repository and caches. */
  readonly places: readonly string[]
  /** What else it reads at each start, as far as it is its own. */
  readonly own: readonly string[]
  /** With everything unchanged, too: then it is the second one. */
  backup(paths: readonly string[]): Command
  /** Reads every file, known or not; undefined where the program has no such thing. */
  forceRead?(paths: readonly string[]): Command
  /** `/a/b` comes back as `target/a/b`; `target` exists and is empty. */
  restore(target: string): Command
  storedBytes(): number
}

/** As the files say, without what a file system rounds up and without folders. */
export function bytesBelow(path: string): number {
  const info = statSync(path, { throwIfNoEntry: false })
  if (info === undefined) return 0
  if (!info.isDirectory()) return info.size
  return readdirSync(path).reduce((sum, name) => sum + bytesBelow(join(path, name)), 0)
}
