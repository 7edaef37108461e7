/** The administrator of a real server, over its API: with password and second factor where a fresh proof is asked for, by a token for all else. */
import { Agent, request } from 'node:https'
import { generateSync } from 'otplib'
import type { Json } from './terp.ts'

export interface Asked {
  readonly method?: string
  readonly body?: unknown
  readonly version?: number
}

export interface Got {
  readonly status: number
  readonly json: Json
  readonly cookie: string | undefined
  readonly version: number | undefined
}

export class ApiProblem extends Error {
  readonly code: string
  readonly status: number

  constructor(asked: string, { status, json }: Got) {
    super(`${asked} answers ${status} ${json?.code}: ${json?.detail} ${JSON.stringify(json?.context ?? {})}`)
    this.code = String(json?.code)
    this.status = status
  }
}

const PASSWORD = 'correct horse battery staple'
const STEP_MS = 30_000
/** A fresh proof counts for five minutes. */
const PROOF_MS = 4 * 60_000
const ROLES = ['backup-admin']
/** Whoever does not answer by then was stopped, or hangs. Real milliseconds. */
const SILENCE_MS = 300_000

export interface ApiTime {
  readonly rate: number
  nowMs(): number
  run(rate: number): void
  skip(ms: number): void
}

export class ApiPerson {
  /** Changes with each start of the server. */
  address = ''
  readonly #time: ApiTime
  #agent = new Agent({ keepAlive: true, rejectUnauthorized: false })
  #secret = ''
  #token = ''
  #cookie = ''
  #csrf = ''
  #provenMs = Number.NEGATIVE_INFINITY
  #codeMs = Number.NEGATIVE_INFINITY

  constructor(time: ApiTime) {
    this.#time = time
  }

  close(): void {
    this.#agent.destroy()
  }

  /** The first account, its second factor, and a token that outlasts sessions. */
  async setUp(setupSecret: string): Promise<void> {
    const { json } = await this.#ok('/setup', { method: 'POST', body: { secret: setupSecret, name: 'admin', password: PASSWORD } })
    this.#csrf = json.csrfToken
    this.#secret = (await this.#ok('/session/totp', { method: 'POST' }, true)).json.secret
    await this.#ok('/session/totp/confirm', { method: 'POST', body: { totp: this.#code() } }, true)
    await this.prove()
    const body = { name: 'test', roles: ROLES, days: 366 }
    this.#token = (await this.#ok('/tokens', { method: 'POST', body }, true)).json.secret
  }

  /** By the token. ApiProblem; any other error: nobody answered. */
  async ask(path: string, asked: Asked = {}): Promise<Json> {
    return (await this.#ok(path, asked)).json
  }

  /** As a person who has proven just now to be there. */
  async askProven(path: string, asked: Asked = {}): Promise<Json> {
    if (this.#time.nowMs() - this.#provenMs > PROOF_MS) await this.prove()
    return (await this.#ok(path, asked, true)).json
  }

  /** All pages. */
  async list(path: string): Promise<Json[]> {
    const items: Json[] = []
    for (let cursor: string | undefined; ; ) {
      const mark = path.includes('?') ? '&' : '?'
      const page = await this.ask(`${path}${mark}limit=500${cursor === undefined ? '' : `&cursor=${encodeURIComponent(cursor)}`}`)
      items.push(...page.items)
      cursor = page.next
      if (cursor === undefined) return items
    }
  }

  async changeSetting(name: string, change: object): Promise<void> {
    const { json, version } = await this.#ok(`/settings/${name}`)
    if (this.#time.nowMs() - this.#provenMs > PROOF_MS) await this.prove()
    await this.#ok(`/settings/${name}`, { method: 'PUT', body: { ...json, ...change }, version: version ?? 0 }, true)
  }

  /** Signs in with password and code: a session may have ended meanwhile. */
  async prove(): Promise<void> {
    const { rate } = this.#time
    // A person types it in time.
    this.#time.run(1)
    try {
      this.#cookie = ''
      const body = { name: 'admin', password: PASSWORD, totp: this.#code() }
      this.#csrf = (await this.#ok('/session', { method: 'POST', body }, true)).json.csrfToken
      this.#provenMs = this.#time.nowMs()
    } finally {
      this.#time.run(rate)
    }
  }

  /** Each counts once, so the next is that of a later step. */
  #code(): string {
    if (this.#time.nowMs() - this.#codeMs < STEP_MS) this.#time.skip(STEP_MS)
    this.#codeMs = this.#time.nowMs()
    return generateSync({ secret: this.#secret, epoch: Math.floor(this.#codeMs / 1000) })
  }

  async #ok(path: string, asked: Asked = {}, asPerson = false): Promise<Got> {
    const got = await this.#send(path, asked, asPerson)
    if (got.status < 200 || got.status >= 300) throw new ApiProblem(`${asked.method ?? 'GET'} ${path}`, got)
    return got
  }

  #send(path: string, { method = 'GET', body, version }: Asked, asPerson: boolean): Promise<Got> {
    const { hostname, port } = new URL(this.address)
    const content = body === undefined ? undefined : JSON.stringify(body)
    const isToken = !asPerson && this.#token !== ''
    const headers = {
      ...(content !== undefined && { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(content)) }),
      ...(version !== undefined && { 'if-match': `"${version}"` }),
      ...(isToken ? { authorization: `Bearer ${this.#token}` } : { cookie: this.#cookie, origin: this.address, 'terp-csrf': this.#csrf }),
    }
    const options = { agent: this.#agent, hostname, port, path: `/api/v1${path}`, method, headers, timeout: SILENCE_MS }
    return new Promise((resolve, reject) => {
      const asking = request(options, (answer) => {
        const parts: Buffer[] = []
        answer.on('error', reject)
        answer.on('data', (part: Buffer) => parts.push(part))
        answer.on('end', () => {
          const text = Buffer.concat(parts).toString('utf8')
          const cookie = /(__Host-terp=[^;]+)/.exec(String(answer.headers['set-cookie'] ?? ''))?.[1]
          if (cookie !== undefined) this.#cookie = cookie
          const isJson = text !== '' && /json/.test(answer.headers['content-type'] ?? '')
          const tag = /"(\d+)"/.exec(answer.headers.etag ?? '')?.[1]
          resolve({
            status: answer.statusCode ?? 0,
            json: isJson ? JSON.parse(text) : undefined,
            cookie,
            version: tag === undefined ? undefined : Number(tag),
          })
        })
      })
      asking.on('timeout', () => asking.destroy(new Error(`${path} was not answered in ${SILENCE_MS} ms`)))
      asking.on('error', reject)
      asking.end(content)
    })
  }
}
