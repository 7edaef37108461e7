/** A running server in a temporary folder, over real TLS, and people who use it. For tests. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import type { IncomingHttpHeaders } from 'node:http'
import { type Agent, request as httpsRequest } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { generateSync } from 'otplib'
import { fromTimestamp, ManualClock } from '../base/clock.ts'
import { type Operation, startOperation, type Warning } from '../base/operation.ts'
import type { Role } from '../catalog/index.ts'
import { systemDisk } from '../platform/index.ts'
import type { CallerDescription } from '../wire/index.ts'
import { type RunningServer, type ServerOptions, startServer } from './start.ts'

export const GOOD_PASSWORD = 'correct horse battery staple'

export interface Sent {
  readonly method?: string
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

export interface Got {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of many shapes
  readonly json: any
}

export interface TestServer {
  readonly clock: ManualClock
  readonly op: Operation
  readonly warnings: Warning[]
  readonly dataFolder: string
  running(): RunningServer
  restart(): Promise<void>
  send(path: string, sent?: Sent): Promise<Got>
  /** The first account, with its second factor, signed in just now. */
  administrator(): Promise<Person>
  /** Another one, with such roles. */
  person(name: string, roles: readonly Role[]): Promise<Person>
}

export class Person {
  readonly #server: TestServer
  readonly name: string
  password: string
  totpSecret: string | undefined
  cookie = ''
  csrf = ''
  me: CallerDescription | undefined

  constructor(server: TestServer, name: string, password: string) {
    this.#server = server
    this.name = name
    this.password = password
  }

  get id(): string {
    return this.me?.account.id ?? ''
  }

  /** As a browser on a page of this server. */
  async send(path: string, sent: Sent = {}): Promise<Got> {
    const origin = this.#server.running().address
    const headers = { cookie: this.cookie, origin, 'terp-csrf': this.csrf, ...sent.headers }
    const got = await this.#server.send(path, { ...sent, headers })
    this.#keep(got)
    return got
  }

  async signIn(): Promise<Got> {
    const got = await this.#server.send('/api/v1/session', {
      method: 'POST',
      body: { name: this.name, password: this.password, ...this.code() },
    })
    this.#keep(got)
    return got
  }

  async stepUp(): Promise<Got> {
    return await this.send('/api/v1/session/step-up', { method: 'POST', body: { password: this.password, ...this.code() } })
  }

  /** Of this time step; the clock moves on so that it was not used before. */
  code(): { totp?: string } {
    if (this.totpSecret === undefined) return {}
    this.#server.clock.advance(30_000)
    return { totp: generateSync({ secret: this.totpSecret, epoch: Math.floor(this.#server.clock.nowMs() / 1000) }) }
  }

  async enrolTotp(): Promise<string[]> {
    const offer = await this.send('/api/v1/session/totp', { method: 'POST' })
    this.totpSecret = offer.json.secret
    const confirmed = await this.send('/api/v1/session/totp/confirm', { method: 'POST', body: this.code() })
    if (confirmed.status !== 200) throw new Error(confirmed.text)
    return confirmed.json.recoveryCodes
  }

  #keep(got: Got): void {
    const cookie = /__Host-terp=([^;]*)/.exec(String(got.headers['set-cookie'] ?? ''))?.[1]
    if (cookie !== undefined) this.cookie = `__Host-terp=${cookie}`
    if (got.json?.csrfToken === undefined) return
    this.csrf = got.json.csrfToken
    this.me = got.json
  }
}

type Start = (op: Operation, options: ServerOptions) => Promise<RunningServer>

/** `startAs`: another way to start it, such as with all of its parts. */
export async function aServer(
  t: Pick<TestContext, 'after'>,
  change: Partial<ServerOptions> = {},
  startAs: Start = startServer,
): Promise<TestServer> {
  const root = await mkdtemp(join(tmpdir(), 'terp-server-'))
  const clock = new ManualClock(fromTimestamp('2026-11-22T10:00:00.000Z'))
  const warnings: Warning[] = []
  const op = startOperation({ clock, onWarning: (warning) => warnings.push(warning) })
  const dataFolder = join(root, 'data')
  // Costs of a tenth: tests make many accounts. The real ones: passwords.test.ts.
  const options = {
    dataFolder,
    host: '127.0.0.1',
    port: 0,
    disk: systemDisk(),
    version: '0.0.0-test',
    passwordCosts: { memoryKib: 1024, passes: 1 },
  }
  const start = () => startAs(op, { ...options, ...change })
  let running = await start()
  t.after(async () => {
    await running.close()
    await rm(root, { recursive: true, force: true })
  })

  let administrator: Person | undefined
  /** Who can agree to another administrator. */
  let second: Person | undefined
  const server: TestServer = {
    clock,
    op,
    warnings,
    dataFolder,
    running: () => running,
    async restart() {
      await running.close()
      running = await start()
    },
    send: (path, sent) => sendTo(running.address, path, sent),
    async administrator() {
      if (administrator) return administrator
      const person = new Person(server, 'admin', GOOD_PASSWORD)
      const secret = (await readFile(join(dataFolder, 'setup-secret'), 'utf8')).trim()
      const got = await person.send('/api/v1/setup', { method: 'POST', body: { secret, name: person.name, password: person.password } })
      if (got.status !== 201) throw new Error(got.text)
      await person.enrolTotp()
      await person.stepUp()
      administrator = person
      return person
    },
    async person(name, roles) {
      const admin = await server.administrator()
      await admin.stepUp()
      const made = await admin.send('/api/v1/accounts', { method: 'POST', body: { name, roles } })
      const { password } = made.status === 202 ? (await agree(made.json.approval.id)).result : made.json
      if (password === undefined) throw new Error(made.text)
      const person = new Person(server, name, password)
      await person.signIn()
      const body = { password: person.password, newPassword: `${GOOD_PASSWORD} 2` }
      const changed = await person.send('/api/v1/session/password', { method: 'PUT', body })
      if (changed.status !== 200) throw new Error(changed.text)
      person.password = body.newPassword
      if (person.me?.mustDo.includes('enrol-totp')) await person.enrolTotp()
      await person.send('/api/v1/session')
      if (person.totpSecret !== undefined) second ??= person
      return person
    },
  }
  return server

  async function agree(approvalId: string) {
    if ((await second?.signIn())?.status !== 201) throw new Error('there is no second person')
    const agreed = await second?.send(`/api/v1/approvals/${approvalId}/approve`, { method: 'POST' })
    if (agreed?.status !== 200) throw new Error(agreed?.text)
    return agreed.json
  }
}

/** Over TLS, as it is: no redirects, no cookies of its own. The certificate is the server's own. */
export function sendTo(url: string, path: string, { method = 'GET', body, headers = {} }: Sent = {}, agent?: Agent): Promise<Got> {
  const { hostname, port } = new URL(url)
  const content = body === undefined ? undefined : JSON.stringify(body)
  const json = content === undefined ? {} : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(content)) }
  return new Promise((resolve, reject) => {
    const sent = { ...(agent ? {} : { connection: 'close' }), ...json, ...headers }
    const options = { hostname, port, path, method, headers: sent, rejectUnauthorized: false, ...(agent && { agent }) }
    const request = httpsRequest(options, (response) => {
      const parts: Buffer[] = []
      response.on('data', (part: Buffer) => parts.push(part))
      response.on('end', () => {
        const text = Buffer.concat(parts).toString('utf8')
        const isJson = /json/.test(response.headers['content-type'] ?? '') && text !== ''
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text, json: isJson ? JSON.parse(text) : undefined })
      })
      response.on('error', reject)
    })
    request.on('error', reject)
    request.end(content)
  })
}
