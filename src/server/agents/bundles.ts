/**
 * Programs of agents as single files, for agents that take their updates from here: whatever lies in a folder of the data folder and is one. `terp agent bundle --publish`
 * puts them there. What they are is read from their heads; which bytes they have, from all of them, once.
 */
import { createHash } from 'node:crypto'
import { type FileHandle, open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { agentLimits, BUNDLES_FOLDER, readBundleHead } from '../../wire/index.ts'
import { isOlder } from './agent-state.ts'

export interface Bundle {
  readonly path: string
  readonly version: string
  /** As its machine calls it: `x64`, `arm64`. */
  readonly arch: string
  readonly sha256: string
  readonly sizeBytes: number
}

const HEAD_BYTES = 4096
const READ_BYTES = 1_048_576

export class AgentBundles {
  readonly #folder: string
  /** By what a file's times and size say that it is. */
  readonly #known = new Map<string, Bundle | undefined>()

  constructor(dataFolder: string) {
    this.#folder = join(dataFolder, BUNDLES_FOLDER)
  }

  async all(): Promise<readonly Bundle[]> {
    const names = await readdir(this.#folder).catch(() => [])
    const found = await Promise.all(names.sort().map((name) => this.#look(join(this.#folder, name))))
    return found.filter((bundle) => bundle !== undefined)
  }

  /** For a machine of that kind, if it is newer than what runs there. */
  async newerFor(arch: string, version: string): Promise<Bundle | undefined> {
    const fitting = (await this.all()).filter((bundle) => bundle.arch === arch && isOlder(version, bundle.version))
    return fitting.reduce<Bundle | undefined>((best, bundle) => (best && !isOlder(best.version, bundle.version) ? best : bundle), undefined)
  }

  /** Undefined where no file with that hash is there. Nothing else of the disk can be read with it. */
  async part(sha256: string, offset: number): Promise<Buffer | undefined> {
    const bundle = (await this.all()).find((known) => known.sha256 === sha256)
    if (!bundle || offset >= bundle.sizeBytes) return undefined
    const length = Math.min(agentLimits.bundlePartBytes, bundle.sizeBytes - offset)
    return await withFile(bundle.path, async (file) => {
      const part = Buffer.alloc(length)
      const { bytesRead } = await file.read(part, 0, length, offset)
      return bytesRead === length ? part : undefined
    })
  }

  async #look(path: string): Promise<Bundle | undefined> {
    return await withFile(path, async (file) => {
      const { ino, size, mtimeNs, ctimeNs } = await file.stat({ bigint: true })
      const key = `${path} ${ino} ${size} ${mtimeNs} ${ctimeNs}`
      if (this.#known.has(key)) return this.#known.get(key)
      const bundle = await describe(file, path, Number(size))
      this.#known.set(key, bundle)
      return bundle
    }).catch(() => undefined) // a folder, or gone: it is no program
  }
}

async function describe(file: FileHandle, path: string, sizeBytes: number): Promise<Bundle | undefined> {
  const head = Buffer.alloc(Math.min(HEAD_BYTES, sizeBytes))
  await file.read(head, 0, head.length, 0)
  const about = readBundleHead(head.toString('latin1'))
  if (!about) return undefined
  const hash = createHash('sha256')
  const piece = Buffer.alloc(READ_BYTES)
  for (let at = 0; at < sizeBytes; ) {
    const { bytesRead } = await file.read(piece, 0, piece.length, at)
    if (bytesRead === 0) return undefined
    hash.update(piece.subarray(0, bytesRead))
    at += bytesRead
  }
  return { path, ...about, sha256: hash.digest('hex'), sizeBytes }
}

async function withFile<T>(path: string, work: (file: FileHandle) => Promise<T>): Promise<T> {
  const file = await open(path, 'r')
  try {
    return await work(file)
  } finally {
    await file.close()
  }
}
