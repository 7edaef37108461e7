/**
 * What a server is made of, put together in one folder: a copy of the catalog as of one moment, what unlocks pools and secrets, and the certificates by which agents and
 * people know it. It lies there no longer than it takes to be stored.
 */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { toTimestamp } from '../../base/clock.ts'
import type { Catalog } from '../../catalog/index.ts'
import type { Disk } from '../../platform/index.ts'
import type { ServerContext } from '../context.ts'
import { type DataPaths, makeFile, makeFolders } from '../data-folder.ts'
import { COPY_FILES, COPY_FOLDERS } from './server-source.ts'

export interface StageParts {
  readonly context: Pick<ServerContext, 'op' | 'version'> & { readonly catalog: Pick<Catalog, 'backupTo' | 'audit'> }
  readonly disk: Disk
  readonly paths: Pick<DataPaths, 'folder' | 'keys' | 'tls'>
}

export interface Staged {
  readonly folder: string
  /** Of the copy of the catalog. */
  readonly bytes: number
  /** Of the audit log, before anything was copied: what comes later may not be in the copy. */
  readonly auditSequence: number
}

/** Over what an attempt left that was cut off. */
export async function stage({ context, disk, paths }: StageParts): Promise<Staged> {
  const folder = stagingFolder(paths)
  await rm(folder, { recursive: true, force: true })
  await makeFolders(disk, folder)
  const { sequence: auditSequence } = await context.catalog.audit.head()
  for (const name of COPY_FOLDERS) {
    await makeFolders(disk, join(folder, name))
    for (const { name: file } of await disk.readFolder(paths[name])) {
      // One that is being replaced.
      if (file.endsWith('.new')) continue
      await makeFile(disk, join(folder, name, file), await disk.read(join(paths[name], file)))
    }
  }
  // After the keys: what the catalog knows of, can be opened.
  const catalog = join(folder, COPY_FILES.catalog)
  // For its owner only, also while it is written.
  await makeFile(disk, catalog, '')
  await context.catalog.backupTo(catalog)
  const about = { format: 1, at: toTimestamp(context.op.clock.nowMs()), version: context.version }
  await makeFile(disk, join(folder, COPY_FILES.about), `${JSON.stringify(about, null, 2)}\n`)
  return { folder, bytes: (await disk.size(catalog)) ?? 0, auditSequence }
}

export async function unstage(paths: StageParts['paths']): Promise<void> {
  await rm(stagingFolder(paths), { recursive: true, force: true })
}

function stagingFolder({ folder }: Pick<DataPaths, 'folder'>): string {
  return join(folder, 'copies', 'configuration')
}
