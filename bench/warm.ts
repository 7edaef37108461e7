/**
 * A warm cache is not a state that lasts: kernels take pages back that were read once, and what another program wrote meanwhile pushes them out. So what
 * a timed act is about to read is read right before it, untimed, by the same few readers for every program.
 */
import { existsSync } from 'node:fs'
import { type Command, runOk } from './command.ts'

/** What an act is about to read. */
export interface Reading {
  /** Files with their content, and folders with all of it below them. Those that are not there are left out. */
  readonly contents?: readonly string[]
  /** Only what the file system itself says of each entry. */
  readonly names?: readonly string[]
}

const READERS = 4
const FILES_EACH = 256

export async function warm({ contents = [], names = [] }: Reading): Promise<void> {
  const all = [...contents, ...names].filter((path) => existsSync(path))
  if (all.length > 0) await runOk(shell('find "$@" -printf %s%T@ >/dev/null', all))
  const read = contents.filter((path) => existsSync(path))
  if (read.length > 0) await runOk(shell(`find "$@" -type f -print0 | xargs -0 -r -n ${FILES_EACH} -P ${READERS} cat >/dev/null`, read))
}

/** Links that are named themselves are followed: a program is often one. */
function shell(script: string, paths: readonly string[]): Command {
  return { argv: ['bash', '-o', 'pipefail', '-c', script.replace('find', 'find -H'), 'bash', ...paths] }
}
