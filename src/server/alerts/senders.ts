/** One message over one channel: a mail, a signed request, a sign of life. Throws what went wrong, for people to read. */
import { createHmac } from 'node:crypto'
import { createTransport } from 'nodemailer'
import { toTimestamp } from '../../base/clock.ts'
import { hasCode } from '../../base/errors.ts'
import type { Operation } from '../../base/operation.ts'
import type { Channel, JsonObject } from '../../catalog/index.ts'
import { heartbeatOptionsShape, smtpOptionsShape, webhookOptionsShape } from '../../wire/index.ts'
import { alertError } from './errors.ts'
import { DIGEST, letterOf, RECOVERY_ENDED } from './letters.ts'
import { type Post, post } from './post.ts'

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
      to: event === RECOVERY_ENDED && Array.isArray(payload.to) ? payload.to.map(String) : [...to],
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

/** The receiver computes the same: HMAC-SHA256 of the time, a dot and the body. An old time is somebody who repeats what he heard. */
export function webhookSignature(key: string, time: string, body: string): string {
  return `sha256=${createHmac('sha256', key).update(`${time}.${body}`).digest('hex')}`
}

async function sendWebhook(op: Operation, channel: Channel, secret: string | undefined, { id, event, payload }: Message): Promise<void> {
  const { url } = webhookOptionsShape.parse(channel.options)
  if (secret === undefined) throw alertError('CHANNEL_SECRET_MISSING', 'the webhook has no key to be signed with')
  const time = toTimestamp(op.clock.nowMs())
  const body = JSON.stringify({ id, event, at: time, ...(event === DIGEST ? payload : { alert: payload }) })
  await request(op, url, {
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
  await request(op, heartbeatOptionsShape.parse(channel.options).url, {})
}

async function request(op: Operation, url: string, sent: Omit<Post, 'signal'>): Promise<void> {
  const { host } = new URL(url)
  let status: number
  try {
    status = await post(url, { ...sent, signal: AbortSignal.any([op.signal, AbortSignal.timeout(TIMEOUT_MS)]) })
  } catch (cause) {
    if (hasCode(cause, 'CHANNEL_ADDRESS_REFUSED')) throw cause
    throw alertError('CHANNEL_REFUSED', `${host}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
  if (status < 200 || status > 299) throw alertError('CHANNEL_REFUSED', `${host} answered ${status}`)
}
