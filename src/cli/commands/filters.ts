/** Filters that people keep under a name: queries of jobs, alerts or searches. */
import { type Command, Option } from 'commander'
import { type Filter, filterShape, filtersShape, findFilter } from '../api/saved-filters.ts'
import { addServerCommand, type ServerCommandOptions } from '../api/server-command.ts'
import { showDone, showList } from '../api/show.ts'
import { plainText } from '../arguments.ts'
import { type CommandHost, collect } from '../command.ts'
import { cliError } from '../errors.ts'

export function addFilterList(parent: Command, host: CommandHost): void {
  const about = {
    name: 'list',
    summary: 'list saved filters',
    description: 'Lists the filters that you saved.',
    examples: ['terp filter list'],
  }
  addServerCommand(parent, host, about, async ({ api, output }) => {
    const columns = [
      { title: 'NAME', of: ({ name }: Filter) => name },
      { title: 'OF', of: ({ list }: Filter) => list },
      {
        title: 'WHICH',
        of: ({ query }: Filter) =>
          Object.entries(query)
            .map(([name, value]) => `${name}=${String(value)}`)
            .join(' '),
      },
    ]
    showList(output, (await api.get('/saved-filters', filtersShape)).items, columns, 'no saved filters')
    return undefined
  })
}

interface SaveOptions extends ServerCommandOptions {
  readonly of: string
  readonly set?: string[]
}

export function addFilterSave(parent: Command, host: CommandHost): void {
  const about = {
    name: 'save',
    summary: 'save a filter',
    description:
      'Saves a filter under a name; one of that name is replaced. `terp job list --filter` and `terp alert list --filter` take it, and so does the console.',
    arguments: [['<NAME>', 'what it is called']] as const,
    options: (command: Command) =>
      command
        .addOption(new Option('--of <list>', 'what it is for').choices(['jobs', 'alerts', 'search']).makeOptionMandatory())
        .option('--set <key=value>', 'as the query of the API has it; may be given several times', collect),
    examples: ['terp filter save night --of jobs --set state=failed --set type=recovery-point'],
  }
  addServerCommand(parent, host, about, async ({ run, api }, options: SaveOptions, argument = '') => {
    const name = plainText(argument, 'the name')
    const pairs = (options.set ?? []).map((text) => {
      const [, key, value = ''] = /^([A-Za-z][A-Za-z0-9]*)=([\s\S]*)$/.exec(plainText(text, 'what is set')) ?? []
      if (key === undefined) throw cliError('USAGE_INVALID', `${text} is not KEY=VALUE`)
      return [key, value] as const
    })
    const body = { list: options.of, query: Object.fromEntries(pairs) }
    const saved = await api.send('PUT', `/saved-filters/${encodeURIComponent(name)}`, filterShape, { body })
    showDone(run, saved, `saved the filter ${saved.name}`)
    return undefined
  })
}

export function addFilterRemove(parent: Command, host: CommandHost): void {
  const about = {
    name: 'remove',
    summary: 'forget a saved filter',
    description: 'Forgets a saved filter.',
    arguments: [['<NAME>', 'what it is called']] as const,
    examples: ['terp filter remove night'],
  }
  addServerCommand(parent, host, about, async ({ run, api }, _: ServerCommandOptions, argument = '') => {
    const { name } = await findFilter(api, argument)
    await api.act('DELETE', `/saved-filters/${encodeURIComponent(name)}`)
    showDone(run, { name }, `forgot the filter ${name}`)
    return undefined
  })
}
