import type { Command } from 'commander'
import { type CommandHost, describe, withJson } from '../command.ts'
import { cliError } from '../errors.ts'
import { EXIT_CODES } from '../exit-codes.ts'
import { errnoOf } from '../files.ts'
import { formatTime, printable } from '../format.ts'
import type { Run } from '../run.ts'
import { agentFolder } from './agent-enroll.ts'

interface Options {
  readonly data?: string
  readonly json?: boolean
}

export function addAgentStatus(parent: Command, host: CommandHost): void {
  const command = parent
    .command('status')
    .summary('show the agent of this machine')
    .description('Shows which server this machine is an agent of, whether the agent runs, and what it did last.')
    .option('--data <folder>', "the agent's data folder (default: /var/lib/terp-agent for root)")
  withJson(command).action((options: Options) => host.run(options, (run) => agentStatus(run, options)))
  describe(command, { examples: ['terp agent status'], exits: [10, 14] })
}

async function agentStatus(run: Run, options: Options) {
  const { programs, disk, output } = run
  const folder = agentFolder(run, options.data)
  const agent = await programs.agent.describe(folder, disk).catch((cause: unknown) => {
    if (errnoOf(cause) !== 'EACCES' && errnoOf(cause) !== 'EPERM') throw cause
    throw cliError('FILE_UNREADABLE', `${folder} can not be read`, { cause, context: { path: folder } })
  })
  const { agentId, name, url, serverId, isRunning, last } = agent
  if (output.isJson) {
    output.printJson({ agent_id: agentId, name, server: url, server_id: serverId, folder, is_running: isRunning, last: last ?? null })
    return EXIT_CODES.ok
  }
  output.print(`agent    ${printable(name)} (${agentId})`)
  output.print(`server   ${printable(url)}`)
  output.print(`folder   ${folder}`)
  output.print(`running  ${isRunning ? 'yes' : 'no'}`)
  if (last) output.print(`last     ${formatTime(last.at)} UTC  ${last.state}: ${printable(last.text)}`)
  return EXIT_CODES.ok
}
