/** Documents that people write: YAML or JSON, agents by their names. What the server has is ids. */
import { text as readStream } from 'node:stream/consumers'
import { isNode, LineCounter, parseDocument } from 'yaml'
import { agentDescriptionShape } from '../../wire/index.ts'
import type { Api } from '../api/api.ts'
import { cliError } from '../errors.ts'
import { readSmallFile } from '../files.ts'
import type { Run } from '../run.ts'

export type Document = Readonly<Record<string, unknown>>

export interface YamlFile {
  readonly value: unknown
  /** `policy.yaml:12:5`: where the innermost part of a path begins that is there. */
  placeOf(path: readonly PropertyKey[]): string
}

/** POLICY_INVALID. */
export async function readYaml({ disk }: Pick<Run, 'disk'>, file: string): Promise<YamlFile> {
  const content = file === '-' ? await readStream(process.stdin) : (await readSmallFile(disk, file, 'the file')).toString('utf8')
  return parseYaml(content, file === '-' ? 'standard input' : file)
}

/** POLICY_INVALID. */
export function parseYaml(content: string, file: string): YamlFile {
  const lines = new LineCounter()
  const document = parseDocument(content, { lineCounter: lines, prettyErrors: false })
  const at = (offset: number) => {
    const { line, col } = lines.linePos(offset)
    return `${file}:${line}:${col}`
  }
  const [wrong] = document.errors
  if (wrong) throw cliError('POLICY_INVALID', `${at(wrong.pos[0])}: ${wrong.message.split('\n')[0]}`, { context: { file } })
  const placeOf = (path: readonly PropertyKey[]): string => {
    for (let length = path.length; length > 0; length--) {
      const node = document.getIn(path.slice(0, length), true)
      if (isNode(node) && node.range) return at(node.range[0])
    }
    return file
  }
  return { value: toPlain(document, file), placeOf }
}

/** POLICY_INVALID: aliases that would make more of it than there is. */
function toPlain(document: ReturnType<typeof parseDocument>, file: string): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 })
  } catch (cause) {
    throw cliError('POLICY_INVALID', `${file}: ${cause instanceof Error ? cause.message : 'it can not be read'}`, {
      cause,
      context: { file },
    })
  }
}

/** Of one group, ready to be sent. */
export async function readDocument(run: Run, api: Api, file: string): Promise<Document> {
  const { value } = await readYaml(run, file)
  if (!isDocument(value)) throw cliError('POLICY_INVALID', `${file}: it is not the document of a group`, { context: { file } })
  return await memberIds(api, value)
}

export function isDocument(value: unknown): value is Document {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** `agent: web-3` becomes `agentId`. POLICY_INVALID for an agent that is not there; `placeOf` says where that member stands. */
export async function memberIds(api: Api, document: Document, placeOf?: (member: number) => string): Promise<Document> {
  const { members } = document
  if (!Array.isArray(members) || !members.some((member) => isDocument(member) && member.agent !== undefined)) return document
  const agents = await api.list('/agents', agentDescriptionShape)
  const named = members.map((member: unknown, i) => (isDocument(member) ? withId(member, agents, placeOf?.(i)) : member))
  return { ...document, members: named }
}

function withId({ agent, ...member }: Document, agents: readonly { readonly id: string; readonly name: string }[], place = ''): Document {
  if (agent === undefined) return member
  const found = agents.find(({ id, name }) => name === agent || id === agent)
  if (!found) {
    const text = `${place === '' ? '' : `${place}: `}there is no agent ${String(agent)}`
    throw cliError('POLICY_INVALID', text, { hint: 'See which there are with `terp agent list`.' })
  }
  return { ...member, agentId: found.id }
}

/** The other way round. */
export async function memberNames(api: Api, document: Document): Promise<Document> {
  const { members } = document
  if (!Array.isArray(members) || members.length === 0) return document
  const agents = new Map((await api.list('/agents', agentDescriptionShape)).map(({ id, name }) => [id, name]))
  return { ...document, members: members.map((member: unknown) => (isDocument(member) ? withName(member, agents) : member)) }
}

function withName({ agentId, ...member }: Document, agents: ReadonlyMap<string, string>): Document {
  const name = typeof agentId === 'string' ? agents.get(agentId) : undefined
  return name === undefined ? { agentId, ...member } : { agent: name, ...member }
}
