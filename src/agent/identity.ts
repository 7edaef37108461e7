/** Who the agent is, and which server it belongs to: one file in its data folder that nobody else may read. */
import { dirname, join } from 'node:path'
import { z } from 'zod'
import type { Disk } from '../platform/index.ts'
import { idShape } from '../wire/index.ts'
import { agentProgramError } from './errors.ts'

const identityShape = z.object({
  format: z.literal('terp-agent'),
  version: z.literal(1),
  agentId: idShape,
  serverId: idShape,
  name: z.string(),
  url: z.string(),
  /** SHA-256 of the server's public key (SPKI). */
  server: z.string(),
  certificate: z.string(),
  privateKey: z.string(),
})

export type AgentIdentity = z.infer<typeof identityShape>

const FILE = 'identity.json'

/** Undefined when there is none. AGENT_IDENTITY_DAMAGED. */
export async function readIdentity(disk: Disk, folder: string): Promise<AgentIdentity | undefined> {
  const path = join(folder, FILE)
  if ((await disk.size(path)) === undefined) return undefined
  const text = (await disk.read(path)).toString('utf8')
  try {
    return identityShape.parse(JSON.parse(text))
  } catch {
    // Neither parser's message may be shown: the file holds a key.
    throw agentProgramError('AGENT_IDENTITY_DAMAGED', `${join(folder, FILE)} can not be read`)
  }
}

/** Whole and durable, or not at all. */
export async function writeIdentity(disk: Disk, folder: string, identity: AgentIdentity): Promise<void> {
  await makeFolders(disk, folder)
  const path = join(folder, FILE)
  const fresh = `${path}.new`
  if ((await disk.size(fresh)) !== undefined) await disk.unlink(fresh)
  // Readable by its owner only, like everything that platform makes.
  const file = await disk.createFile(fresh)
  try {
    await file.write(Buffer.from(`${JSON.stringify(identity, undefined, 2)}\n`))
    await file.sync()
  } finally {
    await file.close()
  }
  await disk.rename(fresh, path)
  await disk.syncFolder(folder)
}

async function makeFolders(disk: Disk, path: string): Promise<void> {
  try {
    await disk.makeFolder(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || dirname(path) === path) throw error
    await makeFolders(disk, dirname(path))
    await disk.makeFolder(path)
  }
}
