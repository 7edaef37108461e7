/**
 * One POST to an address that a person gave, and nothing but its status comes back. It may lead to this machine and its network, where receivers are; not to addresses
 * that are about a machine itself: those of its link, where clouds hand out credentials to whoever asks from there. Each address is judged when it is connected to,
 * so that a name can not be one thing when it is looked at and another when it is used. Redirects are not followed.
 */
import { lookup } from 'node:dns'
import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { BlockList, isIP, isIPv6, type LookupFunction } from 'node:net'
import { alertError } from './errors.ts'

const NOWHERE = new BlockList()
for (const [network, bits] of [
  ['0.0.0.0', 8],
  ['169.254.0.0', 16],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
] as const) {
  NOWHERE.addSubnet(network, bits, 'ipv4')
}
for (const [network, bits] of [
  ['fe80::', 10],
  ['ff00::', 8],
  // Of AWS, for the same as 169.254.169.254.
  ['fd00:ec2::254', 128],
] as const) {
  NOWHERE.addSubnet(network, bits, 'ipv6')
}
NOWHERE.addAddress('::', 'ipv6')

/** CHANNEL_ADDRESS_REFUSED. IPv4 addresses that are written as IPv6 are judged as what they are. */
export function checkAddress(address: string): void {
  const plain = address.replace(/^\[|\]$/g, '').replace(/%.*$/, '')
  if (NOWHERE.check(plain, isIPv6(plain) ? 'ipv6' : 'ipv4'))
    throw alertError('CHANNEL_ADDRESS_REFUSED', `nothing is sent to ${plain}`, { context: { address: plain } })
}

export interface Post {
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  readonly signal: AbortSignal
}

export async function post(url: string, { headers = {}, body, signal }: Post): Promise<number> {
  const { protocol, hostname } = new URL(url)
  if (isIP(hostname.replace(/^\[|\]$/g, '')) !== 0) checkAddress(hostname)
  const request = protocol === 'https:' ? httpsRequest : httpRequest
  const length = { 'content-length': String(Buffer.byteLength(body ?? '')) }
  return await new Promise<number>((resolve, reject) => {
    const sent = request(url, { method: 'POST', headers: { ...headers, ...length }, signal, lookup: judging, agent: false }, (answer) => {
      // Nobody reads what it says: an answer is no way to see into this network.
      answer.destroy()
      resolve(answer.statusCode ?? 0)
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

const judging: LookupFunction = (hostname, options, answer) => {
  lookup(hostname, options, (error, found: unknown, family) => {
    if (error) return answer(error, '', 0)
    try {
      const addresses = Array.isArray(found) ? found.map((each: { address: string }) => each.address) : [String(found)]
      for (const address of addresses) checkAddress(address)
    } catch (refused) {
      return answer(refused as NodeJS.ErrnoException, '', 0)
    }
    answer(null, found as string, family)
  })
}
