/** Pool volumes of a server. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import {
  createdPoolShape,
  evacuationShape,
  jobDescriptionShape,
  jobStartedShape,
  type PoolDescription,
  poolShape,
  poolsShape,
  poolUsageShape,
} from '../../wire/index.ts'
import type { Api } from '../api/api.ts'
import { chooseItem } from '../api/find-item.ts'
import { addServerCommand, FRESH_NOTE, type On, type ServerCommandOptions } from '../api/server-command.ts'
import { shortTime, showDone, showFacts, showList } from '../api/show.ts'
import { plainText } from '../arguments.ts'
import { type CommandHost, collect } from '../command.ts'
import { cliError } from '../errors.ts'
import { makePrivateFile } from '../files.ts'
import { formatBytes, formatCount } from '../format.ts'
import { shortId } from '../present.ts'
import { jobBegan } from './jobs.ts'

const VOLUME = [['<VOLUME>', 'name, id, or the beginning of an id']] as const

const COLUMNS = [
  { title: 'ID', of: ({ id }: PoolDescription) => shortId(id) },
  { title: 'NAME', of: ({ name }: PoolDescription) => name },
  { title: 'STATE', of: ({ state, isOpen }: PoolDescription) => (state === 'active' && !isOpen ? 'closed' : state) },
  { title: 'USED', align: 'right' as const, of: ({ usage }: PoolDescription) => usage && formatBytes(usage.usedBytes) },
  { title: 'FREE', align: 'right' as const, of: ({ usage }: PoolDescription) => usage && formatBytes(usage.freeBytes) },
  { title: 'FOLDER', of: ({ folder }: PoolDescription) => folder },
]

const findVolume = async (api: Api, argument = '') => chooseItem((await api.get('/pools', poolsShape)).items, argument, 'pool volume')

export function addStorageList(parent: Command, host: CommandHost): void {
  const about = {
    name: 'list',
    summary: 'list pool volumes',
    description: 'Lists the pool volumes, with how full their disks are.',
    examples: ['terp storage list'],
  }
  addServerCommand(parent, host, about, async ({ api, output }) => {
    showList(output, (await api.get('/pools', poolsShape)).items, COLUMNS, 'no pool volumes; add one with: terp storage add')
    return undefined
  })
}

interface AddOptions extends ServerCommandOptions {
  readonly name: string
  readonly confirm?: string
  readonly workload?: string[]
  readonly recoveryWordsOut?: string
}

export function addStorageAdd(parent: Command, host: CommandHost): void {
  const about = {
    name: 'add',
    summary: 'add a pool volume',
    description:
      'Makes a pool in an empty folder of the server, and uses it. Prints the 24 words that open it without this server, this once.',
    arguments: [['<FOLDER>', 'an absolute path on the server']] as const,
    options: (command: Command) =>
      command
        .requiredOption('--name <name>', 'what it is called')
        .option('--confirm <folder>', 'the folder once more, in place of being asked')
        .option('--workload <kind>', 'only for this kind of data; may be given several times', collect)
        .option('--recovery-words-out <file>', 'new file for the words, in place of showing them'),
    examples: ['terp storage add /backup/pool-1 --name pool-1 --confirm /backup/pool-1 --recovery-words-out ~/pool-1.words'],
    notes: FRESH_NOTE,
  }
  addServerCommand(parent, host, about, async ({ run, api, output }, options: AddOptions, argument = '') => {
    const folder = plainText(argument, 'the folder')
    const { name, workload, recoveryWordsOut } = options
    const confirm = options.confirm ?? (await output.streams.ask?.(`Type the folder once more: `)) ?? ''
    const body = { name, folder, confirm: confirm.trim(), ...(workload && { workloads: workload }) }
    const { pool, recoveryWords } = await api.send('POST', '/pools', createdPoolShape, { body })
    if (recoveryWordsOut !== undefined) {
      await makePrivateFile(run.disk, recoveryWordsOut, `${recoveryWords}\n`, 'the file with the words')
      showDone(
        run,
        { pool, file: recoveryWordsOut },
        `added the pool volume ${pool.name}; the words that open it are in ${recoveryWordsOut}`,
      )
    } else
      showDone(
        run,
        { pool, recoveryWords },
        `added the pool volume ${pool.name}; these words open it without this server: ${recoveryWords}`,
      )
    return undefined
  })
}

export function addStorageShow(parent: Command, host: CommandHost): void {
  const about = {
    name: 'show',
    summary: 'show a pool volume',
    description: 'Shows how full a pool volume is, and when it will be full.',
    arguments: VOLUME,
    examples: ['terp storage show pool-1'],
  }
  addServerCommand(parent, host, about, async ({ api, output }, _: ServerCommandOptions, argument) => {
    const pool = await findVolume(api, argument)
    const usage = await api.get(`/pools/${pool.id}/usage`, poolUsageShape)
    const { now, reclaimableBytes, forecast } = usage
    showFacts(output, { pool, usage }, [
      ['pool volume', `${pool.name} ${pool.id}`],
      ['folder', pool.folder],
      ['state', pool.isOpen ? pool.state : `${pool.state}, closed`],
      ['size', now && formatBytes(now.sizeBytes)],
      ['used', now && formatBytes(now.usedBytes)],
      ['free', now && formatBytes(now.freeBytes)],
      ['to be freed', reclaimableBytes === undefined ? undefined : formatBytes(reclaimableBytes)],
      ['full', textOfForecast(forecast)],
    ])
    return undefined
  })
}

function textOfForecast(forecast: (typeof poolUsageShape)['_output']['forecast']): string {
  if (forecast.kind === 'full-at') return `${shortTime(forecast.at)} UTC, at ${formatBytes(Math.round(forecast.bytesPerDay))} a day`
  if (forecast.kind === 'not-enough-data') return `unknown: ${forecast.why}`
  return forecast.kind === 'full' ? 'now' : 'not in sight'
}

export function addStorageRemove(parent: Command, host: CommandHost): void {
  const about = {
    name: 'remove',
    summary: 'let go of a pool volume',
    description: 'Lets go of a pool volume that holds no data source. What is on its disk stays.',
    arguments: VOLUME,
    options: (command: Command) => command.option('--confirm <name>', 'its name once more, in place of being asked'),
    examples: ['terp storage remove pool-1 --confirm pool-1'],
    notes: FRESH_NOTE,
  }
  addServerCommand(parent, host, about, async ({ run, api, output }, options: ServerCommandOptions & { confirm?: string }, argument) => {
    const { id, name } = await findVolume(api, argument)
    const confirm = options.confirm ?? (await output.streams.ask?.(`Type the name ${name} once more: `)) ?? ''
    await api.act('POST', `/pools/${id}/remove`, { body: { confirm: confirm.trim() } })
    showDone(run, { id, name }, `let go of the pool volume ${name}`)
    return undefined
  })
}

interface VerifyOptions extends ServerCommandOptions {
  readonly readData?: boolean
  readonly wait?: boolean
}

export function addStorageVerify(parent: Command, host: CommandHost): void {
  const about = {
    name: 'verify',
    summary: 'look for damage',
    description: 'Starts a job that looks for damage in a pool volume.',
    arguments: VOLUME,
    options: (command: Command) => command.option('--read-data', 'read every stored byte').option('--wait', 'wait until it has ended'),
    examples: ['terp storage verify pool-1 --read-data --wait'],
    exits: [3] as const,
  }
  addServerCommand(parent, host, about, async (on, { readData, wait }: VerifyOptions, argument) => {
    const { id } = await findVolume(on.api, argument)
    return await started(
      on,
      await on.api.send('POST', `/pools/${id}/verify`, jobStartedShape, { body: { readData: readData === true } }),
      wait,
    )
  })
}

interface PruneOptions extends ServerCommandOptions {
  readonly dryRun?: boolean
  readonly wait?: boolean
}

export function addStoragePrune(parent: Command, host: CommandHost): void {
  const about = {
    name: 'prune',
    summary: 'free what no recovery point needs',
    description: 'Starts a job that frees what no recovery point of a pool volume needs. Backups and restores go on meanwhile.',
    arguments: VOLUME,
    options: (command: Command) => command.option('--dry-run', 'only say how much it would be').option('--wait', 'wait until it has ended'),
    examples: ['terp storage prune pool-1'],
    exits: [3] as const,
  }
  addServerCommand(parent, host, about, async (on, { dryRun, wait }: PruneOptions, argument) => {
    const { id } = await findVolume(on.api, argument)
    return await started(on, await on.api.send('POST', `/pools/${id}/prune`, jobStartedShape, { body: { dryRun: dryRun === true } }), wait)
  })
}

const started = (on: On, job: { readonly jobId: string }, wait: boolean | undefined) => jobBegan(on, job.jobId, job, wait)

interface ChangeOptions extends ServerCommandOptions {
  readonly name?: string
  readonly workload?: string[]
  readonly anyWorkload?: boolean
  readonly warnAt?: number
}

export function addStorageChange(parent: Command, host: CommandHost): void {
  const about = {
    name: 'change',
    summary: 'change a pool volume',
    description: 'Changes the name of a pool volume, what may be put there, or how full it may be.',
    arguments: VOLUME,
    options: (command: Command) =>
      command
        .option('--name <name>', 'what it is called from now on')
        .option('--workload <kind>', 'only for this kind of data; may be given several times', collect)
        .option('--any-workload', 'for any kind of data')
        .option('--warn-at <percent>', 'how full its disk may be: above it people are warned, and nothing new is put there', parsePercent),
    examples: ['terp storage change pool-1 --name archive --warn-at 90'],
    notes: FRESH_NOTE,
  }
  addServerCommand(parent, host, about, async ({ run, api }, options: ChangeOptions, argument) => {
    const { id, version } = await findVolume(api, argument)
    const { name, workload, anyWorkload, warnAt } = options
    const workloads = anyWorkload === true ? [] : workload
    const body = {
      ...(name !== undefined && { name }),
      ...(workloads && { workloads }),
      ...(warnAt !== undefined && { thresholds: { usage: warnAt / 100 } }),
    }
    if (Object.keys(body).length === 0)
      throw cliError('USAGE_INVALID', 'say what to change: --name, --workload, --any-workload or --warn-at')
    const after = await api.send('PATCH', `/pools/${id}`, poolShape, { body, version })
    const kinds = after.workloads.length === 0 ? 'any data' : after.workloads.join(', ')
    showDone(run, after, `${after.name}: for ${kinds}, full at ${Math.round(after.thresholds.usage * 100)} %`)
    return undefined
  })
}

function parsePercent(text: string): number {
  const percent = Number(text.replace(/\s*%$/, ''))
  if (!(percent >= 10 && percent <= 100)) throw new InvalidArgumentError('It is a number from 10 to 100.')
  return percent
}

interface MaintainOptions extends ServerCommandOptions {
  readonly task: string
  readonly readData?: boolean
  readonly wait?: boolean
}

const TASKS = ['expire-points', 'prune', 'pool-verify', 'catalog-check']

export function addStorageMaintain(parent: Command, host: CommandHost): void {
  const about = {
    name: 'maintain',
    summary: 'do now what is done every night',
    description:
      'Starts one of the jobs that keep a pool volume in order: expire recovery points as retention says, prune, verify, or compare the catalog with what is stored.',
    arguments: VOLUME,
    options: (command: Command) =>
      command
        .addOption(new Option('--task <task>', 'which').choices(TASKS).makeOptionMandatory())
        .option('--read-data', 'of pool-verify: read every stored byte')
        .option('--wait', 'wait until it has ended'),
    examples: ['terp storage maintain pool-1 --task expire-points --wait'],
    exits: [3] as const,
  }
  addServerCommand(parent, host, about, async (on, { task, readData, wait }: MaintainOptions, argument) => {
    const { id } = await findVolume(on.api, argument)
    const body = { what: task, readData: readData === true }
    const job = await on.api.send('POST', `/pools/${id}/maintenance`, jobDescriptionShape, { body })
    return await jobBegan(on, job.id, job, wait)
  })
}

export function addStorageEvacuate(parent: Command, host: CommandHost): void {
  const about = {
    name: 'evacuate',
    summary: 'move everything to other pool volumes',
    description: 'Moves all data sources of a pool volume to others, as jobs. Nothing new is put there from now on.',
    arguments: VOLUME,
    options: (command: Command) => command.option('--stop', 'let it take data again; what waits is cancelled, what runs goes on'),
    examples: ['terp storage evacuate pool-1', 'terp storage evacuate pool-1 --stop'],
    notes: FRESH_NOTE,
  }
  addServerCommand(parent, host, about, async ({ run, api }, { stop }: ServerCommandOptions & { readonly stop?: boolean }, argument) => {
    const { id, name } = await findVolume(api, argument)
    if (stop === true) {
      await api.act('DELETE', `/pools/${id}/evacuate`)
      showDone(run, { id, name }, `${name} takes data again`)
      return undefined
    }
    const begun = await api.send('POST', `/pools/${id}/evacuate`, evacuationShape)
    showDone(run, begun, `${formatCount(begun.jobs.length, 'data source')} of ${name} will be moved; see it with: terp job list`)
    return undefined
  })
}
