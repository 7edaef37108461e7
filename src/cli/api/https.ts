/**
 * One request over TLS 1.3 to a backup server. With a fingerprint it is known by its certificate, and neither name nor authority counts; without, by
 * the authorities that this machine trusts. Nothing of a request leaves before the other side was looked at.
 */
import type { IncomingMessage } from 'node:http'
import { Agent, request } from 'node:https'
import type { TLSSocket } from 'node:tls'
import { connect } from 'node:tls'
import { TerpError } from '../../base/errors.ts'
import type { Operation } from '../../base/operation.ts'
import { wireError } from '../../wire/index.ts'
import { cliError } from '../errors.ts'
import { errnoOf } from '../files.ts'

export interface HttpsRequest {
  readonly method: string
  /** Path and query. */
  readonly target: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: Uint8Array | undefined
}

/** Without a byte from the other side for so long, a connection counts as dead. Events are sent more often. */
const SILENCE_MS = 120_000
const CONNECT_MS = 15_000

/** What Node says where no authority vouches for the certificate, or it is for another name. */
const UNTRUSTED = /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_|CERT_|ERR_TLS_CERT_ALTNAME_INVALID)/

export class HttpsClient {
  /** `https://host:port`. */
  readonly url: string
  readonly #pin: string | undefined
  readonly #agent: Agent
  readonly #known = new WeakSet<TLSSocket>()

  /** `fingerprint`: SHA-256 of the certificate, as `normalFingerprint` makes it. */
  constructor(url: string, fingerprint: string | undefined) {
    this.url = url
    this.#pin = fingerprint
    const trust = fingerprint === undefined ? {} : { rejectUnauthorized: false, checkServerIdentity: () => undefined }
    // Never resumed from tickets, so that each connection shows its certificate.
    this.#agent = new Agent({ keepAlive: true, minVersion: 'TLSv1.3', maxCachedSessions: 0, ...trust })
  }

  /** The answer with its body still to be read. SERVER_UNREACHABLE, SERVER_CERTIFICATE_UNKNOWN, SERVER_CERTIFICATE_CHANGED. */
  async send(op: Operation, asked: HttpsRequest): Promise<IncomingMessage> {
    op.check()
    try {
      return await this.#send(op, asked)
    } catch (cause) {
      op.check()
      if (cause instanceof TerpError) throw cause
      if (UNTRUSTED.test(errnoOf(cause) ?? '')) throw await this.#unknown(op, cause)
      throw unreachable(this.url, cause)
    }
  }

  close(): void {
    this.#agent.destroy()
  }

  #send(op: Operation, { method, target, headers, body }: HttpsRequest): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const length = body === undefined ? {} : { 'content-length': String(body.byteLength) }
      const options = { agent: this.#agent, method, headers: { ...headers, ...length }, timeout: SILENCE_MS, signal: op.signal }
      const sent = request(this.url + target, options, resolve)
      sent.on('timeout', () => sent.destroy(new Error('the connection fell silent')))
      sent.on('error', reject)
      sent.on('socket', (socket) => {
        const tls = socket as TLSSocket
        const look = () => {
          const found = tls.getPeerX509Certificate()
          if (this.#pin !== undefined && (!found || normalFingerprint(found.fingerprint256) !== this.#pin)) {
            sent.destroy(changed(this.url, found?.fingerprint256))
            return
          }
          this.#known.add(tls)
          sent.end(body)
        }
        if (this.#known.has(tls)) sent.end(body)
        else if ((tls as TLSSocket & { readonly secureConnecting: boolean }).secureConnecting) tls.once('secureConnect', look)
        else look()
      })
    })
  }

  async #unknown(op: Operation, cause: unknown): Promise<TerpError> {
    const fingerprint = await fingerprintAt(op, this.url)
    return cliError('SERVER_CERTIFICATE_UNKNOWN', `no authority vouches for the certificate of ${this.url}`, {
      cause,
      context: { url: this.url, fingerprint },
    })
  }
}

/** As a browser shows it: `AB:CD:…`. SERVER_UNREACHABLE. */
export function fingerprintAt(op: Operation, url: string): Promise<string> {
  const { hostname, port } = new URL(url)
  const host = hostname.replace(/^\[|\]$/g, '')
  return new Promise((resolve, reject) => {
    const fail = (cause: unknown) => {
      socket.destroy()
      reject(unreachable(url, cause))
    }
    const socket = connect({ host, port: Number(port || 443), minVersion: 'TLSv1.3', rejectUnauthorized: false, timeout: CONNECT_MS })
    const onAbort = () => fail(op.signal.reason)
    op.signal.addEventListener('abort', onAbort, { once: true })
    socket.once('timeout', () => fail(new Error('no answer')))
    socket.once('error', fail)
    socket.once('close', () => op.signal.removeEventListener('abort', onAbort))
    socket.once('secureConnect', () => {
      const found = socket.getPeerX509Certificate()
      socket.destroy()
      if (found) resolve(found.fingerprint256)
      else fail(new Error('no certificate'))
    })
  })
}

/** 64 small hexadecimal digits; undefined for what is no SHA-256. */
export function normalFingerprint(text: string): string | undefined {
  const digits = text
    .trim()
    .replace(/^SHA256[ :=]*/i, '')
    .replaceAll(':', '')
    .toLowerCase()
  return /^[0-9a-f]{64}$/.test(digits) ? digits : undefined
}

function changed(url: string, found: string | undefined): TerpError {
  return cliError('SERVER_CERTIFICATE_CHANGED', `the server at ${url} has another certificate than the one that is known`, {
    context: { url, fingerprint: found },
  })
}

function unreachable(url: string, cause: unknown): TerpError {
  const why = errnoOf(cause)
  return wireError('SERVER_UNREACHABLE', `${url} does not answer${why === undefined ? '' : ` (${why})`}`, { cause, context: { url } })
}
