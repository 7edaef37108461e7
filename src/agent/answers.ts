/** Answers to what people ask of the agent now: what there is on its machine, and what lies in a folder. Whatever names it has, they fit the protocol. */
import { fromTimestamp, toTimestamp } from '../base/clock.ts'
import { toPlainError } from '../base/errors.ts'
import type { Operation } from '../base/operation.ts'
import { type AgentReply, type AgentTask, agentLimits } from '../wire/index.ts'
import type { BrowsedItem, Workload } from '../workloads/index.ts'
import { agentProgramError } from './errors.ts'

type Question = Extract<AgentTask, { kind: 'browse' | 'discover' }>
type Item = Extract<AgentReply, { kind: 'browse' }>['items'][number]
type Source = Extract<AgentReply, { kind: 'discover' }>['sources'][number]

const MOST_NAME = 255
const MOST_SOURCES = 10_000
/** Names of a huge folder may be long: the rest of what a request may hold is for what is around them. */
const MOST_ITEM_BYTES = agentLimits.jsonBytes - 65_536
/** Years that RFC 3339 can write. Others are in file systems that lost their clock. */
const FIRST_MS = fromTimestamp('0000-01-01T00:00:00Z')
const LAST_MS = fromTimestamp('9999-12-31T23:59:59.999Z')

/** Never throws: what went wrong is an answer too. */
export async function answerTo(op: Operation, workloads: ReadonlyMap<string, Workload>, question: Question): Promise<AgentReply> {
  try {
    return question.kind === 'browse' ? await browse(op, workloads, question) : await discover(op, workloads)
  } catch (error) {
    const { code, kind, message, hint, context } = toPlainError(error)
    return { kind: 'error', error: { code, kind, message: message.slice(0, 8000), hint, context: { ...context } } }
  }
}

async function browse(
  op: Operation,
  workloads: ReadonlyMap<string, Workload>,
  { path, limit }: Extract<Question, { kind: 'browse' }>,
): Promise<AgentReply> {
  const files = workloads.get('files')
  if (!files) throw agentProgramError('AGENT_WORKLOAD_UNKNOWN', 'this agent has no files')
  const found = await files.browse(op, Buffer.from(path, 'base64'), limit)
  const items: Item[] = []
  let bytes = 0
  for (const browsed of found.items) {
    const item = itemOf(browsed)
    bytes += Buffer.byteLength(JSON.stringify(item)) + 1
    if (bytes > MOST_ITEM_BYTES) break
    items.push(item)
  }
  return { kind: 'browse', isComplete: found.isComplete && items.length === found.items.length, items }
}

function itemOf({ path, kind, sizeBytes, modifiedMs }: BrowsedItem): Item {
  const modified = timestampOf(modifiedMs)
  return { path: path.toString('base64'), text: path.toString('utf8'), kind, sizeBytes, ...(modified === undefined ? {} : { modified }) }
}

/** Undefined for a time that can't be told. */
export function timestampOf(ms: number | undefined): string | undefined {
  return ms !== undefined && ms >= FIRST_MS && ms <= LAST_MS ? toTimestamp(ms) : undefined
}

async function discover(op: Operation, workloads: ReadonlyMap<string, Workload>): Promise<AgentReply> {
  const sources: Source[] = []
  for (const workload of workloads.values()) {
    for (const { path, name, ...found } of await workload.discover(op))
      sources.push({ ...found, name: name.slice(0, MOST_NAME), detail: { ...found.detail }, path: path.toString('base64') })
  }
  return { kind: 'discover', sources: sources.slice(0, MOST_SOURCES) }
}
