/** The API of a backup server, as one person or program: requests in the shapes of `wire`, problems as errors with the server's own codes. */
import type { IncomingMessage } from 'node:http'
import type { z } from 'zod'
import { TerpError } from '../../base/errors.ts'
import type { Operation } from '../../base/operation.ts'
import { apiBase, apiHeaders, approvalNeededShape, problemShape, sessionCookie, wireError } from '../../wire/index.ts'
import { cliError } from '../errors.ts'
import type { HttpsClient } from './https.ts'

export type Credentials =
  | { readonly kind: 'nobody' }
  | { readonly kind: 'token'; readonly token: string }
  | { readonly kind: 'session'; readonly cookie: string; readonly csrfToken: string }

export type Query = Readonly<Record<string, string | number | boolean | undefined>>

export interface Versioned<T> {
  readonly value: T
  /** To be sent with a change, so that nobody else's is lost. */
  readonly version: number
}

interface Asked {
  readonly query?: Query | undefined
  readonly body?: unknown
  readonly version?: number | undefined
  readonly headers?: Readonly<Record<string, string>>
}

export interface ApiOptions {
  readonly op: Operation
  readonly https: HttpsClient
  readonly credentials: Credentials
  readonly program: string
  /** Called when an act needs a fresh proof of who this is; undefined when nobody can be asked. Answers whether to try again. */
  readonly prove?: ((api: Api) => Promise<boolean>) | undefined
}

const ACCEPTED = 202
const UNREADY = 503
const MOST_PER_PAGE = 500
/** An answer that is read as a whole. */
const MOST_BYTES = 64 * 1024 * 1024

export class Api {
  readonly url: string
  readonly #options: ApiOptions
  #credentials: Credentials

  constructor(options: ApiOptions) {
    this.#options = options
    this.#credentials = options.credentials
    this.url = options.https.url
  }

  get credentials(): Credentials {
    return this.#credentials
  }

  async get<S extends z.ZodType>(path: string, shape: S, query?: Query): Promise<z.output<S>> {
    return this.#read(await this.#ask('GET', path, { query }), shape)
  }

  async getVersioned<S extends z.ZodType>(path: string, shape: S, query?: Query): Promise<Versioned<z.output<S>>> {
    const answer = await this.#ask('GET', path, { query })
    const version = Number(/"(\d+)"/.exec(answer.headers.etag ?? '')?.[1])
    if (!Number.isInteger(version)) throw this.#strange()
    return { value: this.#read(answer, shape), version }
  }

  /** What stands on all pages, at most `most`. */
  async list<S extends z.ZodType>(path: string, item: S, query: Query = {}, most = Number.POSITIVE_INFINITY): Promise<z.output<S>[]> {
    const found: z.output<S>[] = []
    for (let cursor: string | undefined; ; ) {
      const limit = Math.min(MOST_PER_PAGE, most - found.length)
      const answer = await this.#ask('GET', path, { query: { ...query, limit, cursor } })
      const page = this.#json(answer)
      if (typeof page !== 'object' || page === null || !('items' in page) || !Array.isArray(page.items)) throw this.#strange()
      for (const each of page.items) found.push(this.#parse(each, item))
      cursor = 'next' in page && typeof page.next === 'string' ? page.next : undefined
      if (cursor === undefined || found.length >= most) return found
    }
  }

  async send<S extends z.ZodType>(
    method: 'POST' | 'PUT' | 'PATCH' | 'DELETE',
    path: string,
    shape: S,
    asked: Asked = {},
  ): Promise<z.output<S>> {
    return this.#read(await this.#ask(method, path, asked), shape)
  }

  /** Where the answer has no content, or none that matters. */
  async act(method: 'POST' | 'PUT' | 'PATCH' | 'DELETE', path: string, asked: Asked = {}): Promise<void> {
    await this.#ask(method, path, asked)
  }

  /** Where 503 is an answer too: whether the server can do its work. */
  async getEvenUnready<S extends z.ZodType>(path: string, shape: S): Promise<z.output<S>> {
    const answer = await this.#askOnce('GET', path, {})
    if (isGood(answer) || (answer.statusCode === UNREADY && !readProblem(answer.bytes))) return this.#read(answer, shape)
    throw this.#problem(answer, answer.bytes)
  }

  /** As it came, whatever it is: for who speaks to the API itself. */
  async raw(method: string, path: string, asked: Asked = {}): Promise<Buffer> {
    return (await this.#ask(method, path, asked)).bytes
  }

  /** A file, or a stream of events: to be read as it comes. */
  async open(path: string, query?: Query, headers: Readonly<Record<string, string>> = {}): Promise<IncomingMessage> {
    const answer = await this.#send('GET', path, { query, headers })
    if (isGood(answer)) return answer
    throw this.#problem(answer, await readAll(answer))
  }

  async #ask(method: string, path: string, asked: Asked): Promise<Whole> {
    const answer = await this.#askOnce(method, path, asked)
    if (isGood(answer)) return answer
    const problem = this.#problem(answer, answer.bytes)
    const { prove } = this.#options
    if (problem.code !== 'AUTH_STEP_UP_REQUIRED' || !prove || !(await prove(this))) throw problem
    const second = await this.#askOnce(method, path, asked)
    if (isGood(second)) return second
    throw this.#problem(second, second.bytes)
  }

  async #askOnce(method: string, path: string, asked: Asked): Promise<Whole> {
    const answer = await this.#send(method, path, asked)
    const bytes = await readAll(answer)
    this.#keepCookie(answer, bytes)
    if (answer.statusCode === ACCEPTED) throwIfWaiting(bytes)
    return { statusCode: answer.statusCode ?? 0, headers: answer.headers, bytes }
  }

  /** `//metrics`: not below the API's own path, as in the table of routes. */
  #send(method: string, path: string, { query, body, version, headers: more }: Asked): Promise<IncomingMessage> {
    const { op, https, program } = this.#options
    const bytes = body === undefined ? undefined : new TextEncoder().encode(JSON.stringify(body))
    const headers = {
      accept: 'application/json',
      'user-agent': program,
      ...(bytes && { 'content-type': 'application/json' }),
      ...(version !== undefined && { 'if-match': `"${version}"` }),
      ...this.#identity(),
      ...more,
    }
    const place = path.startsWith('//') ? path.slice(1) : `${apiBase}${path}`
    return https.send(op, { method, target: `${place}${queryText(query)}`, headers, body: bytes })
  }

  #identity(): Record<string, string> {
    const credentials = this.#credentials
    if (credentials.kind === 'nobody') return {}
    if (credentials.kind === 'token') return { authorization: `Bearer ${credentials.token}` }
    return { cookie: `${sessionCookie}=${credentials.cookie}`, [apiHeaders.csrf]: credentials.csrfToken, origin: this.url }
  }

  /** A session begins, gets another cookie with each proof, and ends. */
  #keepCookie(answer: IncomingMessage, bytes: Buffer): void {
    const set = answer.headers['set-cookie']?.find((text) => text.startsWith(`${sessionCookie}=`))
    const cookie = set === undefined ? undefined : /^[^=]*=([^;]*)/.exec(set)?.[1]
    if (cookie === undefined || !isGood(answer)) return
    if (cookie === '') {
      this.#credentials = { kind: 'nobody' }
      return
    }
    const json: unknown = JSON.parse(bytes.toString('utf8'))
    const csrfToken = typeof json === 'object' && json !== null && 'csrfToken' in json ? String(json.csrfToken) : ''
    this.#credentials = { kind: 'session', cookie, csrfToken }
  }

  #read<S extends z.ZodType>(answer: Whole, shape: S): z.output<S> {
    return this.#parse(this.#json(answer), shape)
  }

  #json({ bytes }: Whole): unknown {
    try {
      return JSON.parse(bytes.toString('utf8'))
    } catch {
      throw this.#strange()
    }
  }

  #parse<S extends z.ZodType>(json: unknown, shape: S): z.output<S> {
    const parsed = shape.safeParse(json)
    if (parsed.success) return parsed.data
    throw this.#strange()
  }

  #strange(): TerpError {
    return wireError('SERVER_ANSWER_INVALID', `${this.url} answers with something else than was asked for`, { context: { url: this.url } })
  }

  #problem(answer: { readonly statusCode?: number | undefined }, bytes: Buffer): TerpError {
    const status = answer.statusCode ?? 0
    const found = readProblem(bytes)
    if (!found) {
      const text = `${this.url} answers with status ${status} and no explanation`
      return wireError('SERVER_ANSWER_INVALID', text, { context: { url: this.url, status } })
    }
    const { code, kind, retry, detail, context, requestId } = found
    const hint = HINTS[code] ?? found.hint
    // What is interrupted there is not interrupted here.
    const told = kind === 'cancelled' ? 'unavailable' : kind
    return new TerpError(code, { kind: told, retry, hint }, detail, {
      context: { ...context, ...(requestId !== undefined && { requestId }) },
    })
  }
}

/** APPROVAL_WAITS: what was asked for is not done; another person has to agree first. */
function throwIfWaiting(bytes: Buffer): void {
  const parsed = approvalNeededShape.safeParse(readJson(bytes))
  if (!parsed.success) return
  const { id, act, expires } = parsed.data.approval
  throw cliError('APPROVAL_WAITS', `nothing was done yet: ${act} waits for a second person (${id.slice(0, 8)})`, {
    context: { approval: id, act, expires },
  })
}

/** The server speaks to programs; these speak to who types. */
const HINTS: Readonly<Record<string, string>> = {
  AUTH_REQUIRED:
    'Sign in with `terp login`, or name a file with an API token in TERP_TOKEN_FILE; a session ends after 15 minutes without use.',
  AUTH_STEP_UP_REQUIRED: 'Sign in again with `terp login`: this act needs password and code of the last five minutes. No token can do it.',
  AUTH_ACCOUNT_INCOMPLETE: 'Change your password with `terp user password`, or enrol a second factor with `terp user totp`.',
  AUTH_TOTP_NOT_OFFERED: 'Begin with `terp user totp`.',
  SETUP_DONE: 'Sign in with the account that was made.',
  API_ROUTE_NOT_FOUND: 'This program may be newer than the server: update the older one.',
  API_REQUEST_INVALID: 'See what the command takes with --help.',
  PATH_NOT_IN_POINT: 'Look for it with `terp recovery-point browse`, or `terp search`.',
  AGENT_UNKNOWN: 'See which agents there are with `terp agent list`.',
}

interface Whole {
  readonly statusCode: number
  readonly headers: IncomingMessage['headers']
  readonly bytes: Buffer
}

function isGood({ statusCode = 0 }: { readonly statusCode?: number | undefined }): boolean {
  return statusCode >= 200 && statusCode < 300
}

/** Undefined for what is none: a proxy's page, say; told by its status. */
function readProblem(bytes: Buffer) {
  return problemShape.safeParse(readJson(bytes)).data
}

function readJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'))
  } catch {
    return undefined
  }
}

async function readAll(answer: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = []
  let length = 0
  for await (const part of answer as AsyncIterable<Buffer>) {
    parts.push(part)
    length += part.length
    if (length > MOST_BYTES) throw wireError('SERVER_ANSWER_INVALID', 'the answer of the server does not end')
  }
  return Buffer.concat(parts)
}

function queryText(query: Query = {}): string {
  const given = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) if (value !== undefined) given.append(name, String(value))
  return given.size === 0 ? '' : `?${given}`
}
