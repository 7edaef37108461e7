/**
 * Who may look. The page shows what backups hold, so it answers only to this machine's own names (a foreign page that rebinds its DNS name to
 * 127.0.0.1 sends its own name), and only to who has the token: other users of the machine can reach the port as well.
 */
import { timingSafeEqual } from 'node:crypto'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Random } from '../base/random.ts'
import { pageError } from './errors.ts'

const HEADERS = {
  'content-security-policy':
    "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'cache-control': 'no-store',
} as const

export function makeToken(random: Random): string {
  return Buffer.from(random.bytes(24)).toString('base64url')
}

export function guard(http: FastifyInstance, token: string): void {
  http.addHook('onRequest', async (request, reply) => {
    reply.headers(HEADERS)
    const port = request.socket.localPort
    if (!isOwnName(request.headers.host, port)) throw pageError('PAGE_LOCKED', 'this page does not answer to that name')
    if (request.url === '/style.css') return
    const cookie = `terp_page_${port}`
    const given = (request.query as { token?: unknown }).token
    if (typeof given === 'string' && isEqual(given, token)) return enter(request, reply, `${cookie}=${token}`)
    if (!isEqual(readCookie(request, cookie) ?? '', token)) throw pageError('PAGE_LOCKED', 'this page opens with a token')
  })
}

/** The token leaves the address bar, and so the history, for a cookie. */
function enter(request: FastifyRequest, reply: FastifyReply, cookie: string) {
  const path = request.url.split('?', 1)[0] ?? '/'
  return reply.header('set-cookie', `${cookie}; Path=/; HttpOnly; SameSite=Strict`).redirect(path.startsWith('//') ? '/' : path, 303)
}

export function isOwnName(host: string | undefined, port: number | undefined): boolean {
  return host === `127.0.0.1:${port}` || host === `localhost:${port}`
}

export function readCookie(request: Pick<FastifyRequest, 'headers'>, name: string): string | undefined {
  for (const part of (request.headers.cookie ?? '').split(';')) {
    const [key, value] = part.trim().split('=', 2)
    if (key === name) return value
  }
  return undefined
}

function isEqual(a: string, b: string): boolean {
  const [x, y] = [Buffer.from(a), Buffer.from(b)]
  return x.length === y.length && timingSafeEqual(x, y)
}
