/** An agent spoken by hand: signs each request as an agent does, and lets a test spoil it on the way. */
import { request as httpsRequest } from 'node:https'
import { type Operation, startOperation } from '../../src/base/operation.ts'
import { makeCertificate } from '../../src/certificates/index.ts'
import { type PinnedIdentity, pinnedFetch } from '../../src/storage/pinned-fetch.ts'
import { AgentSigner, agentPaths, decodeEnrolmentToken, readSigningKey } from '../../src/wire/index.ts'

const PLATFORM = { os: 'Linux', release: '6', arch: 'x64', hostname: 'h', cpus: 2, memoryBytes: 1 }

export interface PortRequest {
  readonly method: string
  readonly target: string
  readonly headers: Record<string, string>
  readonly body: Uint8Array<ArrayBuffer> | undefined
}

export interface PortAnswer {
  readonly status: number
  readonly code: string | null
  readonly type: string
  readonly bytes: Buffer
  // biome-ignore lint/suspicious/noExplicitAny: answers of many shapes
  readonly json: any
}

export interface PortIdentity extends PinnedIdentity {
  readonly url: string
  readonly agentId: string
}

export class PortClient {
  readonly identity: PortIdentity
  readonly #op: Operation
  #lane = 'test'
  epoch = 0
  signer: AgentSigner

  constructor(identity: PortIdentity, op: Operation) {
    this.identity = identity
    this.#op = op
    this.signer = this.signerOf(0)
  }

  get id(): string {
    return this.identity.agentId
  }

  signerOf(epoch: number): AgentSigner {
    const { agentId, privateKey } = this.identity
    return new AgentSigner({ agentId, key: readSigningKey(privateKey), lane: this.#lane, epoch })
  }

  async hello(jobs: readonly string[] = []): Promise<PortAnswer> {
    const hello = { protocols: [1], version: 'v', platform: PLATFORM, jobs }
    const told = await this.ask('POST', agentPaths.hello, hello)
    if (told.status === 200) {
      this.epoch = told.json.epoch
      // A lane of its own, so that it is nobody's who was there before.
      this.#lane = `test-${this.epoch}`
      this.signer = this.signerOf(this.epoch)
    }
    return told
  }

  /** Signed, and not sent yet. */
  make(method: string, target: string, json?: unknown, signer = this.signer, op = this.#op): PortRequest {
    const body = json === undefined ? undefined : new Uint8Array(Buffer.from(JSON.stringify(json)))
    const type: Record<string, string> = body ? { 'content-type': 'application/json' } : {}
    return { method, target, body, headers: { ...type, ...signer.headers(op, method, target, body) } }
  }

  async ask(method: string, target: string, json?: unknown): Promise<PortAnswer> {
    return await this.send(this.make(method, target, json))
  }

  /** Over a connection that shows this agent's key, whoever signed it. */
  async send({ method, target, headers, body }: PortRequest): Promise<PortAnswer> {
    const answer = await pinnedFetch(this.identity)(this.identity.url + target, { method, headers, ...(body && { body }) })
    const bytes = Buffer.from(await answer.arrayBuffer())
    return answerOf(answer.status, answer.headers.get('terp-code'), answer.headers.get('content-type') ?? '', bytes)
  }
}

/** Without a certificate of the client's. */
export function sendBare(url: string, { method, target, headers, body }: PortRequest): Promise<PortAnswer> {
  return new Promise((resolve, reject) => {
    const asked = httpsRequest(url + target, { method, headers, rejectUnauthorized: false, agent: false }, (answer) => {
      const parts: Buffer[] = []
      answer.on('data', (part: Buffer) => parts.push(part))
      answer.on('end', () => {
        const code = answer.headers['terp-code']
        resolve(
          answerOf(
            answer.statusCode ?? 0,
            typeof code === 'string' ? code : null,
            answer.headers['content-type'] ?? '',
            Buffer.concat(parts),
          ),
        )
      })
      answer.on('error', reject)
    })
    asked.on('error', reject)
    asked.end(body)
  })
}

function answerOf(status: number, code: string | null, type: string, bytes: Buffer): PortAnswer {
  return { status, code, type, bytes, json: type.includes('json') && bytes.length > 0 ? JSON.parse(bytes.toString()) : undefined }
}

export async function aKey(algorithm: 'ed25519' | 'p-256' = 'ed25519') {
  const op = startOperation()
  return await makeCertificate({ name: 'agent', random: op.random, nowMs: op.clock.nowMs(), algorithm })
}

/** With the token of an enrolment, as `POST /enrolments` gives it. */
export async function enrolBy(op: Operation, text: string, key = aKey()): Promise<PortClient> {
  const token = decodeEnrolmentToken(text)
  if (!token) throw new Error('no token')
  const identity = { ...(await key), server: token.server, url: token.url, agentId: '0'.repeat(32) }
  const stranger = new PortClient(identity, op)
  const body = { token: token.token, name: 'agent', protocols: [1], version: 'v', platform: PLATFORM }
  const told = await stranger.send(stranger.make('POST', agentPaths.enrolments, body))
  if (told.status !== 201) throw new Error(`${told.code}: ${told.bytes}`)
  return new PortClient({ ...identity, agentId: told.json.agentId }, op)
}
