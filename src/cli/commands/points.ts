/** Recovery points of a server: what there is, making one, and keeping it. */
import { type Command, Option } from 'commander'
import { jobDescriptionShape, pointDescriptionShape } from '../../wire/index.ts'
import { addServerCommand, FRESH_NOTE, type ServerCommandOptions } from '../api/server-command.ts'
import { shortTime, showDone, showList } from '../api/show.ts'
import { type CommandHost, parseCount, parseTime } from '../command.ts'
import { formatBytes, formatTime } from '../format.ts'
import { shortId } from '../present.ts'
import { findPoint, findSource, POINT, type Point, type PointOptions, sourceOption } from './find-point.ts'
import { jobBegan } from './jobs.ts'
import { SOURCE } from './sources.ts'

const COLUMNS = [
  { title: 'ID', of: ({ id }: Point) => shortId(id) },
  { title: 'TIME', of: ({ finished }: Point) => formatTime(finished) },
  { title: 'STATE', of: ({ state, verifiedResult }: Point) => (verifiedResult === 'damaged' ? `${state}, damaged` : state) },
  { title: 'SIZE', align: 'right' as const, of: ({ bytes }: Point) => formatBytes(bytes) },
  { title: 'FILES', align: 'right' as const, of: ({ files }: Point) => files },
  { title: 'STORED', align: 'right' as const, of: ({ storedBytes }: Point) => formatBytes(storedBytes) },
  {
    title: 'KEPT UNTIL',
    of: ({ hasLegalHold, pinnedUntil, expires }: Point) => (hasLegalHold ? 'held' : shortTime(pinnedUntil ?? expires)),
  },
]

interface ListOptions extends PointOptions {
  readonly state?: 'valid' | 'expired' | 'pruned'
  readonly most: number
}

export function addPointList(parent: Command, host: CommandHost): void {
  const about = {
    name: 'list',
    summary: 'list recovery points',
    description: 'Lists recovery points, the newest first. Times are UTC.',
    options: (command: Command) =>
      command
        .option('--source <source>', 'only of this data source')
        .addOption(
          new Option('--state <state>', 'those that can be restored, or are on their way out, or gone').choices([
            'valid',
            'expired',
            'pruned',
          ]),
        )
        .option('--most <n>', 'at most so many', parseCount, 100),
    examples: ['terp recovery-point list --source web-3:/srv'],
  }
  addServerCommand(parent, host, about, async ({ api, output }, { source, state, most }: ListOptions) => {
    const id = source === undefined ? undefined : (await findSource(api, source)).id
    showList(output, await api.list('/recovery-points', pointDescriptionShape, { source: id, state }, most), COLUMNS, 'no recovery points')
    return undefined
  })
}

interface CreateOptions extends ServerCommandOptions {
  readonly kind: string
  readonly wait?: boolean
}

const KINDS = ['synchronise-and-point', 'point-only', 'synchronise-only', 'express-full', 'incremental', 'online']

export function addPointCreate(parent: Command, host: CommandHost): void {
  const about = {
    name: 'create',
    summary: 'make a recovery point now',
    description: 'Starts a job that makes a recovery point of a data source.',
    arguments: [SOURCE],
    options: (command: Command) =>
      command
        .addOption(new Option('--kind <kind>', 'what is done').choices(KINDS).default('synchronise-and-point'))
        .option('--wait', 'wait until it has ended'),
    examples: ['terp recovery-point create web-3:/srv --wait'],
    exits: [3] as const,
  }
  addServerCommand(parent, host, about, async (on, { kind, wait }: CreateOptions, source = '') => {
    const { id } = await findSource(on.api, source)
    const job = await on.api.send('POST', `/sources/${id}/recovery-points`, jobDescriptionShape, { body: { kind } })
    return await jobBegan(on, job.id, job, wait)
  })
}

interface PinOptions extends PointOptions {
  readonly until?: string
  readonly note?: string
  readonly off?: boolean
}

export function addPointPin(parent: Command, host: CommandHost): void {
  const about = {
    name: 'pin',
    summary: 'keep a recovery point',
    description: 'Keeps a recovery point whatever retention says, for good or until a time; one that is on its way out comes back.',
    arguments: [POINT],
    options: (command: Command) =>
      sourceOption(command)
        .option('--until <time>', 'until then', parseTime)
        .option('--note <text>', 'why')
        .option('--off', 'let retention decide again'),
    examples: ['terp recovery-point pin 9f8e7d6c --until 2027-01-01 --note "before the upgrade"'],
  }
  addServerCommand(parent, host, about, async ({ run, api }, options: PinOptions, argument) => {
    const { id } = await findPoint(api, argument, options)
    const { until, note, off } = options
    if (off === true) {
      await api.act('DELETE', `/recovery-points/${id}/pin`)
      showDone(run, { id }, `retention decides on ${shortId(id)} again`)
      return undefined
    }
    const body = { ...(until !== undefined && { until }), ...(note !== undefined && { note }) }
    const after = await api.send('PUT', `/recovery-points/${id}/pin`, pointDescriptionShape, { body })
    showDone(run, after, `kept ${shortId(id)}${until === undefined ? '' : ` until ${shortTime(until)} UTC`}`)
    return undefined
  })
}

interface HoldOptions extends PointOptions {
  readonly off?: boolean
}

export function addPointHold(parent: Command, host: CommandHost): void {
  const about = {
    name: 'hold',
    summary: 'put a recovery point on legal hold',
    description: 'Puts a recovery point on legal hold, or takes the hold off. For security administrators.',
    arguments: [POINT],
    options: (command: Command) => sourceOption(command).option('--off', 'take the hold off'),
    examples: ['terp recovery-point hold 9f8e7d6c'],
    notes: FRESH_NOTE,
  }
  addServerCommand(parent, host, about, async ({ run, api }, options: HoldOptions, argument) => {
    const { id } = await findPoint(api, argument, options)
    const hasLegalHold = options.off !== true
    const after = await api.send('PUT', `/recovery-points/${id}/hold`, pointDescriptionShape, { body: { hasLegalHold } })
    showDone(run, after, `${shortId(id)} is ${hasLegalHold ? 'on legal hold' : 'on no legal hold'}`)
    return undefined
  })
}

export function addPointUndelete(parent: Command, host: CommandHost): void {
  const about = {
    name: 'undelete',
    summary: 'take back that a recovery point goes',
    description: 'Takes back that a recovery point goes, as long as its cool-off lasts.',
    arguments: [POINT],
    options: sourceOption,
    examples: ['terp recovery-point undelete 9f8e7d6c'],
  }
  addServerCommand(parent, host, about, async ({ run, api }, options: PointOptions, argument) => {
    const { id } = await findPoint(api, argument, options)
    const after = await api.send('POST', `/recovery-points/${id}/undelete`, pointDescriptionShape)
    showDone(run, after, `${shortId(id)} stays`)
    return undefined
  })
}

export function addPointTestRestore(parent: Command, host: CommandHost): void {
  const about = {
    name: 'test-restore',
    summary: 'prove that it can be restored',
    description: 'Starts a job that restores a sample of a recovery point to nowhere, and compares what comes with what was backed up.',
    arguments: [POINT],
    options: (command: Command) => sourceOption(command).option('--wait', 'wait until it has ended'),
    examples: ['terp recovery-point test-restore 9f8e7d6c --wait'],
    exits: [3] as const,
  }
  addServerCommand(parent, host, about, async (on, options: PointOptions & { readonly wait?: boolean }, argument) => {
    const { id } = await findPoint(on.api, argument, options)
    const job = await on.api.send('POST', `/recovery-points/${id}/test-restore`, jobDescriptionShape)
    return await jobBegan(on, job.id, job, options.wait)
  })
}
