/** What a data folder tells whoever may read it, whether or not the server runs: enough to find it and to make its first account. */
import { X509Certificate } from 'node:crypto'
import type { Disk } from '../platform/index.ts'
import { dataPaths, readText } from './data-folder.ts'

export interface ServerFiles {
  /** Where it listens, or listened last. */
  readonly address: string | undefined
  /** SHA-256 of the certificate, `AB:CD:…`. Undefined where it was given one from elsewhere. */
  readonly fingerprint: string | undefined
  readonly setupSecret: string | undefined
}

export async function lookAtServer(disk: Disk, dataFolder: string): Promise<ServerFiles> {
  const paths = dataPaths(dataFolder)
  const text = async (path: string) => (await readText(disk, path))?.trim()
  const certificate = await text(paths.certificate)
  return {
    address: await text(paths.address),
    fingerprint: certificate === undefined ? undefined : new X509Certificate(certificate).fingerprint256,
    setupSecret: await text(paths.setupSecret),
  }
}
