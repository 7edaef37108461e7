/**
 * One timed command. Before it: everything dirty is written out, so that no program pays for another's pages, and with `isCold` all caches
 * are dropped. GNU time counts the CPU time of the whole process tree (what a shell's pipe waited for, too) and the memory of its largest process.
 */
import { execFileSync, spawn } from 'node:child_process'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'

export interface Command {
  readonly argv: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
}

export interface Measured {
  readonly seconds: number
  readonly cpuSeconds: number
  readonly peakMib: number
  readonly stdout: string
}

/** `scratch` is a folder for the report of GNU time. Throws when the command does not end with 0: half of the work is no measurement. */
export async function measure(command: Command, scratch: string, isCold = false): Promise<Measured> {
  settle(isCold)
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

function settle(isCold: boolean): void {
  execFileSync('sync')
  if (isCold) writeFileSync('/proc/sys/vm/drop_caches', '3')
}

/** Only root may. */
export function whyNoColdCache(): string | undefined {
  try {
    settle(true)
    return undefined
  } catch (error) {
    return `the caches can't be dropped: ${error instanceof Error ? error.message : String(error)}`
  }
}

interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Not `spawnSync`: its buffers are bounded, and a signal to the benchmark must reach the benchmark. */
export function run(argv: readonly string[], { env, cwd }: Omit<Command, 'argv'> = {}): Promise<Ended> {
  const [program = '', ...rest] = argv
  return new Promise((resolve, reject) => {
    const child = spawn(program, rest, {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(cwd === undefined ? {} : { cwd }),
    })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
    })
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, stdout, stderr }))
  })
}

/** Untimed. */
export async function runOk(command: Command): Promise<string> {
  const { code, stdout, stderr } = await run(command.argv, command)
  if (code !== 0) throw failed(command, code, stderr)
  return stdout
}

/** The line that says what happened: programs print much around it. */
function failed({ argv }: Command, code: number | null, stderr: string): Error {
  const lines = stderr.trim().split('\n')
  const line = lines.find((text) => /^(?:\w*Error\b|terp:|Fatal|tar:|zstd:)/.test(text)) ?? lines.at(-1) ?? ''
  return new Error(`${basename(argv[0] ?? '')} ${argv.slice(1, 4).join(' ')} ended with ${code}: ${line}`)
}
