/** Where a service listens, and what it is called from elsewhere. */
import { hostname } from 'node:os'
import type { Warning } from '../base/operation.ts'

const EVERYWHERE = new Set(['0.0.0.0', '::'])

/** How programs on this machine reach it. */
export function localAddress(host: string, port: number): string {
  return `http://${inUrl(EVERYWHERE.has(host) ? '127.0.0.1' : host)}:${port}`
}

/** What credentials files name. */
export function publicAddress(host: string, port: number): string {
  return `http://${inUrl(EVERYWHERE.has(host) ? hostname() : host)}:${port}`
}

function inUrl(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}

/** Undefined when tokens cannot be read on the way: they stay on this machine, or `publicUrl` has TLS. */
export function warnWithoutTls(host: string, publicUrl?: string): Warning | undefined {
  if (publicUrl?.startsWith('https:') || isLoopback(host)) return undefined
  const message = `tokens of credentials files travel in clear to ${host}: put a proxy with TLS in front of the vault, and give its address as the public one`
  return { code: 'VAULT_WITHOUT_TLS', message, item: host }
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host)
}
