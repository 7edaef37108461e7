/** The certificate by which the server is known: a given one, or its own, made at the first start. */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { hostname } from 'node:os'
import type { Operation } from '../../base/operation.ts'
import { makeCertificate } from '../../certificates/index.ts'
import type { Disk } from '../../platform/index.ts'
import { type DataPaths, readText, replaceFile } from '../data-folder.ts'
import { serverError } from '../errors.ts'

export interface ServerCertificate {
  /** PEM. */
  readonly certificate: string
  readonly privateKey: string
  /** SHA-256 of the certificate, `AB:CD:…`, as browsers show it. */
  readonly fingerprint: string
  readonly isOwn: boolean
}

export interface GivenCertificate {
  readonly certificatePath: string
  readonly keyPath: string
}

/** SERVER_CERTIFICATE_INVALID. */
export async function openCertificate(op: Operation, disk: Disk, paths: DataPaths, given?: GivenCertificate): Promise<ServerCertificate> {
  if (given) {
    const certificate = await readText(disk, given.certificatePath)
    const privateKey = await readText(disk, given.keyPath)
    if (certificate === undefined || privateKey === undefined) {
      const missing = certificate === undefined ? given.certificatePath : given.keyPath
      throw serverError('SERVER_CERTIFICATE_INVALID', `there is no file ${missing}`)
    }
    return check(certificate, privateKey, given.certificatePath, false)
  }
  const certificate = await readText(disk, paths.certificate)
  const privateKey = await readText(disk, paths.certificateKey)
  if (certificate !== undefined && privateKey !== undefined) return check(certificate, privateKey, paths.certificate, true)
  const names = ['localhost', '127.0.0.1', '::1', hostname()]
  const made = await makeCertificate({
    name: hostname(),
    hosts: [...new Set(names)],
    random: op.random,
    nowMs: op.clock.nowMs(),
    algorithm: 'p-256',
  })
  // The key first: a certificate without one would be taken for whole.
  await replaceFile(disk, paths.certificateKey, made.privateKey)
  await replaceFile(disk, paths.certificate, made.certificate)
  return check(made.certificate, made.privateKey, paths.certificate, true)
}

function check(certificate: string, privateKey: string, path: string, isOwn: boolean): ServerCertificate {
  try {
    const parsed = new X509Certificate(certificate)
    if (!parsed.checkPrivateKey(createPrivateKey(privateKey))) throw new Error('the key is that of another certificate')
    return { certificate, privateKey, fingerprint: parsed.fingerprint256, isOwn }
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw serverError('SERVER_CERTIFICATE_INVALID', `${path}: ${why}`, { cause, context: { path } })
  }
}
