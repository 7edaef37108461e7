/** The agent as one file, for machines that have neither npm nor a network to fetch packages from. The same project makes the same file. */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createReadStream, createWriteStream } from 'node:fs'
import { chmod, copyFile, cp, mkdir, mkdtemp, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import type { Operation } from '../../base/operation.ts'
import { agentProgramError } from '../errors.ts'
import { contentsOf } from './contents.ts'
import { launcherOf } from './launcher.ts'

export interface BundleOptions {
  /** Where this program lies, with its packages. */
  readonly project: string
  /** The Node that runs it, and will run the agent. */
  readonly runtime: string
  readonly version: string
  /** The new file; one that is there is replaced. */
  readonly out: string
}

export interface MadeBundle {
  readonly path: string
  readonly sizeBytes: number
  readonly sha256: string
  readonly version: string
}

/** AGENT_BUNDLE_FAILED. */
export async function makeBundle(op: Operation, { project, runtime, version, out }: BundleOptions): Promise<MadeBundle> {
  await mkdir(dirname(out), { recursive: true })
  const work = await mkdtemp(`${out}.`)
  try {
    const stage = join(work, 'stage')
    const { files, packages } = contentsOf(project)
    for (const file of files) {
      op.check()
      await mkdir(dirname(join(stage, file)), { recursive: true })
      await copyFile(join(project, file), join(stage, file))
    }
    // Packages in packages come by themselves: those that nobody needs are left out.
    const isPackage = new Set(packages)
    for (const path of packages) {
      op.check()
      await cp(join(project, path), join(stage, path), {
        recursive: true,
        filter: (source) => {
          const inside = source.slice(project.length + 1)
          const nested = /^.*\/node_modules\/(@[^/]+\/[^/]+|[^@/][^/]*)$/.exec(inside.slice(path.length))
          return nested === null || isPackage.has(inside)
        },
      })
    }
    await copyFile(runtime, join(stage, 'node'))
    await chmod(join(stage, 'node'), 0o755)
    const packed = join(work, 'packed')
    await pack(op, stage, packed)
    const launcher = launcherOf({ version, arch: process.arch, sha256: await sha256Of(packed) })
    const whole = join(work, 'whole')
    const file = createWriteStream(whole, { mode: 0o755 })
    file.write(launcher)
    await pipeline(createReadStream(packed), file)
    await rename(whole, out)
    return { path: out, sizeBytes: (await stat(out)).size, sha256: await sha256Of(out), version }
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

/** In the order of names and without times or owners, so that the same content is the same file. */
async function pack(op: Operation, folder: string, out: string): Promise<void> {
  const tar = spawn(
    'tar',
    ['--sort=name', '--mtime=@0', '--owner=0', '--group=0', '--numeric-owner', '--mode=go-w', '-C', folder, '-cf', '-', '.'],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  let errors = ''
  tar.stderr.on('data', (part: Buffer) => {
    errors += part.toString('utf8')
  })
  const ended = once(tar, 'close') as Promise<[number]>
  ended.catch(() => {}) // awaited below
  try {
    await pipeline(tar.stdout, createGzip(), createWriteStream(out), { signal: op.signal })
    const [status] = await ended
    if (status !== 0) throw agentProgramError('AGENT_BUNDLE_FAILED', `tar ended with status ${status}: ${errors.trim().slice(-500)}`)
  } catch (cause) {
    op.check()
    throw cause instanceof Error && 'code' in cause && cause.code === 'ENOENT'
      ? agentProgramError('AGENT_BUNDLE_FAILED', 'tar is not installed', { cause })
      : cause
  }
}

export async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const part of createReadStream(path)) hash.update(part as Buffer)
  return hash.digest('hex')
}
