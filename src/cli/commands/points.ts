/**
 * Recovery points of a server: what there is, what is in them, and getting it back. Over 400 lines: a list of commands on one noun, each a few lines over the API,
 * of which a run loads this one file.
 */
import { basename, resolve } from 'node:path'
import { type Command, Option } from 'commander'
import { z } from 'zod'
import {
  entryShape,
  folderPageShape,
  jobDescriptionShape,
  jobStartedShape,
  plannedShape,
  pointDescriptionShape,
  sourceDescriptionShape,
  versionsShape,
} from '../../wire/index.ts'
import type { Api } from '../api/api.ts'
import { chooseItem, findItem, isId } from '../api/find-item.ts'
import { addServerCommand, FRESH_NOTE, type On, type ServerCommandOptions } from '../api/server-command.ts'
import { shortTime, showDone, showList } from '../api/show.ts'
import { bytesOf, plainText, resolvePath } from '../arguments.ts'
import { type CommandHost, collect, parseCount, parseTime } from '../command.ts'
import { cliError } from '../errors.ts'
import { EXIT_CODES } from '../exit-codes.ts'
import { errnoOf } from '../files.ts'
import { formatBytes, formatCount, formatMode, formatTime } from '../format.ts'
import { shortId } from '../present.ts'
import { watchJob } from './jobs.ts'
import { SOURCE } from './sources.ts'

const POINT = ['<POINT>', 'id, the beginning of it, or `latest`'] as const
type Point = z.output<typeof pointDescriptionShape>

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

interface PointOptions extends ServerCommandOptions {
  readonly source?: string
}

const sourceOption = (command: Command) => command.option('--source <source>', 'of this data source; needed with `latest`')

const findSource = (api: Api, argument: string) => findItem(api, '/sources', sourceDescriptionShape, argument, 'data source')

async function findPoint(api: Api, argument: string | undefined, { source }: PointOptions): Promise<Point> {
  const text = plainText(argument ?? '', 'the recovery point')
  if (isId(text)) return await api.get(`/recovery-points/${text}`, pointDescriptionShape)
  const id = source === undefined ? undefined : (await findSource(api, source)).id
  if (text === 'latest') {
    if (id === undefined) throw cliError('USAGE_INVALID', '`latest` is of one data source: name it with --source')
    const [newest] = await api.list('/recovery-points', pointDescriptionShape, { source: id }, 1)
    if (!newest) throw cliError('ITEM_NOT_FOUND', `${source} has no recovery point`)
    return newest
  }
  const points = await api.list('/recovery-points', pointDescriptionShape, { source: id })
  const gone = await api.list('/recovery-points', pointDescriptionShape, { source: id, state: 'expired' })
  return chooseItem([...points, ...gone], text, 'recovery point', (point) => ({ id: point.id }))
}

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
    return await begun(on, job.id, job, wait)
  })
}

async function begun(on: On, id: string, document: object, wait: boolean | undefined) {
  if (wait === true) return await watchJob(on, id)
  showDone(on.run, document, `job ${id} began; see it with: terp job watch ${shortId(id)}`)
  return undefined
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

/** As the API has it: base64 of absolute bytes, nothing for the root. */
function pathText(text: string | undefined): string {
  return resolvePath(Buffer.alloc(0), bytesOf(text ?? '/')).toString('base64')
}

type Entry = z.output<typeof entryShape>

const ENTRY_COLUMNS = [
  { title: 'MODE', of: ({ kind, mode }: Entry) => formatMode(kind, mode) },
  { title: 'OWNER', of: ({ userName, uid }: Entry) => userName ?? String(uid) },
  { title: 'SIZE', align: 'right' as const, of: ({ kind, sizeBytes }: Entry) => (kind === 'file' ? formatBytes(sizeBytes) : undefined) },
  { title: 'CHANGED', of: ({ modified }: Entry) => shortTime(modified) },
  { title: 'NAME', of: ({ name, target }: Entry) => (target === undefined ? name : `${name} -> ${target}`) },
]

export function addPointBrowse(parent: Command, host: CommandHost): void {
  const about = {
    name: 'browse',
    summary: 'look into a recovery point',
    description: 'Lists what lies in a folder of a recovery point.',
    arguments: [POINT, ['[PATH]', 'a folder; without it, the root']] as const,
    options: sourceOption,
    examples: ['terp recovery-point browse latest /srv/www --source web-3:/srv'],
  }
  addServerCommand(parent, host, about, async ({ api, output }, options: PointOptions, argument, path) => {
    const { id } = await findPoint(api, argument, options)
    const items: Entry[] = []
    for (let cursor: string | undefined; ; ) {
      const page = await api.get(`/recovery-points/${id}/folder`, folderPageShape, { path: pathText(path), limit: 1000, cursor })
      items.push(...page.items)
      cursor = page.next
      if (cursor === undefined) break
    }
    showList(output, items, ENTRY_COLUMNS, 'nothing in it')
    return undefined
  })
}

export function addPointVersions(parent: Command, host: CommandHost): void {
  const about = {
    name: 'versions',
    summary: 'list the versions of a file',
    description: 'Lists one path in all recovery points of a data source, the newest first; those that are as before are left out.',
    arguments: [SOURCE, ['<PATH>', 'the file or folder']] as const,
    examples: ['terp recovery-point versions web-3:/srv /srv/www/index.html'],
  }
  addServerCommand(parent, host, about, async ({ api, output }, _: ServerCommandOptions, source = '', path) => {
    const { id } = await findSource(api, source)
    type Version = z.output<typeof versionsShape>['items'][number]
    const items: Version[] = []
    for (let cursor: string | undefined; ; ) {
      const page = await api.get(`/data-sources/${id}/versions`, versionsShape, { path: pathText(path), limit: 200, cursor })
      items.push(...page.items.filter(({ isSameAsBefore }) => !isSameAsBefore))
      cursor = page.next
      if (cursor === undefined) break
    }
    const columns = [
      { title: 'POINT', of: ({ pointId }: Version) => shortId(pointId) },
      { title: 'TIME', of: ({ finished }: Version) => formatTime(finished) },
      {
        title: 'SIZE',
        align: 'right' as const,
        of: ({ entry }: Version) => (entry === undefined ? 'absent' : formatBytes(entry.sizeBytes)),
      },
      { title: 'CHANGED', of: ({ entry }: Version) => shortTime(entry?.modified) },
    ]
    showList(output, items, columns, 'no version')
    return undefined
  })
}

interface DownloadOptions extends PointOptions {
  readonly out?: string
}

export function addPointDownload(parent: Command, host: CommandHost): void {
  const about = {
    name: 'download',
    summary: 'get a file, or a folder as zip',
    description: 'Gets a file out of a recovery point, or a folder with all below it as a zip file.',
    arguments: [POINT, ['<PATH>', 'the file or folder']] as const,
    options: (command: Command) => sourceOption(command).option('--out <file>', 'new file (default: its name, in this folder)'),
    examples: ['terp recovery-point download latest /srv/www/index.html --source web-3:/srv'],
  }
  addServerCommand(parent, host, about, async (on, options: DownloadOptions, argument, path) => {
    const { id } = await findPoint(on.api, argument, options)
    const query = { path: pathText(path) }
    const isRoot = query.path === ''
    const entry = isRoot ? undefined : await on.api.get(`/recovery-points/${id}/entry`, entryShape, query)
    const isFolder = entry === undefined || entry.kind === 'folder'
    const name = entry === undefined ? shortId(id) : basename(entry.name)
    const out = resolve(options.out === undefined ? (isFolder ? `${name}.zip` : name) : plainText(options.out, 'the new file'))
    const bytes = await download(on, `/recovery-points/${id}/${isFolder ? 'zip' : 'file'}`, query, out)
    showDone(on.run, { file: out, bytes }, `${out}: ${formatBytes(bytes)}`)
    return undefined
  })
}

/** A half of it is not left behind. FILE_EXISTS, FILE_UNWRITABLE. */
async function download({ run, api }: On, path: string, query: { path: string }, out: string): Promise<number> {
  const { disk } = run
  const file = await disk.createFile(out).catch((cause: unknown) => {
    const isThere = errnoOf(cause) === 'EEXIST'
    throw cliError(isThere ? 'FILE_EXISTS' : 'FILE_UNWRITABLE', `${out} ${isThere ? 'exists already' : 'can not be made'}`, { cause })
  })
  let bytes = 0
  try {
    try {
      for await (const part of (await api.open(path, query)) as AsyncIterable<Buffer>) {
        await file.write(part)
        bytes += part.length
      }
      await file.sync()
    } finally {
      await file.close()
    }
    return bytes
  } catch (error) {
    await disk.unlink(out).catch(() => undefined)
    throw error
  }
}

interface RestoreOptions extends PointOptions {
  readonly path?: string[]
  readonly target: string
  readonly overwrite: string
  readonly dryRun?: boolean
  readonly grant?: string
  readonly plan?: boolean
  readonly wait?: boolean
}

export function addPointRestore(parent: Command, host: CommandHost): void {
  const about = {
    name: 'restore',
    summary: 'restore to a machine',
    description:
      'Starts a job that restores a recovery point, or some paths of it, to the machine that it came from; with a grant to another one.',
    arguments: [POINT],
    options: (command: Command) =>
      sourceOption(command)
        .requiredOption('--target <folder>', 'a folder of that machine; / for where everything was')
        .option('--path <path>', 'only this; may be given several times', collect)
        .addOption(
          new Option('--overwrite <when>', 'what is done about files that are there')
            .choices(['never', 'if-changed', 'always', 'copy'])
            .default('never'),
        )
        .option('--grant <grant>', 'of a security-relevant restore to another machine; see `terp recovery-point grant`')
        .option('--plan', 'only say what it comes to')
        .option('--dry-run', 'do everything but write')
        .option('--wait', 'wait until it has ended'),
    examples: ['terp recovery-point restore latest --source web-3:/srv --path /srv/www --target /restore --wait'],
    exits: [3] as const,
  }
  addServerCommand(parent, host, about, async (on, options: RestoreOptions, argument) => {
    const { id } = await findPoint(on.api, argument, options)
    const paths = options.path?.map(pathText)
    if (options.plan === true) return await tellPlan(on, id, paths)
    const { overwrite, grant } = options
    const target = bytesOf(options.target)
    if (target[0] !== 0x2f) throw cliError('USAGE_INVALID', 'the target must be an absolute path of that machine')
    const body = {
      target: target.toString('base64'),
      overwrite,
      dryRun: options.dryRun === true,
      ...(paths && { paths }),
      ...(grant !== undefined && { grant }),
    }
    const job = await on.api.send('POST', `/recovery-points/${id}/restore`, jobStartedShape, { body })
    return await begun(on, job.jobId, job, options.wait)
  })
}

async function tellPlan({ run, api, output }: On, id: string, paths: readonly string[] | undefined) {
  const planned = await api.send('POST', `/recovery-points/${id}/plan`, plannedShape, { body: { ...(paths && { paths }) } })
  const { files, folders, bytes, storedBytes, absent } = planned
  showDone(
    run,
    planned,
    `${formatCount(files, 'file')} in ${formatCount(folders, 'folder')}: ${formatBytes(bytes)}, of which ${formatBytes(storedBytes)} are read and sent`,
  )
  for (const path of output.isJson ? [] : absent) output.note(`not in it: ${path}`)
  return absent.length > 0 ? EXIT_CODES.notFound : undefined
}

const grantedShape = z.object({ grant: z.string(), expires: z.string() })

interface GrantOptions extends PointOptions {
  readonly agent: string
  readonly path?: string[]
}

export function addPointGrant(parent: Command, host: CommandHost): void {
  const about = {
    name: 'grant',
    summary: 'allow one restore to another machine',
    description: 'Allows one restore of a recovery point to another machine, within an hour. Prints the grant.',
    arguments: [POINT],
    options: (command: Command) =>
      sourceOption(command)
        .requiredOption('--agent <agent>', 'the machine that it may be restored to')
        .option('--path <path>', 'only this; may be given several times', collect),
    examples: ['terp recovery-point grant latest --source web-3:/srv --agent web-4'],
    notes: FRESH_NOTE,
  }
  addServerCommand(parent, host, about, async ({ run, api }, options: GrantOptions, argument) => {
    const { id } = await findPoint(api, argument, options)
    const agents = await api.list('/agents', z.object({ id: z.string(), name: z.string() }))
    const agentId = chooseItem(agents, options.agent, 'agent').id
    const paths = options.path?.map(pathText)
    const granted = await api.send('POST', `/recovery-points/${id}/grants`, grantedShape, { body: { agentId, ...(paths && { paths }) } })
    showDone(run, granted, granted.grant)
    return undefined
  })
}
