/**
 * `fetch` over TLS 1.3 to one server that is known by its key, as one client that is known by its own: both certificates are self-signed, and neither name nor authority
 * counts. Connections are kept, and never resumed from tickets, so that each one proves both keys.
 */
import { createHash, X509Certificate } from 'node:crypto'
import type { ClientRequest, IncomingMessage } from 'node:http'
import { Agent, request } from 'node:https'
import type { TLSSocket } from 'node:tls'
import type { Fetch, Fetched } from '../wire/index.ts'
import { agentLimits, wireError } from '../wire/index.ts'
import type { Pace } from './throttle.ts'

export interface PinnedIdentity {
  /** Of the client; PEM. */
  readonly certificate: string
  /** PEM, or PKCS 8 in base64. */
  readonly privateKey: string
  /** SHA-256 of the server's public key (SPKI), in hexadecimal. */
  readonly server: string
}

export interface PinnedFetchOptions {
  /** Asked before each piece of a body that goes out, and after each that came in. */
  readonly pace?: Pace
  readonly pieceBytes?: number
  readonly silenceMs?: number
  /** The same for what has a body that takes work. */
  readonly workMs?: number
}

/** Idle connections are let go of after this. */
const IDLE_MS = 60_000
/** Without a byte from the other side for so long, a connection counts as dead. */
const SILENCE_MS = 90_000
/**
 * A pack is answered for when all in it was checked and is durable. A server that has hundreds to check takes its time, and who gives up makes it longer: the pack comes again.
 * Half of a lease.
 */
const WORK_MS = agentLimits.leaseMs / 2
/** Of a body that is more than a message. */
const WORK_BYTES = 65_536
/** What is written at once is held once more, encrypted, until it is out: of a whole pack that would be much. */
const PIECE_BYTES = 2 * 1024 * 1024
const MOST_SOCKETS = 16
/** A server that answers more than any object has is not one of ours. */
const MOST_ANSWER_BYTES = 80 * 1024 * 1024
const KNOWN_LENGTH = /^\d{1,8}$/

export function publicKeySha256(certificate: X509Certificate | string): string {
  const parsed = typeof certificate === 'string' ? new X509Certificate(certificate) : certificate
  return createHash('sha256')
    .update(parsed.publicKey.export({ format: 'der', type: 'spki' }))
    .digest('hex')
}

export function pinnedFetch(identity: PinnedIdentity, options: PinnedFetchOptions = {}): Fetch {
  const connections = connectionsOf(identity)
  return (input, init) => send({ ...connections, ...options }, input, init)
}

interface Connections {
  readonly agent: Agent
  readonly server: string
  /** Those whose other end was looked at. */
  readonly known: WeakSet<TLSSocket>
}

interface Way extends Connections, PinnedFetchOptions {}

const all = new Map<string, Connections>()

/** The same for all on this thread who speak as this client to this server: to begin one takes two journeys, and proofs on both sides. */
function connectionsOf({ certificate, privateKey, server }: PinnedIdentity): Connections {
  const key = `${server} ${certificate}`
  const there = all.get(key)
  if (there) return there
  const agent = new Agent({
    keepAlive: true,
    maxSockets: MOST_SOCKETS,
    timeout: IDLE_MS,
    minVersion: 'TLSv1.3',
    maxCachedSessions: 0,
    cert: certificate,
    key: pem(privateKey),
    // Whom we speak to is decided below, by its key.
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
  })
  const connections = { agent, server, known: new WeakSet<TLSSocket>() }
  all.set(key, connections)
  return connections
}

function send(way: Way, input: string, init: RequestInit): Promise<Fetched> {
  const { agent, server, known, pace } = way
  return new Promise((resolve, reject) => {
    const body = init.body as Uint8Array | undefined
    const isWork = body !== undefined && body.byteLength >= WORK_BYTES
    const silenceMs = isWork ? (way.workMs ?? WORK_MS) : (way.silenceMs ?? SILENCE_MS)
    const headers = { ...(init.headers as Record<string, string>), ...(body ? { 'content-length': String(body.byteLength) } : {}) }
    const signal = init.signal ?? undefined
    const asked = request(input, { agent, method: init.method ?? 'GET', headers, timeout: silenceMs, ...(signal ? { signal } : {}) })
    asked.on('timeout', () => asked.destroy(new Error('the connection fell silent')))
    asked.on('error', reject)
    asked.on('response', (answer) => {
      read(answer, init.method === 'HEAD', way, signal).then((bytes) => resolve(fetched(answer, bytes)), reject)
    })
    const go = () => {
      if (!body || (!pace && body.byteLength <= PIECE_BYTES)) asked.end(body)
      else
        sendInPieces(asked, body, way, signal).catch((error: unknown) => {
          asked.destroy(error instanceof Error ? error : new Error('interrupted'))
        })
    }
    // Nothing of the request leaves before the server's key was looked at.
    asked.on('socket', (socket) => {
      const tls = socket as TLSSocket
      const look = () => {
        const given = tls.getPeerX509Certificate()
        if (!given || publicKeySha256(given) !== server) {
          asked.destroy(
            wireError('SERVER_KEY_WRONG', `the server at ${new URL(input).host} has another key than the one that was enrolled with`),
          )
          return
        }
        known.add(tls)
        go()
      }
      if (known.has(tls)) go()
      else if ((tls as TLSSocket & { readonly secureConnecting: boolean }).secureConnecting) tls.once('secureConnect', look)
      else look()
    })
  })
}

async function sendInPieces(asked: ClientRequest, body: Uint8Array, way: Way, signal: AbortSignal | undefined): Promise<void> {
  const { pace, pieceBytes = pace ? 65_536 : PIECE_BYTES } = way
  for (let at = 0; at < body.length && !asked.destroyed; at += pieceBytes) {
    const piece = body.subarray(at, at + pieceBytes)
    await pace?.(piece.length, signal)
    // Refused before all of it went out: the answer is there, or comes.
    if (asked.destroyed) return
    if (!asked.write(piece)) await drained(asked)
  }
  asked.end()
}

function drained(asked: ClientRequest): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      asked.off('drain', done)
      asked.off('close', done)
      resolve()
    }
    asked.on('drain', done)
    asked.on('close', done)
  })
}

/** All of it, in memory of its own. */
async function read(
  answer: IncomingMessage,
  isHead: boolean,
  { pace }: Way,
  signal: AbortSignal | undefined,
): Promise<Buffer<ArrayBuffer>> {
  const said = String(answer.headers['content-length'] ?? '')
  // An answer to HEAD says how long the object is, and has none of it.
  let bytes = Buffer.allocUnsafeSlow(KNOWN_LENGTH.test(said) && !isHead ? Math.min(Number(said), MOST_ANSWER_BYTES) : 0)
  let length = 0
  for await (const part of answer as AsyncIterable<Buffer>) {
    if (length + part.length > MOST_ANSWER_BYTES) throw new Error('the answer is longer than any can be')
    if (length + part.length > bytes.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(2 * bytes.length, length + part.length))
      bytes.copy(larger, 0, 0, length)
      bytes = larger
    }
    bytes.set(part, length)
    length += part.length
    await pace?.(part.length, signal)
  }
  if (!answer.complete) throw new Error('the answer was cut off')
  return length === bytes.length ? bytes : Buffer.from(new Uint8Array(bytes.subarray(0, length)).buffer)
}

function fetched(answer: IncomingMessage, bytes: Buffer<ArrayBuffer>): Fetched {
  const headers = new Headers()
  for (const [name, value] of Object.entries(answer.headers)) headers.set(name, String(value))
  return { status: answer.statusCode ?? 500, headers, arrayBuffer: async () => bytes.buffer }
}

function pem(key: string): string {
  if (key.includes('-----BEGIN')) return key
  return `-----BEGIN PRIVATE KEY-----\n${key}\n-----END PRIVATE KEY-----\n`
}
