/** One message over one channel: a mail, a signed request, a sign of life. Throws what went wrong, for people to read. */
import { createHmac } from 'node:crypto'
import { createTransport } from 'nodemailer'
import { toTimestamp } from '../../base/clock.ts'
import type { Operation } from '../../base/operation.ts'
import type { Channel, JsonObject } from '../../catalog/index.ts'
import { heartbeatOptionsShape, smtpOptionsShape, webhookOptionsShape } from '../../wire/index.ts'
import { alertError } from './errors.ts'

export interface Message {
  /** Of the delivery: the same when it is sent again, so that a receiver can pass over what it has. */
  readonly id: string
  readonly event: string
  readonly payload: JsonObject
}

const TIMEOUT_MS = 20_000

export async function sendOver(op: Operation, channel: Channel, secret: string | undefined, message: Message): Promise<void> {
  if (channel.kind === 'smtp') await sendMail(channel, secret, message)
  else if (channel.kind === 'webhook') await sendWebhook(op, channel, secret, message)
  else await sendHeartbeat(op, channel)
}

async function sendMail(channel: Channel, secret: string | undefined, { id, event, payload }: Message): Promise<void> {
  const { host, port, security, from, to, user } = smtpOptionsShape.parse(channel.options)
  const transport = createTransport({
    host,
    port,
    secure: security === 'tls',
    requireTLS: security === 'starttls',
    ignoreTLS: security === 'none',
    connectionTimeout: TIMEOUT_MS,
    greetingTimeout: TIMEOUT_MS,
    socketTimeout: TIMEOUT_MS,
    ...(user !== undefined && { auth: { user, pass: secret ?? '' } }),
  })
  const { subject, text } = letterOf(event, payload)
  try {
    await transport.sendMail({
      from,
      to: [...to],
      subject,
      text,
      messageId: `<${id}@terp>`,
      headers: { 'Auto-Submitted': 'auto-generated' },
    })
  } catch (cause) {
    throw alertError('CHANNEL_REFUSED', `${host}:${port}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  } finally {
    transport.close()
  }
}

export function letterOf(event: string, payload: JsonObject): { readonly subject: string; readonly text: string } {
  const line = (name: string) => (payload[name] === undefined || payload[name] === null ? '' : String(payload[name]))
  if (event === 'test') return { subject: 'Terp: test message', text: 'This channel of notification works.\n' }
  const what = event === 'alert.resolved' ? 'resolved' : line('severity')
  const number = line('domainCode') === '' ? '' : ` (DPM ${line('domainCode')})`
  const about = line('subjectName')
  const text = [
    `${line('message')}`,
    '',
    `About:  ${about}`,
    `Alert:  ${line('code')}${number}`,
    `Since:  ${line('raised')}`,
    ...(event === 'alert.resolved' ? [`Until:  ${line('ended')}`] : [`To do:  ${line('hint')}`]),
    '',
  ].join('\n')
  // A name from elsewhere must not write headers.
  return { subject: `Terp ${what}: ${about}: ${line('message')}`.replace(/[\r\n]+/g, ' ').slice(0, 200), text }
}

/** The receiver computes the same: HMAC-SHA256 of the time, a dot and the body. An old time is somebody who repeats what he heard. */
export function webhookSignature(key: string, time: string, body: string): string {
  return `sha256=${createHmac('sha256', key).update(`${time}.${body}`).digest('hex')}`
}

async function sendWebhook(op: Operation, channel: Channel, secret: string | undefined, { id, event, payload }: Message): Promise<void> {
  const { url } = webhookOptionsShape.parse(channel.options)
  if (secret === undefined) throw alertError('CHANNEL_SECRET_MISSING', 'the webhook has no key to be signed with')
  const time = toTimestamp(op.clock.nowMs())
  const body = JSON.stringify({ id, event, at: time, alert: payload })
  await request(op, url, {
    method: 'POST',
    body,
    headers: {
      'content-type': 'application/json',
      'terp-delivery': id,
      'terp-event': event,
      'terp-time': time,
      'terp-signature': webhookSignature(secret, time, body),
    },
  })
}

async function sendHeartbeat(op: Operation, channel: Channel): Promise<void> {
  await request(op, heartbeatOptionsShape.parse(channel.options).url, { method: 'POST' })
}

async function request(op: Operation, url: string, init: RequestInit): Promise<void> {
  let status: number
  try {
    // A redirect could lead the request, and its signature, anywhere.
    const answer = await fetch(url, { ...init, redirect: 'error', signal: AbortSignal.any([op.signal, AbortSignal.timeout(TIMEOUT_MS)]) })
    await answer.body?.cancel()
    status = answer.status
  } catch (cause) {
    const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause
    throw alertError('CHANNEL_REFUSED', `${new URL(url).host}: ${inner instanceof Error ? inner.message : String(inner)}`, { cause })
  }
  if (status < 200 || status > 299) throw alertError('CHANNEL_REFUSED', `${new URL(url).host} answered ${status}`)
}
