/** Those who use the API of the server: the administrator who sets it up, and somebody who looks at it at an even pace. */
import { Agent, request } from 'node:https'
import { generateSync } from 'otplib'

export interface Got {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  // biome-ignore lint/suspicious/noExplicitAny: answers of many shapes
  readonly json: any
}

const PASSWORD = 'correct horse battery staple'

export class Caller {
  readonly #address: string
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 32, rejectUnauthorized: false })
  headers: Record<string, string> = {}

  constructor(address: string) {
    this.#address = address
  }

  send(method: string, path: string, body?: unknown, more: Record<string, string> = {}): Promise<Got> {
    const text = body === undefined ? undefined : JSON.stringify(body)
    const headers = {
      ...this.headers,
      ...more,
      ...(text === undefined ? {} : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(text)) }),
    }
    const url = this.#address + (path === '/metrics' ? path : `/api/v1${path}`)
    return new Promise((resolve, reject) => {
      const asked = request(url, { method, agent: this.#agent, headers }, (answer) => {
        const parts: Buffer[] = []
        answer.on('data', (part: Buffer) => parts.push(part))
        answer.on('error', reject)
        answer.on('end', () => {
          const all = Buffer.concat(parts).toString('utf8')
          const isJson = String(answer.headers['content-type']).includes('json') && all !== ''
          resolve({ status: answer.statusCode ?? 0, headers: answer.headers, json: isJson ? JSON.parse(all) : all })
        })
      })
      asked.on('error', reject)
      asked.end(text)
    })
  }

  /** What is asked must succeed. */
  async ask(method: string, path: string, body?: unknown, more?: Record<string, string>): Promise<Got> {
    const got = await this.send(method, path, body, more)
    if (got.status >= 300) throw new Error(`${method} ${path}: ${got.status} ${JSON.stringify(got.json).slice(0, 2000)}`)
    return got
  }

  close(): void {
    this.#agent.destroy()
  }
}

/** The first account of a new server, signed in with its second factor and proven just now. */
export async function firstAdministrator(address: string, setupSecret: string): Promise<Caller> {
  const caller = new Caller(address)
  caller.headers = { origin: address }
  const keep = ({ headers, json }: Got) => {
    const cookie = /__Host-terp=[^;]*/.exec(String(headers['set-cookie'] ?? ''))?.[0]
    caller.headers = { ...caller.headers, ...(cookie && { cookie }), ...(json?.csrfToken && { 'terp-csrf': json.csrfToken }) }
  }
  keep(await caller.ask('POST', '/setup', { secret: setupSecret, name: 'admin', password: PASSWORD }))
  const { secret } = (await caller.ask('POST', '/session/totp')).json
  // A code is good once: the second is that of the next step.
  const code = (aheadSeconds: number) => generateSync({ secret, epoch: Math.floor(Date.now() / 1000) + aheadSeconds })
  keep(await caller.ask('POST', '/session/totp/confirm', { totp: code(0) }))
  keep(await caller.ask('POST', '/session/step-up', { password: PASSWORD, totp: code(30) }))
  return caller
}

/** Somebody with a token who may read. */
export async function aReader(address: string, administrator: Caller): Promise<Caller> {
  const { secret } = (await administrator.ask('POST', '/tokens', { name: 'dashboard', roles: ['reader'], days: 1 })).json
  const reader = new Caller(address)
  reader.headers = { authorization: `Bearer ${secret}` }
  return reader
}

export interface Look {
  readonly route: string
  readonly atMs: number
  readonly ms: number
  readonly status: number
}

/** Asks for what `paths` say, one after the other, so many times a second, whether or not the one before was answered; until `signal`. */
export async function look(
  caller: Caller,
  paths: readonly { readonly route: string; readonly path: () => string }[],
  perSecond: number,
  signal: AbortSignal,
): Promise<Look[]> {
  const looks: Look[] = []
  const open = new Set<Promise<void>>()
  for (let n = 0, dueMs = performance.now(); !signal.aborted; n++, dueMs += 1000 / perSecond) {
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, dueMs - performance.now())))
    const { route, path } = paths[n % paths.length] as (typeof paths)[number]
    // From when it was due: a client that could not ask in time waited too.
    const beganMs = dueMs
    const atMs = Date.now()
    const asked = caller
      .send('GET', path())
      .then(({ status }) => void looks.push({ route, atMs, ms: performance.now() - beganMs, status }))
      .catch(() => void looks.push({ route, atMs, ms: performance.now() - beganMs, status: 0 }))
      .finally(() => open.delete(asked))
    open.add(asked)
  }
  await Promise.all(open)
  return looks
}
