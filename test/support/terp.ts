/** Runs Terp as people do: real processes through ./terp, in folders of their own. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { removeTree } from './odd-tree.ts'

export const LAUNCHER = join(import.meta.dirname, '../../terp')
export const PASSPHRASE = 'a passphrase of the tests'

export interface Ran {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly cwd?: string
  readonly env?: Record<string, string>
  /** What runs instead of the launcher, which follows it: `strace -f`, `setpriv`. */
  readonly under?: readonly string[]
}

/** No arguments: `under` alone. */
function commandOf(args: readonly string[], { under = [] }: RunOptions): [string, string[]] {
  const [program, ...rest] = args.length === 0 ? under : [...under, LAUNCHER, ...args]
  return [program as string, rest]
}

function environment(env: Record<string, string> = {}): NodeJS.ProcessEnv {
  const { TERP_PASSPHRASE_FILE: _1, TERP_PASSPHRASE_COMMAND: _2, TERP_KEY_FILE: _3, ...others } = process.env
  return { ...others, NO_COLOR: '1', ...env }
}

export function terp(args: readonly string[], options: RunOptions = {}): Ran {
  const [program, rest] = commandOf(args, options)
  const { status, stdout, stderr, error } = spawnSync(program, rest, {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    env: environment(options.env),
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  })
  if (error) throw error
  return { code: status, stdout, stderr }
}

/** One that has to succeed. */
export function terpOk(args: readonly string[], options: RunOptions = {}): Ran {
  const ran = terp(args, options)
  assert.equal(ran.code, 0, `terp ${args.join(' ')} ended with ${ran.code}:\n${ran.stdout}${ran.stderr}`)
  return ran
}

/** The process in a group of its own, so that it can be killed with all that it started. */
export function startTerp(
  args: readonly string[],
  options: RunOptions = {},
): { child: ChildProcess; ended: Promise<Ran & { signal: string | null }> } {
  const [program, rest] = commandOf(args, options)
  const child = spawn(program, rest, { env: environment(options.env), detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (data) => {
    stdout += data
  })
  child.stderr.on('data', (data) => {
    stderr += data
  })
  const ended = new Promise<Ran & { signal: string | null }>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }))
  })
  return { child, ended }
}

/** The launcher replaces itself with Node, so the child is Terp itself. */
export function killHard(child: ChildProcess): void {
  if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) process.kill(child.pid, 'SIGKILL')
}

// biome-ignore lint/suspicious/noExplicitAny: documents of other programs' shape
export type Json = any

export function lastLine(text: string): Json {
  return JSON.parse(text.trim().split('\n').at(-1) ?? '')
}

export interface Place {
  readonly folder: string
  readonly pool: string
  readonly key: string
  /** Arguments that open the pool. */
  readonly open: readonly string[]
  readonly passphraseFile: string
}

interface Scope {
  after(clean: () => void): void
}

/** A scratch folder with a key and a passphrase, gone with the test; `pool` is only a path. */
export function makePlace(t: Scope, parent = '/tmp'): Place {
  const folder = mkdtempSync(join(parent, 'terp-e2e-'))
  t.after(() => removeTree(folder))
  const key = join(folder, 'key')
  const passphraseFile = join(folder, 'passphrase')
  writeFileSync(key, `${'0123456789abcdef'.repeat(4)}\n`)
  writeFileSync(passphraseFile, `${PASSPHRASE}\n`)
  return { folder, pool: join(folder, 'pool'), key, open: ['--key-file', key], passphraseFile }
}

export function makePool(place: Place): void {
  terpOk(['pool', 'init', place.pool, ...place.open])
}

export interface BackupSummary {
  recovery_point_id: string
  files_new: number
  files_changed: number
  files_unmodified: number
  total_files_processed: number
  total_bytes_processed: number
  data_added: number
  data_added_packed: number
  warnings: { code: string; item: string | null }[]
}

export function backUp(place: Place, paths: readonly string[], ...more: string[]): BackupSummary {
  return lastLine(terpOk(['pool', 'backup', place.pool, ...paths, ...place.open, '--json', ...more]).stdout)
}

export interface FoundFinding {
  code: string
  severity: string
  object: string
  recovery_points: string[]
}

export function verify(place: Place, ...more: string[]): { code: number | null; findings: FoundFinding[] } {
  const ran = terp(['pool', 'verify', place.pool, ...place.open, '--json', ...more])
  assert.ok(ran.stdout.includes('"summary"'), `verify ended with ${ran.code}:\n${ran.stdout}${ran.stderr}`)
  return { code: ran.code, findings: lastLine(ran.stdout).findings }
}

export function assertSound(place: Place): void {
  const { code, findings } = verify(place, '--read-data')
  assert.deepEqual(findings, [])
  assert.equal(code, 0)
}

export interface RunningVault {
  readonly data: string
  readonly url: string
  stop(): Promise<void>
}

export async function startVault(t: Scope, data: string, options: RunOptions & { listen?: string } = {}): Promise<RunningVault> {
  const { listen = '127.0.0.1:0' } = options
  const { child, ended } = startTerp(['vault', 'start', '--data', data, '--listen', listen], options)
  t.after(() => killHard(child))
  const url = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).once('line', resolve)
    void ended.then(({ code, stderr }) => reject(new Error(`the vault ended with ${code}: ${stderr}`)))
  })
  return {
    data,
    url: /https?:\S+/.exec(url)?.[0] ?? '',
    stop: async () => {
      child.kill('SIGTERM')
      await ended
    },
  }
}

/** A vault in the running service, and a credentials file for it. */
export function makeVault(vault: RunningVault, place: Place, name = 'Berlin'): { credentials: string } {
  terpOk(['vault', 'create', name, '--data', vault.data])
  return { credentials: newCredentials(vault, place, name) }
}

export function newCredentials(vault: RunningVault, place: Place, name = 'Berlin'): string {
  return terpOk(['vault', 'credentials', name, '--data', vault.data, '--out', place.folder]).stdout.trim()
}

export function register(place: Place, credentials: string): void {
  terpOk(['pool', 'register', place.pool, '--vault-credentials', credentials, '--passphrase-file', place.passphraseFile, ...place.open])
}
