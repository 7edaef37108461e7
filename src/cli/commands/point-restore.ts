/** Restoring to a machine. */
import { type Command, Option } from 'commander'
import { z } from 'zod'
import { grantShape, jobStartedShape, plannedShape } from '../../wire/index.ts'
import { chooseItem } from '../api/find-item.ts'
import { addServerCommand, FRESH_NOTE, type On } from '../api/server-command.ts'
import { showDone } from '../api/show.ts'
import { bytesOf } from '../arguments.ts'
import { type CommandHost, collect, parseCount } from '../command.ts'
import { cliError } from '../errors.ts'
import { EXIT_CODES } from '../exit-codes.ts'
import { formatBytes, formatCount } from '../format.ts'
import { findPoint, POINT, type PointOptions, pathText, sourceOption } from './find-point.ts'
import { jobBegan } from './jobs.ts'

interface RestoreOptions extends PointOptions {
  readonly path?: string[]
  readonly target: string
  readonly overwrite: string
  readonly dryRun?: boolean
  readonly grant?: string
  readonly security: string
  readonly throttle?: number
  readonly notify?: string[]
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
        .addOption(
          new Option('--security <whose>', 'whose owners, modes and ACLs it gets: as it had, or as the folder says where it comes to lie')
            .choices(['recovery-point', 'destination'])
            .default('recovery-point'),
        )
        .option('--throttle <KiB>', 'at most so many KiB a second', parseCount)
        .option('--notify <address>', 'who gets a mail when it has ended; may be given several times', collect)
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
    const { overwrite, security, grant, throttle, notify } = options
    const target = bytesOf(options.target)
    if (target[0] !== 0x2f) throw cliError('USAGE_INVALID', 'the target must be an absolute path of that machine')
    const body = {
      target: target.toString('base64'),
      overwrite,
      security,
      dryRun: options.dryRun === true,
      ...(paths && { paths }),
      ...(grant !== undefined && { grant }),
      ...(throttle !== undefined && { throttle: throttle * 1024 }),
      ...(notify && { notify }),
    }
    const job = await on.api.send('POST', `/recovery-points/${id}/restore`, jobStartedShape, { body })
    return await jobBegan(on, job.jobId, job, options.wait)
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
    const granted = await api.send('POST', `/recovery-points/${id}/grants`, grantShape, { body: { agentId, ...(paths && { paths }) } })
    showDone(run, granted, granted.grant)
    return undefined
  })
}
