import type { Command } from 'commander'
import { toTimestamp } from '../../base/clock.ts'
import { type CommandHost, describe, withJson } from '../command.ts'
import { EXIT_CODES } from '../exit-codes.ts'
import { formatDuration } from '../format.ts'
import type { AgentState } from '../programs.ts'
import type { Run } from '../run.ts'
import { agentFolder } from './agent-enroll.ts'

interface Options {
  readonly data?: string
  readonly acceptUpdates?: boolean
  readonly json?: boolean
}

export function addAgentStart(parent: Command, host: CommandHost): void {
  const command = parent
    .command('start')
    .summary('run the agent of this machine')
    .description(
      'Runs the agent of this machine until it gets SIGTERM or Ctrl-C: it calls its server and does what that asks for. It tells what happens, a line each.',
    )
    .option('--data <folder>', "the agent's data folder (default: /var/lib/terp-agent for root)")
    .option('--accept-updates', 'let the server replace this program, where it runs from a single file (terp agent bundle)')
  withJson(command).action((options: Options) => host.run(options, (run) => agentStart(run, options)))
  describe(command, {
    notes:
      'It waits for a server that is away. It ends by itself only where waiting does not help: the server does not know it\n(12), another process runs with its folder (11), or has taken its place on the server (15).\nWith --accept-updates, whoever administers the server decides what runs here.',
    examples: ['terp agent start', 'terp agent start --data ~/terp-agent'],
    exits: [10, 11, 12, 14, 15],
  })
}

async function agentStart(run: Run, options: Options) {
  const { op, programs, disk } = run
  try {
    await programs.agent.start(op, {
      folder: agentFolder(run, options.data),
      disk,
      acceptsUpdates: options.acceptUpdates === true,
      onState: (state) => tell(run, state),
    })
  } catch (error) {
    // To be stopped is how it ends.
    if (!op.signal.aborted) throw error
  }
  return EXIT_CODES.ok
}

function tell({ op, output }: Run, state: AgentState): void {
  const time = toTimestamp(op.clock.nowMs())
  if (output.isJson) output.printJson({ message_type: 'status', time, ...presentState(state) })
  else output.print(textOf(state))
}

function textOf(state: AgentState): string {
  if (state.kind === 'connected') return 'connected; waiting for work'
  if (state.kind === 'waiting') return `${state.error.message} (${state.error.code}); again in ${formatDuration(state.againInMs)}`
  if (state.kind === 'job') return `${state.what} ${state.jobId} begins`
  if (state.error === undefined) return `${state.what} ${state.jobId} is done`
  return `${state.what} ${state.jobId} failed: ${state.error.message} (${state.error.code})`
}

function presentState(state: AgentState) {
  if (state.kind === 'connected') return { state: 'connected' }
  if (state.kind === 'waiting')
    return { state: 'waiting', code: state.error.code, message: state.error.message, again_in_ms: state.againInMs }
  const about = { job_id: state.jobId, what: state.what }
  if (state.kind === 'job') return { state: 'job', ...about }
  return { state: 'job-ended', ...about, ...(state.error && { code: state.error.code, message: state.error.message }) }
}
