/** The agent as a program on its machine: one process for each data folder, whose last state others can look up. */
import { join } from 'node:path'
import { z } from 'zod'
import { toTimestamp } from '../base/clock.ts'
import type { Operation } from '../base/operation.ts'
import type { Disk } from '../platform/index.ts'
import { type AgentState, runAgent } from './agent.ts'
import { agentProgramError } from './errors.ts'
import { readIdentity } from './identity.ts'

export interface StartAgentOptions {
  /** The agent's data folder. */
  readonly folder: string
  readonly disk: Disk
  readonly version: string
  /** The single file from which it runs, where its server may replace that. */
  readonly bundle?: string | undefined
  readonly onState: (state: AgentState) => void
}

export interface AgentDescription {
  readonly folder: string
  readonly agentId: string
  readonly name: string
  readonly url: string
  readonly serverId: string
  /** SHA-256 of the server's public key. */
  readonly serverKey: string
  readonly isRunning: boolean
  /** Of the process that runs, or ran last; absent when none ever did. */
  readonly last?: { readonly at: string; readonly state: 'connected' | 'waiting' | 'job'; readonly text: string }
}

const noteShape = z.object({ at: z.string(), state: z.enum(['connected', 'waiting', 'job']), text: z.string() })
type Note = z.infer<typeof noteShape>

const LOCK = 'LOCK'
const NOTE = 'state.json'

/** Until the signal is aborted, or its program was replaced. AGENT_NOT_ENROLLED, AGENT_RUNNING, and what `runAgent` ends with. */
export async function startAgent(op: Operation, { folder, disk, version, bundle, onState }: StartAgentOptions): Promise<'replaced'> {
  const identity = await readIdentity(disk, folder)
  if (!identity) throw notEnrolled(folder)
  const lock = await disk.lock(join(folder, LOCK))
  if (!lock) throw agentProgramError('AGENT_RUNNING', `an agent runs with ${folder}`, { context: { folder } })
  // One after another, so that the newest stays; only for people, so a loss is none.
  let noted = Promise.resolve()
  const note = (state: AgentState) => {
    const entry = noteOf(state, op.clock.nowMs())
    noted = noted.then(() => writeNote(disk, folder, entry)).catch(() => undefined)
  }
  try {
    return await runAgent(op, {
      identity,
      bundle,
      folder,
      version,
      onState: (state) => {
        note(state)
        onState(state)
      },
    })
  } finally {
    await noted
    await lock.release()
  }
}

/** AGENT_NOT_ENROLLED, AGENT_IDENTITY_DAMAGED. */
export async function describeAgent(folder: string, disk: Disk): Promise<AgentDescription> {
  const identity = await readIdentity(disk, folder)
  if (!identity) throw notEnrolled(folder)
  const lock = await disk.lock(join(folder, LOCK))
  await lock?.release()
  const last = await readNote(disk, folder)
  const { agentId, name, url, serverId, server } = identity
  return { folder, agentId, name, url, serverId, serverKey: server, isRunning: lock === undefined, ...(last && { last }) }
}

function notEnrolled(folder: string) {
  return agentProgramError('AGENT_NOT_ENROLLED', `there is no agent in ${folder}`, { context: { folder } })
}

function noteOf(state: AgentState, nowMs: number): Note {
  const at = toTimestamp(nowMs)
  if (state.kind === 'waiting') return { at, state: 'waiting', text: state.error.message }
  if (state.kind === 'job') return { at, state: 'job', text: `${state.what} ${state.jobId}` }
  if (state.kind === 'job-ended') return { at, state: 'connected', text: `${state.what} ${state.jobId} ended` }
  return { at, state: 'connected', text: `epoch ${state.epoch}` }
}

async function writeNote(disk: Disk, folder: string, note: Note): Promise<void> {
  const path = join(folder, NOTE)
  const fresh = `${path}.new`
  if ((await disk.size(fresh)) !== undefined) await disk.unlink(fresh)
  const file = await disk.createFile(fresh)
  try {
    await file.write(Buffer.from(`${JSON.stringify(note)}\n`))
  } finally {
    await file.close()
  }
  await disk.rename(fresh, path)
}

async function readNote(disk: Disk, folder: string): Promise<Note | undefined> {
  try {
    return noteShape.parse(JSON.parse((await disk.read(join(folder, NOTE))).toString('utf8')))
  } catch {
    return undefined // none yet, or half of one: it says nothing that matters
  }
}
