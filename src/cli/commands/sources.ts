/** What can be protected, and what is. */
import type { Command } from 'commander'
import { z } from 'zod'
import { agentDescriptionShape, itemShape, jobDescriptionShape, type SourceDescription, sourceDescriptionShape } from '../../wire/index.ts'
import { findItem } from '../api/find-item.ts'
import { addServerCommand, type ServerCommandOptions } from '../api/server-command.ts'
import { shortTime, showDone, showList } from '../api/show.ts'
import { plainText } from '../arguments.ts'
import type { CommandHost } from '../command.ts'
import { formatBytes } from '../format.ts'
import { shortId } from '../present.ts'

export const SOURCE = ['<SOURCE>', 'name, id, or the beginning of an id'] as const

const COLUMNS = [
  { title: 'ID', of: ({ id }: SourceDescription) => shortId(id) },
  { title: 'NAME', of: ({ name }: SourceDescription) => name },
  { title: 'AGENT', of: ({ agentName }: SourceDescription) => agentName },
  { title: 'GROUP', of: ({ groupName }: SourceDescription) => groupName },
  { title: 'STATE', of: ({ status }: SourceDescription) => status },
  { title: 'POINTS', align: 'right' as const, of: ({ points }: SourceDescription) => points },
  { title: 'NEWEST', of: ({ newest }: SourceDescription) => shortTime(newest) },
  {
    title: 'SIZE',
    align: 'right' as const,
    of: ({ sizeBytes }: SourceDescription) => (sizeBytes === undefined ? undefined : formatBytes(sizeBytes)),
  },
]

interface ListOptions extends ServerCommandOptions {
  readonly agent?: string
  readonly state?: string
}

export function addSourceList(parent: Command, host: CommandHost): void {
  const about = {
    name: 'list',
    summary: 'list data sources',
    description: 'Lists the data sources that are protected, and those that were.',
    options: (command: Command) =>
      command.option('--agent <agent>', 'only those of this agent').option('--state <state>', 'only those in this state, such as ok'),
    examples: ['terp source list', 'terp source list --agent web-3'],
  }
  addServerCommand(parent, host, about, async ({ api, output }, { agent, state }: ListOptions) => {
    const of = agent === undefined ? undefined : (await findItem(api, '/agents', agentDescriptionShape, agent, 'agent')).id
    showList(output, await api.list('/sources', sourceDescriptionShape, { agent: of, state }), COLUMNS, 'no data sources')
    return undefined
  })
}

const discoveredShape = z.object({
  items: z.array(
    z.object({ workload: z.string(), name: z.string(), path: z.string(), sizeBytes: z.number(), sourceId: z.string().optional() }).loose(),
  ),
})
const browsedShape = z.object({ items: z.array(itemShape), isComplete: z.boolean() })

export function addSourceBrowse(parent: Command, host: CommandHost): void {
  const about = {
    name: 'browse',
    summary: 'look into a machine',
    description: 'Asks an agent what there is to protect on its machine; with a path, what lies in that folder.',
    arguments: [
      ['<AGENT>', 'name, id, or the beginning of an id'],
      ['[PATH]', 'a folder there'],
    ] as const,
    examples: ['terp source browse web-3', 'terp source browse web-3 /srv'],
  }
  addServerCommand(parent, host, about, async ({ api, output }, _: ServerCommandOptions, agent = '', path) => {
    const { id } = await findItem(api, '/agents', agentDescriptionShape, agent, 'agent')
    if (path === undefined) {
      const { items } = await api.get(`/agents/${id}/discover`, discoveredShape)
      type Item = (typeof items)[number]
      const columns = [
        { title: 'KIND', of: ({ workload }: Item) => workload },
        { title: 'SIZE', align: 'right' as const, of: ({ sizeBytes }: Item) => formatBytes(sizeBytes) },
        { title: 'PATH', of: (item: Item) => item.path },
        { title: 'SOURCE', of: ({ sourceId }: Item) => (sourceId === undefined ? undefined : shortId(sourceId)) },
      ]
      showList(output, items, columns, 'nothing to protect')
      return undefined
    }
    const { items, isComplete } = await api.get(`/agents/${id}/browse`, browsedShape, { path: plainText(path, 'the path') })
    type Item = (typeof items)[number]
    const columns = [
      { title: 'TYPE', of: ({ kind }: Item) => kind },
      { title: 'SIZE', align: 'right' as const, of: ({ kind, sizeBytes }: Item) => (kind === 'file' ? formatBytes(sizeBytes) : undefined) },
      { title: 'CHANGED', of: ({ modified }: Item) => shortTime(modified) },
      { title: 'PATH', of: ({ text }: Item) => text },
    ]
    showList(output, items, columns, 'nothing in it')
    if (!isComplete) output.note('there is more than this')
    return undefined
  })
}

interface CheckOptions extends ServerCommandOptions {
  readonly readAll?: boolean
}

export function addSourceCheck(parent: Command, host: CommandHost): void {
  const about = {
    name: 'check',
    summary: 'compare a replica with its source',
    description: 'Starts a job that compares the replica of a data source with the source, and mends what differs.',
    arguments: [SOURCE],
    options: (command: Command) => command.option('--read-all', 'read every byte of the source, not only what looks changed'),
    examples: ['terp source check web-3:/srv'],
  }
  addServerCommand(parent, host, about, async ({ run, api }, { readAll }: CheckOptions, source = '') => {
    const { id } = await findItem(api, '/sources', sourceDescriptionShape, source, 'data source')
    const job = await api.send('POST', `/sources/${id}/check`, jobDescriptionShape, { body: { isHeavy: readAll === true } })
    showDone(run, job, `job ${job.id}: ${job.typeName}`)
    return undefined
  })
}
