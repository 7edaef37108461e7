/** What goes when, and why: retention as the server carries it out, and as it would. */
import { type Command, InvalidArgumentError } from 'commander'
import { z } from 'zod'
import {
  deletionShape,
  groupDescriptionShape,
  pointDescriptionShape,
  simulatedDayShape,
  sourceDescriptionShape,
  whyShape,
} from '../../wire/index.ts'
import type { Api } from '../api/api.ts'
import { chooseItem, findItem, isId } from '../api/find-item.ts'
import { addServerCommand, FRESH_NOTE, type ServerCommandOptions } from '../api/server-command.ts'
import { shortTime, showDone, showList } from '../api/show.ts'
import { plainText } from '../arguments.ts'
import { type CommandHost, collect, parseCount } from '../command.ts'
import { formatBytes, formatCount, printable } from '../format.ts'
import { shortId } from '../present.ts'

const POINT = [['<POINT>', 'id of a recovery point, or the beginning of it']] as const

async function findId(api: Api, argument: string, states: readonly string[]): Promise<string> {
  const text = plainText(argument, 'the recovery point')
  if (isId(text)) return text
  const lists = await Promise.all(states.map((state) => api.list('/recovery-points', pointDescriptionShape, { state })))
  return chooseItem(lists.flat(), text, 'recovery point', ({ id }) => ({ id })).id
}

function why(name: string, summary: string, description: string, states: readonly string[]) {
  return (parent: Command, host: CommandHost): void => {
    const about = { name, summary, description, arguments: POINT, examples: [`terp retention ${name} 9f8e7d6c`] }
    addServerCommand(parent, host, about, async ({ api, output }, _: ServerCommandOptions, point = '') => {
      const told = await api.get(`/recovery-points/${await findId(api, point, states)}/why`, whyShape)
      if (output.isJson) {
        output.printJson(told)
        return undefined
      }
      const until = told.expires === undefined ? '' : ` until ${shortTime(told.expires)} UTC`
      const verdict = { kept: `is kept${until}`, goes: 'goes', gone: 'is gone' }[told.verdict]
      output.print(`${shortId(told.pointId)} ${verdict}`)
      for (const reason of told.reasons) output.print(`  ${printable(reason)}`)
      return undefined
    })
  }
}

export const addWhyKept = why('why-kept', 'say why a recovery point is kept', 'Says why a recovery point is kept, and until when.', [
  'valid',
  'expired',
])
export const addWhyExpired = why('why-expired', 'say why a recovery point goes', 'Says why a recovery point goes, or has gone.', [
  'expired',
  'pruned',
  'valid',
])

interface SimulateOptions extends ServerCommandOptions {
  readonly group?: string
  readonly source?: string
  readonly keepDays?: number
  readonly at?: string[]
  readonly weekday?: string[]
  readonly timeZone?: string
  readonly days: number
}

const WEEKDAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']

export function addRetentionSimulate(parent: Command, host: CommandHost): void {
  const about = {
    name: 'simulate',
    summary: 'show what a policy comes to',
    description: 'Shows day by day how many recovery points a policy makes and keeps. Nothing is changed.',
    options: (command: Command) =>
      command
        .option('--group <group>', 'of this group; what else is given is tried in place of what it says')
        .option('--source <source>', 'of this data source, with the recovery points that it has')
        .option('--keep-days <n>', 'how long points are kept (default: as the group says, or 5)', parseCount)
        .option(
          '--at <time>',
          'when points are made, as 08:00; may be given several times (default: as the group says, or 08:00, 12:00 and 18:00)',
          collectTime,
        )
        .option('--weekday <day>', 'only on this day, as mon; may be given several times', collect)
        .option('--time-zone <zone>', 'of these times (default: as the group says, or UTC)')
        .option('--days <n>', 'for so many days from today', parseCount, 30),
    examples: [
      'terp retention simulate --keep-days 10 --at 12:00 --at 20:00 --days 20',
      'terp retention simulate --group web --keep-days 3',
    ],
  }
  addServerCommand(parent, host, about, async ({ api, output }, options: SimulateOptions) => {
    const { at, weekday, timeZone, days } = options
    const source =
      options.source === undefined ? undefined : await findItem(api, '/sources', sourceDescriptionShape, options.source, 'data source')
    const group = options.group === undefined ? undefined : await findItem(api, '/groups', groupDescriptionShape, options.group, 'group')
    const isOfPolicy = source === undefined && group === undefined
    const times = at ?? (isOfPolicy || weekday ? ['08:00', '12:00', '18:00'] : undefined)
    const body = {
      ...(source && { source: source.id }),
      ...(group && { group: group.id }),
      ...(times && { schedule: { kind: 'weekly', times, weekdays: weekday ?? WEEKDAYS } }),
      retentionDays: options.keepDays ?? (isOfPolicy ? 5 : undefined),
      timeZone,
      days,
    }
    const simulated = await api.send('POST', '/retention/simulate', z.object({ days: z.array(simulatedDayShape) }), { body })
    type Day = z.output<typeof simulatedDayShape>
    const columns = [
      { title: 'DAY', of: ({ date }: Day) => date },
      { title: 'MADE', align: 'right' as const, of: ({ made }: Day) => made },
      { title: 'EXPIRED', align: 'right' as const, of: ({ expired }: Day) => expired.length },
      { title: 'KEPT', align: 'right' as const, of: ({ kept }: Day) => kept },
      { title: '', of: ({ needsPerson }: Day) => (needsPerson ? 'so many at once wait for a person' : '') },
    ]
    showList(output, simulated.days, columns, 'no days')
    return undefined
  })
}

function collectTime(value: string, before: string[] | undefined): string[] {
  if (!/^(?:[01]\d|2[0-3]):[0-5]\d$/.test(value)) throw new InvalidArgumentError('It is a time such as 08:00.')
  return collect(value, before)
}

type Deletion = z.output<typeof deletionShape>

export function addRetentionLedger(parent: Command, host: CommandHost): void {
  const about = {
    name: 'ledger',
    summary: 'list what will go',
    description: 'Lists the recovery points that will go: why, when, and about how many bytes that frees.',
    examples: ['terp retention ledger'],
  }
  addServerCommand(parent, host, about, async ({ api, output }) => {
    const columns = [
      { title: 'ID', of: ({ id }: Deletion) => shortId(id) },
      { title: 'POINT', of: ({ pointId }: Deletion) => shortId(pointId) },
      { title: 'STATE', of: ({ state, holdReason }: Deletion) => (holdReason === undefined ? state : `${state}: ${holdReason}`) },
      { title: 'DUE', of: ({ due }: Deletion) => shortTime(due) },
      { title: 'FREES', align: 'right' as const, of: ({ bytes }: Deletion) => (bytes === undefined ? undefined : formatBytes(bytes)) },
      { title: 'WHY', of: ({ reason }: Deletion) => reason },
    ]
    showList(output, await api.list('/retention/ledger', deletionShape), columns, 'nothing goes')
    return undefined
  })
}

interface ApproveOptions extends ServerCommandOptions {
  readonly all?: boolean
}

export function addRetentionApprove(parent: Command, host: CommandHost): void {
  const about = {
    name: 'approve',
    summary: 'agree to deletions that wait',
    description: 'Agrees to deletions that wait for a person. They go after the cool-off. For security administrators.',
    arguments: [['[DELETION]', 'id as in the ledger, or the beginning of it']] as const,
    options: (command: Command) => command.option('--all', 'to all that wait now'),
    examples: ['terp retention approve 1a2b3c4d', 'terp retention approve --all'],
    notes: FRESH_NOTE,
  }
  addServerCommand(parent, host, about, async ({ run, api }, { all }: ApproveOptions, argument) => {
    const held = await api.list('/retention/ledger', deletionShape, { state: 'held' })
    const chosen =
      all === true && argument === undefined ? held : [chooseItem(held, argument ?? '', 'deletion that waits', ({ id }) => ({ id }))]
    if (chosen.length > 0) await api.act('POST', '/retention/approve', { body: { deletions: chosen.map(({ id }) => id) } })
    showDone(run, { deletions: chosen.map(({ id }) => id) }, `agreed to ${formatCount(chosen.length, 'deletion')}`)
    return undefined
  })
}

export function addRetentionThaw(parent: Command, host: CommandHost): void {
  const about = {
    name: 'thaw',
    summary: 'let deletions go on after the clock jumped',
    description: 'Says that the clock of the server is right, after it jumped and nothing expired since. For security administrators.',
    examples: ['terp retention thaw'],
    notes: FRESH_NOTE,
  }
  addServerCommand(parent, host, about, async ({ run, api }) => {
    await api.act('POST', '/retention/thaw')
    showDone(run, { isFrozen: false }, 'the clock is said to be right; deletions go on')
    return undefined
  })
}
