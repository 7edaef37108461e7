/** Alerts of a server. */
import { type Command, Option } from 'commander'
import type { z } from 'zod'
import { alertDescriptionShape } from '../../wire/index.ts'
import { chooseItem, isId } from '../api/find-item.ts'
import { queryOf } from '../api/saved-filters.ts'
import { addServerCommand, type ServerCommandOptions } from '../api/server-command.ts'
import { shortTime, showDone, showList } from '../api/show.ts'
import { type CommandHost, parseCount } from '../command.ts'
import { shortId } from '../present.ts'

type Alert = z.output<typeof alertDescriptionShape>

const COLUMNS = [
  { title: 'ID', of: ({ id }: Alert) => shortId(id) },
  { title: 'SEVERITY', of: ({ severity }: Alert) => severity },
  { title: 'SINCE', of: ({ raised }: Alert) => shortTime(raised) },
  { title: 'ABOUT', of: ({ subjectName }: Alert) => (isId(subjectName) ? shortId(subjectName) : subjectName) },
  { title: 'ALERT', of: ({ message, domainCode }: Alert) => (domainCode === undefined ? message : `${message} (DPM ${domainCode})`) },
]

interface ListOptions extends ServerCommandOptions {
  readonly state?: string
  readonly severity?: string
  readonly filter?: string
  readonly most: number
}

export function addAlertList(parent: Command, host: CommandHost): void {
  const about = {
    name: 'list',
    summary: 'list alerts',
    description: 'Lists the alerts that last, the newest first. Times are UTC.',
    options: (command: Command) =>
      command
        .addOption(
          new Option('--state <state>', 'those that last, those that ended, or both (default: open)').choices(['open', 'inactive', 'all']),
        )
        .addOption(new Option('--severity <severity>', 'only these').choices(['critical', 'warning', 'informational']))
        .option('--filter <name>', 'as this saved filter says')
        .option('--most <n>', 'at most so many', parseCount, 100),
    examples: ['terp alert list', 'terp alert list --severity critical'],
  }
  addServerCommand(parent, host, about, async ({ api, output }, { state, severity, filter, most }: ListOptions) => {
    const saved = await queryOf(api, filter, 'alerts')
    const query = { ...saved, ...(state !== undefined && { state }), ...(severity !== undefined && { severity }) }
    showList(output, await api.list('/alerts', alertDescriptionShape, query, most), COLUMNS, 'no alerts')
    return undefined
  })
}

export function addAlertPutAway(parent: Command, host: CommandHost): void {
  const about = {
    name: 'put-away',
    summary: 'put an alert away',
    description: 'Puts an alert away. Nothing is mended by that; it comes back where its cause lasts.',
    arguments: [['<ALERT>', 'id, or the beginning of it']] as const,
    examples: ['terp alert put-away 5d6e7f80'],
  }
  addServerCommand(parent, host, about, async ({ run, api }, _: ServerCommandOptions, argument = '') => {
    const { id } = chooseItem(await api.list('/alerts', alertDescriptionShape), argument, 'alert', (alert) => ({ id: alert.id }))
    const after = await api.send('POST', `/alerts/${id}/put-away`, alertDescriptionShape)
    showDone(run, after, `put away: ${after.message}`)
    return undefined
  })
}
