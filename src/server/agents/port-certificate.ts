/** The key by which agents know this server: made once, and never replaced by a certificate for people, since agents compare the key. */
import { hostname } from 'node:os'
import { join } from 'node:path'
import type { Operation } from '../../base/operation.ts'
import { type MadeCertificate, makeCertificate } from '../../certificates/index.ts'
import type { Disk } from '../../platform/index.ts'
import { type DataPaths, makeFolders, readText, replaceFile } from '../data-folder.ts'

export async function openAgentCertificate(op: Operation, disk: Disk, { tls }: Pick<DataPaths, 'tls'>): Promise<MadeCertificate> {
  await makeFolders(disk, tls)
  const [certificatePath, keyPath] = [join(tls, 'agents.pem'), join(tls, 'agents-key.pem')]
  const certificate = await readText(disk, certificatePath)
  const privateKey = await readText(disk, keyPath)
  if (certificate !== undefined && privateKey !== undefined) return { certificate, privateKey }
  const hosts = [...new Set(['localhost', '127.0.0.1', '::1', hostname()])]
  // Of a key that is there, its certificate is made anew: agents know the key.
  const known = privateKey === undefined ? {} : { privateKey }
  const made = await makeCertificate({
    name: hostname().slice(0, 64),
    hosts,
    random: op.random,
    nowMs: op.clock.nowMs(),
    algorithm: 'p-256',
    ...known,
  })
  await replaceFile(disk, keyPath, made.privateKey)
  await replaceFile(disk, certificatePath, made.certificate)
  return made
}
