/** Other programs: how they are called, and that they end well. */
import { spawn } from 'node:child_process'
import { basename } from 'node:path'

export interface Command {
  readonly argv: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
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
export function failed({ argv }: Command, code: number | null, stderr: string): Error {
  const lines = stderr.trim().split('\n')
  const line = lines.find((text) => /^(?:\w*Error\b|terp:|Fatal|tar:|zstd:)/.test(text)) ?? lines.at(-1) ?? ''
  return new Error(`${basename(argv[0] ?? '')} ${argv.slice(1, 4).join(' ')} ended with ${code}: ${line}`)
}
