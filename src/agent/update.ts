/**
 * The agent's own program is replaced: fetched in parts from the server that is known by its key, compared with the SHA-256 that the server told, and put in the place of
 * the file that runs, whole or not at all. What was fetched of another content is thrown away.
 */
import { createHash } from 'node:crypto'
import { open, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Operation } from '../base/operation.ts'
import { readBundleHead, type UpdateTask } from '../wire/index.ts'
import type { ServerConnection } from './connection.ts'
import { agentProgramError } from './errors.ts'

const HEAD_BYTES = 4096
const MODE = 0o755

/** AGENT_UPDATE_DAMAGED, AGENT_UPDATE_IMPOSSIBLE. */
export async function replaceProgram(
  op: Operation,
  connection: Pick<ServerConnection, 'bundlePart'>,
  { version, sha256, sizeBytes }: UpdateTask,
  bundle: string,
): Promise<void> {
  const fresh = `${bundle}.new`
  try {
    if (!(await stat(bundle)).isFile()) throw new Error(`${bundle} is no file`)
    await rm(fresh, { force: true })
    const file = await open(fresh, 'wx', MODE)
    try {
      const hash = createHash('sha256')
      let head = ''
      for (let at = 0; at < sizeBytes; ) {
        op.check()
        const part = await connection.bundlePart(op, sha256, at)
        if (part.length === 0 || at + part.length > sizeBytes) throw damaged('the server sent another length than it told')
        if (at === 0) head = Buffer.from(part.subarray(0, HEAD_BYTES)).toString('latin1')
        hash.update(part)
        await file.writeFile(part)
        at += part.length
        op.progress({ phase: 'backup', filesDone: 0, filesTotal: 1, bytesDone: at, bytesTotal: sizeBytes })
      }
      if (hash.digest('hex') !== sha256) throw damaged('what came is not what the server told')
      const about = readBundleHead(head)
      if (about?.version !== version || about.arch !== process.arch) throw damaged('it is not the program that the server told')
      await file.chmod(MODE)
      await file.sync()
    } finally {
      await file.close()
    }
    op.check()
    await rename(fresh, bundle)
    await syncFolder(dirname(bundle))
  } catch (cause) {
    await rm(fresh, { force: true }).catch(() => undefined)
    op.check()
    // Of the file system: a folder that may not be written to, a full disk.
    if (cause instanceof Error && 'syscall' in cause)
      throw agentProgramError('AGENT_UPDATE_IMPOSSIBLE', `${bundle} can not be replaced: ${cause.message}`, { cause, context: { bundle } })
    throw cause
  }
}

function damaged(message: string) {
  return agentProgramError('AGENT_UPDATE_DAMAGED', message)
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}
