/** Documents that people write: YAML or JSON, agents by their names. What the server has is ids. */
import { text as readStream } from 'node:stream/consumers'
import { agentDescriptionShape } from '../../wire/index.ts'
import type { Api } from '../api/api.ts'
import { cliError } from '../errors.ts'
import { readSmallFile } from '../files.ts'
import type { Run } from '../run.ts'

export type Document = Readonly<Record<string, unknown>>

/** POLICY_INVALID. */
export async function readYaml({ disk }: Pick<Run, 'disk'>, file: string): Promise<unknown> {
  const content = file === '-' ? await readStream(process.stdin) : (await readSmallFile(disk, file, 'the file')).toString('utf8')
  const { parseDocument } = await import('yaml')
  const document = parseDocument(content, { prettyErrors: true })
  const [wrong] = document.errors
  if (wrong) throw cliError('POLICY_INVALID', `${file}: ${wrong.message.split('\n')[0]}`, { context: { file } })
  return document.toJS({ maxAliasCount: 100 })
}

/** Of one group, ready to be sent. */
export async function readDocument(run: Run, api: Api, file: string): Promise<Document> {
  const document = await readYaml(run, file)
  if (!isDocument(document)) throw cliError('POLICY_INVALID', `${file}: it is not the document of a group`, { context: { file } })
  return await memberIds(api, document)
}

export function isDocument(value: unknown): value is Document {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** `agent: web-3` becomes `agentId`. POLICY_INVALID for an agent that is not there. */
export async function memberIds(api: Api, document: Document): Promise<Document> {
  const { members } = document
  if (!Array.isArray(members) || !members.some((member) => isDocument(member) && member.agent !== undefined)) return document
  const agents = await api.list('/agents', agentDescriptionShape)
  return { ...document, members: members.map((member: unknown) => (isDocument(member) ? withId(member, agents) : member)) }
}

function withId({ agent, ...member }: Document, agents: readonly { readonly id: string; readonly name: string }[]): Document {
  if (agent === undefined) return member
  const found = agents.find(({ id, name }) => name === agent || id === agent)
  if (!found)
    throw cliError('POLICY_INVALID', `there is no agent ${String(agent)}`, { hint: 'See which there are with `terp agent list`.' })
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
