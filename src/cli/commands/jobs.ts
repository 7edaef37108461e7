/** Jobs of a server: what runs, ran, and will run. */
import type { Command } from 'commander'
import { z } from 'zod'
import { type JobDescription, jobDescriptionShape, jobDetailShape, logLineShape } from '../../wire/index.ts'
import type { Api } from '../api/api.ts'
import { listen } from '../api/events.ts'
import { chooseItem, isId } from '../api/find-item.ts'
import { queryOf } from '../api/saved-filters.ts'
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
    of: ({ started, elapsedMs }: JobDescription) =>
      started === undefined || elapsedMs === undefined ? undefined : formatDuration(elapsedMs),
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
  readonly filter?: string
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
        .option('--filter <name>', 'as this saved filter says')
        .option('--most <n>', 'at most so many', parseCount, 50),
    examples: ['terp job list', 'terp job list --state failed'],
  }
  addServerCommand(parent, host, about, async ({ api, output }, { state, type, filter, most }: ListOptions) => {
    const query = { ...(await queryOf(api, filter, 'jobs')), ...(state !== undefined && { state }), ...(type !== undefined && { type }) }
    showList(output, await api.list('/jobs', jobDescriptionShape, query, most), COLUMNS, 'no jobs')
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
      ['by', isId(job.createdBy) ? shortId(job.createdBy) : job.createdBy],
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
      'Exit code 0 or 3 (with warnings) where the job is done, 1 where it failed, 130 where it was cancelled. With --json, a line\neach time something changed: `status` and `progress`, and `summary` at the end.',
  }
  addServerCommand(parent, host, about, async (on, _: ServerCommandOptions, argument) => watchJob(on, (await findJob(on.api, argument)).id))
}

/** For commands that start one. */
export async function jobBegan(on: On, id: string, document: object, wait: boolean | undefined): Promise<ExitCode | undefined> {
  if (wait === true) return await watchJob(on, id)
  showDone(on.run, document, `job ${shortId(id)} began; see it with: terp job watch ${shortId(id)}`)
  return undefined
}

const ENDED: Readonly<Record<string, ExitCode>> = {
  completed: EXIT_CODES.ok,
  'completed-with-warnings': EXIT_CODES.warnings,
  failed: EXIT_CODES.failed,
  cancelled: EXIT_CODES.interrupted,
}

/** Of a live event, as far as it is needed here: the rest is asked for when something is to be told. */
const liveShape = z.object({ id: z.string(), state: z.string(), progress: z.record(z.string(), z.unknown()).optional() }).loose()

/** Also for commands that start one and are told to wait for it. */
export async function watchJob(on: On, id: string): Promise<ExitCode> {
  const { run, api } = on
  const teller = new Teller(on, id)
  const look = async () => teller.tell(await api.get(`/jobs/${id}`, jobDescriptionShape))
  const first = await look()
  if (first !== undefined) return first
  for await (const { event, data } of listen(run.op, api, ['job'])) {
    // What happened before the stream began, or during a break, is only in the list.
    if (event === 'again' || event === 'reset') {
      const exit = await look()
      if (exit !== undefined) return exit
      continue
    }
    const live = liveShape.safeParse(data).data
    if (event !== 'job' || live?.id !== id) continue
    if (teller.isSame(live.state)) teller.progress(live.progress ?? {})
    else {
      const exit = await look()
      if (exit !== undefined) return exit
    }
  }
  throw new Error('the stream of events never ends by itself')
}

/** A line each time that something changed; how far it is, in the last line of a terminal. */
class Teller {
  readonly #on: On
  readonly #id: string
  #state = ''
  #name = ''
  #before = ''

  constructor(on: On, id: string) {
    this.#on = on
    this.#id = id
  }

  isSame(state: string): boolean {
    return state === this.#state
  }

  /** The exit code where it has ended. */
  tell(job: JobDescription): ExitCode | undefined {
    const { output } = this.#on
    this.#state = job.state
    this.#name = job.typeName
    const exit = job.finished === undefined ? undefined : (ENDED[job.state] ?? EXIT_CODES.failed)
    const text = `${job.typeName} ${shortId(this.#id)}: ${stateOf(job)}${job.bytesTransferred > 0 ? `, ${formatBytes(job.bytesTransferred)} sent` : ''}`
    if (text !== this.#before) {
      if (output.isJson) output.printJson({ message_type: exit === undefined ? 'status' : 'summary', ...job })
      else output.print(text)
    }
    this.#before = text
    if (exit !== undefined && job.error && !output.isJson) {
      output.note(`${job.error.message}\ncode: ${job.error.code}\nhint: ${job.error.hint}`)
    }
    return exit
  }

  progress(progress: Readonly<Record<string, unknown>>): void {
    const { output } = this.#on
    if (output.isJson) {
      output.printJson({ message_type: 'progress', id: this.#id, ...progress })
      return
    }
    if (output.streams.isErrTerminal) output.streams.live(`${this.#name} ${shortId(this.#id)}: ${textOfProgress(progress)}`)
  }
}

function textOfProgress(progress: Readonly<Record<string, unknown>>): string {
  const number = (name: string) => (typeof progress[name] === 'number' ? (progress[name] as number) : undefined)
  const [bytes, total, rate, left] = [number('bytesDone'), number('bytesTotal'), number('bytesPerSecond'), number('remainingMs')]
  const parts = [
    typeof progress.phase === 'string' ? printable(progress.phase) : undefined,
    bytes === undefined ? undefined : `${formatBytes(bytes)}${total === undefined ? '' : ` of ${formatBytes(total)}`}`,
    rate === undefined ? undefined : `${formatBytes(rate)}/s`,
    left === undefined ? undefined : `${formatDuration(left)} left`,
  ]
  return parts.filter((part) => part !== undefined).join(', ')
}
