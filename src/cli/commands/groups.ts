/** Protection groups. Their documents are files; `terp apply` takes all of them at once. */
import { type Command, Option } from 'commander'
import { z } from 'zod'
import { groupChangedShape, groupDescriptionShape, refusalShape, sourceDescriptionShape } from '../../wire/index.ts'
import type { Api } from '../api/api.ts'
import { chooseItem, findItem } from '../api/find-item.ts'
import { addServerCommand, type ServerCommandOptions } from '../api/server-command.ts'
import { shortTime, showDone, showList } from '../api/show.ts'
import { type CommandHost, collect } from '../command.ts'
import type { Output } from '../output.ts'
import { memberNames, readDocument } from '../policy/documents.ts'
import { shortId } from '../present.ts'

const GROUP = ['<GROUP>', 'name, id, or the beginning of an id'] as const

type Group = z.output<typeof groupDescriptionShape>
type Refusal = z.output<typeof refusalShape>

const memberCount = ({ document: { members } }: Group) => (Array.isArray(members) ? members.length : 0)

export function addGroupList(parent: Command, host: CommandHost): void {
  const about = {
    name: 'list',
    summary: 'list protection groups',
    description: 'Lists the protection groups.',
    examples: ['terp group list'],
  }
  addServerCommand(parent, host, about, async ({ api, output }) => {
    const columns = [
      { title: 'ID', of: ({ id }: Group) => shortId(id) },
      { title: 'NAME', of: ({ name }: Group) => name },
      { title: 'MEMBERS', align: 'right' as const, of: memberCount },
      { title: 'CHANGED', of: ({ changed }: Group) => shortTime(changed) },
    ]
    showList(output, await api.list('/groups', groupDescriptionShape), columns, 'no protection groups')
    return undefined
  })
}

export function addGroupShow(parent: Command, host: CommandHost): void {
  const about = {
    name: 'show',
    summary: 'show a protection group',
    description: 'Prints the document of a group as YAML, as `terp group modify` and `terp apply` take it.',
    arguments: [GROUP],
    examples: ['terp group show web', 'terp group show web > web.yaml'],
  }
  addServerCommand(parent, host, about, async ({ api, output }, _: ServerCommandOptions, argument = '') => {
    const group = await findItem(api, '/groups', groupDescriptionShape, argument, 'group')
    if (output.isJson) {
      output.printJson(group)
      return undefined
    }
    const { stringify } = await import('yaml')
    output.print(stringify(await memberNames(api, group.document)).trimEnd())
    return undefined
  })
}

interface FileOptions extends ServerCommandOptions {
  readonly file: string
  readonly check?: boolean
  readonly removed?: 'retain' | 'delete'
}

const fileOption = (command: Command) =>
  command.requiredOption('-f, --file <file>', 'the document of the group, as YAML or JSON; - for standard input')

export function addGroupCreate(parent: Command, host: CommandHost): void {
  const about = {
    name: 'create',
    summary: 'protect data by a new group',
    description: 'Makes a protection group. Members are named by agent and path, or by the id of a data source.',
    options: (command: Command) => fileOption(command).option('--check', 'only say what stands against it'),
    examples: ['terp group create -f web.yaml', 'terp group create -f web.yaml --check'],
  }
  addServerCommand(parent, host, about, async ({ run, api, output }, { file, check }: FileOptions) => {
    const body = await readDocument(run, api, file)
    if (check === true) return await tellCheck(output, api, body, undefined)
    const { group, warnings } = await api.send('POST', '/groups', groupChangedShape, { body })
    showDone(run, { group, warnings }, `made the group ${group.name}`)
    tellWarnings(output, warnings)
    return undefined
  })
}

export function addGroupModify(parent: Command, host: CommandHost): void {
  const about = {
    name: 'modify',
    summary: 'change a protection group',
    description: 'Changes a group to what the document says.',
    arguments: [GROUP],
    options: (command: Command) =>
      fileOption(command)
        .option('--check', 'only say what stands against it')
        .addOption(
          new Option('--removed <choice>', 'what becomes of the data of members that are left out')
            .choices(['retain', 'delete'])
            .default('retain'),
        ),
    examples: ['terp group modify web -f web.yaml'],
  }
  addServerCommand(parent, host, about, async ({ run, api, output }, { file, check, removed }: FileOptions, argument = '') => {
    const { id, version } = await findItem(api, '/groups', groupDescriptionShape, argument, 'group')
    const body = await readDocument(run, api, file)
    if (check === true) return await tellCheck(output, api, body, id)
    const { group, warnings } = await api.send('PUT', `/groups/${id}`, groupChangedShape, { body, version, query: { removed } })
    showDone(run, { group, warnings }, `changed the group ${group.name}`)
    tellWarnings(output, warnings)
    return undefined
  })
}

interface StopOptions extends ServerCommandOptions {
  readonly data: 'retain' | 'delete'
  readonly keep: 'until-deleted' | 'by-policy'
  readonly member?: string[]
}

export function addGroupStop(parent: Command, host: CommandHost): void {
  const about = {
    name: 'stop',
    summary: 'stop protecting',
    description: 'Stops the protection of all members of a group, or of some.',
    arguments: [GROUP],
    options: (command: Command) =>
      command
        .addOption(
          new Option('--data <choice>', 'keep what there is of them, or give it up after the cool-off')
            .choices(['retain', 'delete'])
            .makeOptionMandatory(),
        )
        .addOption(
          new Option('--keep <choice>', 'what is retained: until somebody deletes it, or as long as the group would have kept it')
            .choices(['until-deleted', 'by-policy'])
            .default('until-deleted'),
        )
        .option('--member <source>', 'only this data source; may be given several times', collect),
    examples: ['terp group stop web --data retain', 'terp group stop web --data delete --member web-3:/srv'],
  }
  addServerCommand(parent, host, about, async ({ run, api }, { data, keep, member }: StopOptions, argument = '') => {
    const { id, name, version } = await findItem(api, '/groups', groupDescriptionShape, argument, 'group')
    const sources = member === undefined ? [] : await api.list('/sources', sourceDescriptionShape, { group: id })
    const members = member?.map((each) => chooseItem(sources, each, 'member').id)
    await api.act('POST', `/groups/${id}/stop`, { body: { data, keep, ...(members && { members }) }, version })
    const what = members === undefined ? `the group ${name}` : `${members.length} of the group ${name}`
    showDone(
      run,
      { id, data, ...(members && { members }) },
      `stopped ${what}; their data is ${data === 'retain' ? 'kept' : 'given up after the cool-off'}`,
    )
    return undefined
  })
}

export function addGroupMoveMember(parent: Command, host: CommandHost): void {
  const about = {
    name: 'move-member',
    summary: 'move a data source to another group',
    description: 'Moves a data source from its group to another one. All its recovery points stay its own.',
    arguments: [
      ['<SOURCE>', 'name, id, or the beginning of an id'],
      ['<GROUP>', 'where it goes'],
    ] as const,
    examples: ['terp group move-member web-3:/srv archive'],
  }
  addServerCommand(parent, host, about, async ({ run, api, output }, _: ServerCommandOptions, source = '', argument = '') => {
    const moved = await findItem(api, '/sources', sourceDescriptionShape, source, 'data source')
    const { id } = await findItem(api, '/groups', groupDescriptionShape, argument, 'group')
    const { group, warnings } = await api.send('POST', `/groups/${id}/move-here`, groupChangedShape, { body: { source: moved.id } })
    showDone(run, { group, warnings }, `${moved.name} is in the group ${group.name}`)
    tellWarnings(output, warnings)
    return undefined
  })
}

const checkedShape = z.object({ refusals: z.array(refusalShape) })

async function tellCheck(output: Output, api: Api, body: unknown, group: string | undefined) {
  const { refusals } = await api.send('POST', '/groups/check', checkedShape, { body, query: { group } })
  const refused = refusals.filter(({ severity }) => severity === 'refusal')
  if (output.isJson) output.printJson({ refusals })
  else if (refusals.length === 0) output.print('nothing stands against it')
  for (const refusal of output.isJson ? [] : refusals) output.print(textOf(refusal))
  return refused.length > 0 ? (15 as const) : undefined
}

export function tellWarnings(output: Output, warnings: readonly Refusal[]): void {
  if (!output.isJson) for (const warning of warnings) output.note(textOf(warning))
}

function textOf({ code, domainCode, severity, message, hint, path }: Refusal): string {
  const number = domainCode === undefined ? '' : `DPM ${domainCode}, `
  return `${severity === 'refusal' ? 'refused' : 'warning'}: ${path === '' ? '' : `${path}: `}${message} (${number}${code})\n  ${hint}`
}
