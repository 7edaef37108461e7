/** Jobs of a server: what runs, ran, and will run. */
import type { Command } from 'commander'
import { type JobDescription, jobDescriptionShape, jobDetailShape, logLineShape } from '../../wire/index.ts'
import type { Api } from '../api/api.ts'
import { chooseItem, isId } from '../api/find-item.ts'
import { addServerCommand, type On, type ServerCommandOptions } from '../api/server-command.ts'
import { shortTime, showDone, showFacts, showList } from '../api/show.ts'
import { type CommandHost, parseCount } from '../command.ts'
import { EXIT_CODES, type ExitCode } from '../exit-codes.ts'
import { formatBytes, formatDuration, formatTime, printable } from '../format.ts'
import { shortId } from '../present.ts'

const JOB = [['<JOB>', 'id, or the beginning of it']] as const

const COLUMNS = [
  { title: 'ID', of: ({ id }: JobDescription) => shortId(id) },
  { title: 'JOB', of: ({ typeName }: JobDescription) => typeName },
  { title: 'WHAT', of: ({ sourceName, agentName }: JobDescription) => sourceName ?? agentName },
  { title: 'STATE', of: stateOf },
  { title: 'BEGAN', of: ({ started, due }: JobDescription) => shortTime(started ?? due) },
  {
    title: 'TOOK',
    align: 'right' as const,
    of: ({ elapsedMs }: JobDescription) => (elapsedMs === undefined ? undefined : formatDuration(elapsedMs)),
  },
  { title: 'SENT', align: 'right' as const, of: ({ bytesTransferred }: JobDescription) => formatBytes(bytesTransferred) },
]

function stateOf({ state, waitsFor, error }: JobDescription): string {
  if (waitsFor !== undefined) return `${state} (for ${waitsFor})`
  return error === undefined ? state : `${state} (${error.code})`
}

/** Recent ones are asked for by their beginnings. */
const RECENT = 2000

export async function findJob(api: Api, argument = ''): Promise<JobDescription> {
  if (isId(argument)) return await api.get(`/jobs/${argument}`, jobDescriptionShape)
  return chooseItem(await api.list('/jobs', jobDescriptionShape, {}, RECENT), argument, 'job', ({ id }) => ({ id }))
}

interface ListOptions extends ServerCommandOptions {
  readonly state?: string
  readonly type?: string
  readonly most: number
}

export function addJobList(parent: Command, host: CommandHost): void {
  const about = {
    name: 'list',
    summary: 'list jobs',
    description: 'Lists jobs, the newest first. Times are UTC.',
    options: (command: Command) =>
      command
        .option('--state <state>', 'only those in this state, or in these with commas between them')
        .option('--type <type>', 'only of this type, or of these')
        .option('--most <n>', 'at most so many', parseCount, 50),
    examples: ['terp job list', 'terp job list --state failed'],
  }
  addServerCommand(parent, host, about, async ({ api, output }, { state, type, most }: ListOptions) => {
    showList(output, await api.list('/jobs', jobDescriptionShape, { state, type }, most), COLUMNS, 'no jobs')
    return undefined
  })
}

export function addJobShow(parent: Command, host: CommandHost): void {
  const about = {
    name: 'show',
    summary: 'show a job',
    description: 'Shows one job with its steps, and why it failed or waits.',
    arguments: JOB,
    examples: ['terp job show 3f9a02c4'],
  }
  addServerCommand(parent, host, about, async ({ api, output }, _: ServerCommandOptions, argument) => {
    const job = await api.get(`/jobs/${(await findJob(api, argument)).id}`, jobDetailShape)
    showFacts(output, job, [
      ['job', `${job.typeName} ${job.id}`],
      ['data source', job.sourceName],
      ['group', job.groupName],
      ['agent', job.agentName],
      ['state', stateOf(job)],
      ['began', job.started && formatTime(job.started)],
      ['ended', job.finished && formatTime(job.finished)],
      ['sent', formatBytes(job.bytesTransferred)],
      ['by', job.createdBy],
      ['recovery point', job.pointId],
      [
        'error',
        job.error && `${job.error.message} (${job.error.domainCode === undefined ? '' : `DPM ${job.error.domainCode}, `}${job.error.code})`,
      ],
      ['hint', job.error?.hint],
    ])
    if (output.isJson || job.steps.length === 0) return undefined
    output.print('')
    for (const step of job.steps) output.print(`${formatTime(step.started)}  ${step.state.padEnd(9)}  ${printable(step.name)}`)
    return undefined
  })
}

export function addJobLog(parent: Command, host: CommandHost): void {
  const about = {
    name: 'log',
    summary: 'show the log of a job',
    description: 'Prints the log of a job, the oldest line first. Times are UTC.',
    arguments: JOB,
    examples: ['terp job log 3f9a02c4'],
  }
  addServerCommand(parent, host, about, async ({ api, output }, _: ServerCommandOptions, argument) => {
    const { id } = await findJob(api, argument)
    const lines = await api.list(`/jobs/${id}/log`, logLineShape)
    if (output.isJson) output.printJson(lines)
    else if (lines.length === 0) output.note('the log is empty')
    else for (const line of lines) output.print(textOf(line))
    return undefined
  })
}

type LogLine = (typeof logLineShape)['_output']

function textOf({ at, level, message, item, code }: LogLine): string {
  const about = item === undefined ? '' : `${item}: `
  return `${formatTime(at)}  ${level.padEnd(7)}  ${printable(about + message)}${code === undefined ? '' : ` (${code})`}`
}

function acting(act: 'cancel' | 'retry', summary: string, description: string) {
  return (parent: Command, host: CommandHost): void => {
    const about = { name: act, summary, description, arguments: JOB, examples: [`terp job ${act} 3f9a02c4`] }
    addServerCommand(parent, host, about, async ({ run, api }, _: ServerCommandOptions, argument) => {
      const { id } = await findJob(api, argument)
      const after = await api.send('POST', `/jobs/${id}/${act}`, jobDescriptionShape)
      showDone(run, after, `job ${after.id}: ${stateOf(after)}`)
      return undefined
    })
  }
}

export const addJobCancel = acting(
  'cancel',
  'cancel a job',
  'Cancels a job: at once when it waits, soon when it runs. What was stored is not sent again.',
)
export const addJobRetry = acting('retry', 'start a job again', 'Starts a job again that has failed or was cancelled.')

export function addJobWatch(parent: Command, host: CommandHost): void {
  const about = {
    name: 'watch',
    summary: 'wait for a job',
    description: 'Waits until a job has ended, and shows how far it is. It ends as the job did.',
    arguments: JOB,
    examples: ['terp job watch 3f9a02c4'],
    exits: [3] as const,
    notes:
      'Exit code 0 or 3 (with warnings) where the job is done, 1 where it failed, 130 where it was cancelled. With --json, a line\neach time something changed.',
  }
  addServerCommand(parent, host, about, async (on, _: ServerCommandOptions, argument) => watchJob(on, (await findJob(on.api, argument)).id))
}

const LOOK_EVERY_MS = 1000
const ENDED: Readonly<Record<string, ExitCode>> = {
  completed: EXIT_CODES.ok,
  'completed-with-warnings': EXIT_CODES.warnings,
  failed: EXIT_CODES.failed,
  cancelled: EXIT_CODES.interrupted,
}

/** Also for commands that start one and are told to wait for it. */
export async function watchJob({ run, api, output }: On, id: string): Promise<ExitCode> {
  const { op } = run
  for (let before = ''; ; ) {
    const job = await api.get(`/jobs/${id}`, jobDescriptionShape)
    const text = `${job.typeName} ${shortId(id)}: ${stateOf(job)}, ${formatBytes(job.bytesTransferred)} sent`
    const exit = job.finished === undefined ? undefined : (ENDED[job.state] ?? EXIT_CODES.failed)
    if (output.isJson && text !== before) output.printJson({ message_type: exit === undefined ? 'status' : 'summary', ...job })
    else if (text !== before) output.print(text)
    if (exit !== undefined) {
      if (job.error && !output.isJson) output.note(`${job.error.message}\ncode: ${job.error.code}\nhint: ${job.error.hint}`)
      return exit
    }
    before = text
    await op.clock.sleep(LOOK_EVERY_MS, op.signal)
  }
}
