/**
 * One timed command. Before it: everything dirty is written out, so that no program pays for another's pages; then all caches are dropped, or what it
 * is about to read is read once. GNU time counts the CPU time of the whole process tree (what a shell's pipe waited for, too) and the memory of its
 * largest process.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Command, failed, run } from './command.ts'
import { type Reading, warm } from './warm.ts'

export interface Measured {
  readonly seconds: number
  readonly cpuSeconds: number
  readonly peakMib: number
  readonly stdout: string
}

/** What is in memory when a command begins; `ready`: whoever begins it has seen to that. */
export type Before = 'cold' | 'ready' | Reading

/** `scratch` is a folder for the report of GNU time. Throws when the command does not end with 0: half of the work is no measurement. */
export async function measure(command: Command, scratch: string, before: Before): Promise<Measured> {
  await prepare(before)
  const report = join(scratch, `time-${process.pid}-${counter++}`)
  try {
    const startMs = performance.now()
    const { code, stdout, stderr } = await run(['/usr/bin/time', '-f', '%U %S %M', '-o', report, ...command.argv], command)
    const seconds = (performance.now() - startMs) / 1000
    if (code !== 0) throw failed(command, code, stderr)
    // What GNU time has to say of its own stands before the figures.
    const [user = 0, system = 0, peakKib = 0] = readFileSync(report, 'utf8').trim().split('\n').at(-1)?.split(' ').map(Number) ?? []
    return { seconds, cpuSeconds: user + system, peakMib: peakKib / 1024, stdout }
  } finally {
    rmSync(report, { force: true })
  }
}

let counter = 0

export async function prepare(before: Before): Promise<void> {
  if (before === 'ready') return
  writeOut()
  if (before === 'cold') dropCaches()
  else await warm(before)
}

export function writeOut(): void {
  execFileSync('sync')
}

function dropCaches(): void {
  writeFileSync('/proc/sys/vm/drop_caches', '3')
}

/** Only root may. */
export function whyNoColdCache(): string | undefined {
  try {
    writeOut()
    dropCaches()
    return undefined
  } catch (error) {
    return `the caches can't be dropped: ${error instanceof Error ? error.message : String(error)}`
  }
}
