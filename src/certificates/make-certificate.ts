/** Self-signed X.509 certificates: what TLS wants to see where keys are known by themselves and no authority is asked. */
import { createPrivateKey, createPublicKey, webcrypto } from 'node:crypto'
import { toDate } from '../base/clock.ts'
import type { Random } from '../base/random.ts'

export interface MadeCertificate {
  /** PEM. */
  readonly certificate: string
  /** PKCS 8 as PEM. */
  readonly privateKey: string
}

export interface CertificateOptions {
  /** Common name. */
  readonly name: string
  /** Names and addresses under which a server is reached. */
  readonly hosts?: readonly string[]
  readonly random: Random
  readonly nowMs: number
  /** Ed25519 for programs that know each other; P-256 where browsers come too. */
  readonly algorithm: 'ed25519' | 'p-256'
  /** PKCS 8 as PEM, to be certified; made anew unless given. */
  readonly privateKey?: string
  readonly days?: number
}

const DAY_MS = 86_400_000
const TEN_YEARS_DAYS = 3650
/** Clocks of two machines differ. */
const EARLIER_MS = DAY_MS
const IS_ADDRESS = /^[0-9.]+$|:/

export async function makeCertificate(options: CertificateOptions): Promise<MadeCertificate> {
  // Loaded here: it is needed once in the life of a machine, and large.
  await import('reflect-metadata') // x509 asks for it, and does not bring it
  const x509 = await import('@peculiar/x509')
  x509.cryptoProvider.set(webcrypto as never)
  const algorithm = options.algorithm === 'ed25519' ? { name: 'Ed25519' } : { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
  const keys = await keysOf(options, algorithm)
  const { name, hosts = [], nowMs } = options
  const alternative = hosts.map((value) => ({ type: IS_ADDRESS.test(value) ? ('ip' as const) : ('dns' as const), value }))
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialOf(options.random),
    name: [{ CN: [name] }],
    notBefore: toDate(nowMs - EARLIER_MS),
    notAfter: toDate(nowMs + (options.days ?? TEN_YEARS_DAYS) * DAY_MS),
    signingAlgorithm: algorithm,
    keys: keys as never,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension(['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']),
      ...(alternative.length > 0 ? [new x509.SubjectAlternativeNameExtension(alternative)] : []),
    ],
  })
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey))
  const privateKey = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' }).export({ format: 'pem', type: 'pkcs8' })
  return { certificate: certificate.toString('pem'), privateKey: String(privateKey) }
}

async function keysOf({ privateKey }: CertificateOptions, algorithm: { name: string }): Promise<webcrypto.CryptoKeyPair> {
  const { subtle } = webcrypto
  if (privateKey === undefined)
    return (await subtle.generateKey(algorithm as webcrypto.EcKeyGenParams, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair
  const key = createPrivateKey(privateKey)
  const pkcs8 = key.export({ format: 'der', type: 'pkcs8' })
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' })
  return {
    privateKey: await subtle.importKey('pkcs8', pkcs8, algorithm as webcrypto.EcKeyImportParams, true, ['sign']),
    publicKey: await subtle.importKey('spki', spki, algorithm as webcrypto.EcKeyImportParams, true, ['verify']),
  }
}

/** Positive and without a leading zero byte. */
function serialOf(random: Random): string {
  const bytes = Buffer.from(random.bytes(16))
  bytes[0] = ((bytes[0] as number) & 0x7f) | 0x40
  return bytes.toString('hex')
}
