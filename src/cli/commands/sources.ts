/** What can be protected, and what is. */
import type { Command } from 'commander'
import { z } from 'zod'
import {
  agentDescriptionShape,
  itemShape,
  jobDescriptionShape,
  jobStartedShape,
  poolsShape,
  type SourceDescription,
  sourceDescriptionShape,
} from '../../wire/index.ts'
import { chooseItem, findItem } from '../api/find-item.ts'
import { addServerCommand, FRESH_NOTE, type ServerCommandOptions } from '../api/server-command.ts'
import { shortTime, showDone, showFacts, showList } from '../api/show.ts'
import { plainText } from '../arguments.ts'
import type { CommandHost } from '../command.ts'
import { cliError } from '../errors.ts'
import { formatBytes } from '../format.ts'
import { shortId } from '../present.ts'
import { jobBegan } from './jobs.ts'

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
  readonly wait?: boolean
}

export function addSourceCheck(parent: Command, host: CommandHost): void {
  const about = {
    name: 'check',
    summary: 'compare a replica with its source',
    description: 'Starts a job that compares the replica of a data source with the source, and mends what differs.',
    arguments: [SOURCE],
    options: (command: Command) =>
      command
        .option('--read-all', 'read every byte of the source, not only what looks changed')
        .option('--wait', 'wait until it has ended'),
    examples: ['terp source check web-3:/srv --wait'],
    exits: [3] as const,
  }
  addServerCommand(parent, host, about, async (on, { readAll, wait }: CheckOptions, source = '') => {
    const { id } = await findItem(on.api, '/sources', sourceDescriptionShape, source, 'data source')
    const job = await on.api.send('POST', `/sources/${id}/check`, jobDescriptionShape, { body: { isHeavy: readAll === true } })
    return await jobBegan(on, job.id, job, wait)
  })
}

export function addSourceShow(parent: Command, host: CommandHost): void {
  const about = {
    name: 'show',
    summary: 'show a data source',
    description: 'Shows one data source: its state, why it is so, and what there is to restore. Times are UTC.',
    arguments: [SOURCE],
    examples: ['terp source show web-3:/srv'],
  }
  addServerCommand(parent, host, about, async ({ api, output }, _: ServerCommandOptions, argument = '') => {
    const { id } = await findItem(api, '/sources', sourceDescriptionShape, argument, 'data source')
    const source = await api.get(`/sources/${id}`, sourceDescriptionShape)
    const { cause = {}, sizeBytes } = source
    showFacts(output, source, [
      ['data source', `${source.name} ${source.id}`],
      ['agent', source.agentName],
      ['path', source.path],
      ['kind', source.workload],
      ['group', source.groupName],
      ['state', `${source.status}, since ${shortTime(source.stateSince)}`],
      ...Object.entries(cause).map(
        ([name, value]) => [`cause: ${name}`, typeof value === 'object' ? JSON.stringify(value) : String(value)] as const,
      ),
      ['copy the data to', source.firstCopyFolder],
      ['size', sizeBytes === undefined ? undefined : formatBytes(sizeBytes)],
      ['files', source.files],
      ['recovery points', source.points],
      ['newest', source.newest && shortTime(source.newest)],
      ['oldest', source.oldest && shortTime(source.oldest)],
      ['verified', source.lastVerified && shortTime(source.lastVerified)],
    ])
    return undefined
  })
}

export function addSourceCopy(parent: Command, host: CommandHost): void {
  const about = {
    name: 'copy',
    summary: 'make the first copy now',
    description:
      'Starts a job that makes the first copy of a data source. Where it is brought by hand, the job takes it from the folder on the machine of the server that `terp source show` names, or from another; then a check compares all of it with the source, and what differs is sent.',
    arguments: [SOURCE],
    options: (command: Command) =>
      command
        .option('--from <folder>', 'brought by hand: the folder on the machine of the server that stands for the path of the source')
        .option('--wait', 'wait until it has ended'),
    examples: ['terp source copy web-3:/srv --wait', 'terp source copy web-3:/srv --from /media/usb/srv --wait'],
    notes: `With --from: ${FRESH_NOTE.charAt(0).toLowerCase()}${FRESH_NOTE.slice(1)}`,
    exits: [3] as const,
  }
  addServerCommand(parent, host, about, async (on, { wait, from }: CopyOptions, argument = '') => {
    const { id } = await findItem(on.api, '/sources', sourceDescriptionShape, argument, 'data source')
    const job =
      from === undefined
        ? await on.api.send('POST', `/sources/${id}/replica`, jobDescriptionShape)
        : await on.api.send('POST', `/sources/${id}/replica/load`, jobDescriptionShape, { body: { folder: from } })
    return await jobBegan(on, job.id, job, wait)
  })
}

export function addSourceRemoveData(parent: Command, host: CommandHost): void {
  const about = {
    name: 'remove-data',
    summary: 'give up all data of a data source',
    description:
      'Gives up all recovery points of a data source whose protection was stopped. They go after the cool-off; until then `terp recovery-point undelete` takes it back.',
    arguments: [SOURCE],
    options: (command: Command) => command.option('--confirm <name>', 'its name once more, in place of being asked'),
    examples: ['terp source remove-data web-3:/srv --confirm web-3:/srv'],
    notes: FRESH_NOTE,
  }
  addServerCommand(
    parent,
    host,
    about,
    async ({ run, api, output }, options: ServerCommandOptions & { readonly confirm?: string }, argument = '') => {
      const { id, name } = await findItem(api, '/sources', sourceDescriptionShape, argument, 'data source')
      const confirm = options.confirm ?? (await output.streams.ask?.(`Type the name ${name} once more: `)) ?? ''
      if (confirm.trim() !== name)
        throw cliError('USAGE_INVALID', `this gives up all recovery points of ${name}: confirm it with --confirm and its name`)
      await api.act('POST', `/sources/${id}/remove-data`)
      showDone(run, { id, name }, `the data of ${name} is given up after the cool-off`)
      return undefined
    },
  )
}

interface CopyOptions extends WaitOptions {
  readonly from?: string
}

interface WaitOptions extends ServerCommandOptions {
  readonly wait?: boolean
}

export function addSourceMove(parent: Command, host: CommandHost): void {
  const about = {
    name: 'move',
    summary: 'move a data source to another pool volume',
    description: 'Starts a job that moves a data source with all its recovery points to another pool volume.',
    arguments: [SOURCE, ['<VOLUME>', 'where to: name, id, or the beginning of an id']] as const,
    options: (command: Command) => command.option('--wait', 'wait until it has ended'),
    examples: ['terp source move web-3:/srv pool-2 --wait'],
    exits: [3] as const,
  }
  addServerCommand(parent, host, about, async (on, { wait }: WaitOptions, argument = '', volume = '') => {
    const { id } = await findItem(on.api, '/sources', sourceDescriptionShape, argument, 'data source')
    const { id: poolId } = chooseItem((await on.api.get('/pools', poolsShape)).items, volume, 'pool volume')
    const job = await on.api.send('POST', `/sources/${id}/move`, jobStartedShape, { body: { poolId } })
    return await jobBegan(on, job.jobId, job, wait)
  })
}

export function addSourceTestRestore(parent: Command, host: CommandHost): void {
  const about = {
    name: 'test-restore',
    summary: 'prove that it can be restored',
    description:
      'Starts a job that restores a sample of the newest recovery point to nowhere, and compares what comes with what was backed up.',
    arguments: [SOURCE],
    options: (command: Command) => command.option('--wait', 'wait until it has ended'),
    examples: ['terp source test-restore web-3:/srv --wait'],
    exits: [3] as const,
  }
  addServerCommand(parent, host, about, async (on, { wait }: WaitOptions, argument = '') => {
    const { id } = await findItem(on.api, '/sources', sourceDescriptionShape, argument, 'data source')
    const job = await on.api.send('POST', `/sources/${id}/test-restore`, jobDescriptionShape)
    return await jobBegan(on, job.id, job, wait)
  })
}
