/** A running vault in a temporary folder, and servers registered with it. For tests. */
import { createHash } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { request as httpRequest } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { fromTimestamp, ManualClock } from '../base/clock.ts'
import { type Operation, startOperation, type Warning } from '../base/operation.ts'
import { systemDisk } from '../platform/index.ts'
import { type ObjectStore, openVaultStore, type Registration, registerServer } from '../storage/index.ts'
import { readSigningKey, signedHeaders, vaultPaths } from '../wire/index.ts'
import { createVault, downloadCredentials, type RunningVault, startVault } from './index.ts'

export interface TestVault {
  readonly clock: ManualClock
  readonly op: Operation
  readonly warnings: Warning[]
  readonly dataFolder: string
  readonly outFolder: string
  address(): string
  restart(): Promise<void>
  stop(): Promise<void>
  /** The text of a new credentials file. */
  credentials(vaultName?: string): Promise<string>
  server(name: string, vaultName?: string): Promise<TestServer>
}

export interface TestServer {
  readonly registration: Registration
  readonly store: ObjectStore
}

/** With a vault `Main`. Stopped and removed when the test ends. Its clock stands still, unless `isRealTime`. */
export async function aVault(t: Pick<TestContext, 'after'>, options: { readonly isRealTime?: boolean } = {}): Promise<TestVault> {
  const root = await mkdtemp(join(tmpdir(), 'terp-vault-'))
  const clock = new ManualClock(fromTimestamp('2026-11-22T10:00:00.000Z'))
  const warnings: Warning[] = []
  const op = startOperation({ ...(!options.isRealTime && { clock }), onWarning: (warning) => warnings.push(warning) })
  const dataFolder = join(root, 'data')
  const start = () => startVault(op, { dataFolder, host: '127.0.0.1', port: 0, disk: systemDisk() })
  let running: RunningVault = await start()
  t.after(async () => {
    await running.close()
    await rm(root, { recursive: true, force: true })
  })
  await createVault(op, dataFolder, { name: 'Main', redundancy: 'lrs' })

  const credentials = async (name = 'Main') => await readFile(await downloadCredentials(op, dataFolder, { name, outFolder: root }), 'utf8')
  return {
    clock,
    op,
    warnings,
    dataFolder,
    outFolder: root,
    address: () => running.address,
    async restart() {
      await running.close()
      running = await start()
    },
    stop: () => running.close(),
    credentials,
    async server(serverName, vaultName) {
      const registration = await registerServer(op, { credentials: await credentials(vaultName), serverName, fetch })
      return { registration, store: await storeOf(registration) }
    },
  }
}

export function storeOf({ url, serverId, privateKeyPkcs8Base64 }: Registration): Promise<ObjectStore> {
  return openVaultStore({ url, serverId, privateKey: privateKeyPkcs8Base64 })
}

export function sha256(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** An object whose name is its hash. */
export function aPack(content: string): { name: string; bytes: Buffer; sha256: string } {
  const hash = sha256(content)
  return { name: `packs/${hash.slice(0, 2)}/${hash}.pack`, bytes: Buffer.from(content), sha256: hash }
}

const SOURCE = 'ab'.repeat(16)

/** A sealed object as the vault sees one: docs/format.md §10, with rubbish where ciphertext would be. */
export function aManifest(
  packs: readonly string[],
  change: { publicPart?: object; kind?: number; cut?: number } = {},
): { name: string; bytes: Buffer } {
  const fields = { id: 'cd'.repeat(16), source: SOURCE, sequence: 7, previous: null, packs, ...change.publicPart }
  const publicPart = Buffer.from(JSON.stringify(fields))
  const body = Buffer.alloc(100, 0xee)
  const lengths = Buffer.alloc(8)
  lengths.writeUInt32LE(publicPart.length, 0)
  lengths.writeUInt32LE(body.length, 4)
  const head = Buffer.concat([Buffer.from('TERPOBJ1'), Buffer.from([1, change.kind ?? 2]), Buffer.alloc(70)])
  const whole = Buffer.concat([head, lengths, publicPart, body])
  const bytes = whole.subarray(0, whole.length - (change.cut ?? 0))
  return { name: `points/${SOURCE}/0000000007-${sha256(bytes)}.point`, bytes }
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

export interface RawAnswer {
  readonly status: number
  readonly headers: Record<string, unknown>
  readonly code: unknown
  readonly bytes: Buffer
}

/** Sends a path exactly as it is; `fetch` would tidy it up. */
export function sendRaw(
  url: string,
  options: { method: string; path: string; headers?: Record<string, string>; body?: Uint8Array },
): Promise<RawAnswer> {
  const { method, path, headers, body } = options
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(url)
    const request = httpRequest({ hostname, port, method, path, headers: { connection: 'close', ...headers } }, (response) => {
      const parts: Buffer[] = []
      response.on('data', (part: Buffer) => parts.push(part))
      response.on('end', () => {
        const bytes = Buffer.concat(parts)
        resolve({ status: response.statusCode ?? 0, headers: response.headers, code: response.headers['terp-code'], bytes })
      })
    })
    request.on('error', reject)
    request.end(body)
  })
}

export interface SignedOptions {
  readonly method?: string
  readonly name?: string
  readonly path?: string
  readonly body?: Uint8Array
  /** Sent in place of what was signed. */
  readonly sentBody?: Uint8Array
  readonly sentPath?: string
  readonly headers?: Record<string, string>
}

/** A request as `server` signs it, with whatever is wrong about it. */
export function sendSigned(vault: TestVault, { registration }: TestServer, options: SignedOptions): Promise<RawAnswer> {
  const { serverId, privateKeyPkcs8Base64 } = registration
  const method = options.method ?? 'GET'
  const path = options.path ?? vaultPaths.object(serverId, options.name ?? '')
  const body = options.body ?? new Uint8Array(0)
  const signed = signedHeaders(vault.op, { method, target: path, body, serverId, privateKey: readSigningKey(privateKeyPkcs8Base64) })
  const base = method === 'PUT' ? { 'if-none-match': '*', 'content-type': 'application/octet-stream' } : {}
  const headers = { ...base, ...signed, ...options.headers }
  return sendRaw(vault.address(), { method, path: options.sentPath ?? path, headers, body: options.sentBody ?? body })
}
