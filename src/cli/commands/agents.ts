/** Agents, as their server knows them. */
import type { Command } from 'commander'
import {
  type AgentDescription,
  agentDescriptionShape,
  createdEnrolmentShape,
  enrolmentDescriptionShape,
  jobDescriptionShape,
} from '../../wire/index.ts'
import { findItem } from '../api/find-item.ts'
import { addServerCommand, FRESH_NOTE, type On, type ServerCommandOptions } from '../api/server-command.ts'
import { shortTime, showDone, showFacts, showList, yesNo } from '../api/show.ts'
import { type CommandHost, parseCount } from '../command.ts'
import { makePrivateFile } from '../files.ts'
import { shortId } from '../present.ts'
import { jobBegan } from './jobs.ts'

const AGENT = [['<AGENT>', 'name, id, or the beginning of an id']] as const

const COLUMNS = [
  { title: 'ID', of: ({ id }: AgentDescription) => shortId(id) },
  { title: 'NAME', of: ({ name }: AgentDescription) => name },
  { title: 'STATE', of: ({ status }: AgentDescription) => status },
  { title: 'VERSION', of: ({ version }: AgentDescription) => version },
  { title: 'LAST SEEN', of: ({ lastSeen }: AgentDescription) => shortTime(lastSeen) },
]

export function addAgentList(parent: Command, host: CommandHost): void {
  const about = {
    name: 'list',
    summary: 'list the agents of a server',
    description: 'Lists the agents of the server.',
    examples: ['terp agent list'],
  }
  addServerCommand(parent, host, about, async ({ api, output }) => {
    showList(output, await api.list('/agents', agentDescriptionShape), COLUMNS, 'no agents; make a token for one with: terp agent token')
    return undefined
  })
}

interface TokenOptions extends ServerCommandOptions {
  readonly name?: string
  readonly hours: number
  readonly out?: string
}

export function addAgentToken(parent: Command, host: CommandHost): void {
  const about = {
    name: 'token',
    summary: 'make a token that enrols an agent',
    description: 'Makes a token with which one machine becomes an agent of the server, once, and prints the line to run there.',
    options: (command: Command) =>
      command
        .option('--name <name>', 'what the agent will be called (default: what it calls itself)')
        .option('--hours <n>', 'good for so long; at most a week', parseCount, 24)
        .option('--out <file>', 'new file for the token, in place of showing it'),
    examples: ['terp agent token --name web-3', 'terp agent token --out /run/terp-token'],
  }
  addServerCommand(parent, host, about, async ({ run, api }, { name, hours, out }: TokenOptions) => {
    const body = { hours, ...(name !== undefined && { name }) }
    const made = await api.send('POST', '/enrolments', createdEnrolmentShape, { body })
    if (out === undefined) {
      showDone(run, made, made.line)
      return undefined
    }
    await makePrivateFile(run.disk, out, `${made.token}\n`, 'the file with the token')
    showDone(run, { enrolment: made.enrolment, file: out }, `the token is in ${out}, good until ${shortTime(made.enrolment.expires)} UTC`)
    return undefined
  })
}

export function addAgentTokens(parent: Command, host: CommandHost): void {
  const about = {
    name: 'tokens',
    summary: 'list tokens that enrol agents',
    description: 'Lists enrolment tokens, the newest first, and who used them.',
    examples: ['terp agent tokens'],
  }
  addServerCommand(parent, host, about, async ({ api, output }) => {
    const tokens = await api.list('/enrolments', enrolmentDescriptionShape)
    const columns = [
      { title: 'ID', of: ({ id }: (typeof tokens)[number]) => shortId(id) },
      { title: 'NAME', of: ({ name }: (typeof tokens)[number]) => name },
      { title: 'EXPIRES', of: ({ expires }: (typeof tokens)[number]) => shortTime(expires) },
      { title: 'USED', of: ({ used }: (typeof tokens)[number]) => shortTime(used) },
      { title: 'REVOKED', of: ({ revoked }: (typeof tokens)[number]) => shortTime(revoked) },
    ]
    showList(output, tokens, columns, 'no tokens')
    return undefined
  })
}

function switching(act: 'enable' | 'disable', summary: string, description: string) {
  return (parent: Command, host: CommandHost): void => {
    const about = { name: act, summary, description, arguments: AGENT, examples: [`terp agent ${act} web-3`] }
    addServerCommand(parent, host, about, async ({ run, api }, _: ServerCommandOptions, agent = '') => {
      const { id } = await findItem(api, '/agents', agentDescriptionShape, agent, 'agent')
      const after = await api.send('POST', `/agents/${id}/${act}`, agentDescriptionShape)
      showDone(run, after, `${after.name}: ${after.status}`)
      return undefined
    })
  }
}

export const addAgentDisable = switching('disable', 'refuse an agent', 'Disables an agent: the server refuses it, and its jobs wait.')
export const addAgentEnable = switching('enable', 'take an agent back', 'Enables an agent again.')

export function addAgentUpdate(parent: Command, host: CommandHost): void {
  const about = {
    name: 'update',
    summary: 'have an agent replace its program',
    description:
      'Starts a job in which an agent takes the newest file of `terp agent bundle --publish` and begins anew with it. Only where that was allowed on its machine, with `terp agent start --accept-updates`.',
    arguments: AGENT,
    options: (command: Command) => command.option('--wait', 'wait until it has ended'),
    examples: ['terp agent update web-3 --wait'],
    notes: FRESH_NOTE,
    exits: [3] as const,
  }
  addServerCommand(parent, host, about, async (on, { wait }: ServerCommandOptions & { readonly wait?: boolean }, agent = '') => {
    const { id } = await findItem(on.api, '/agents', agentDescriptionShape, agent, 'agent')
    const job = await on.api.send('POST', `/agents/${id}/update`, jobDescriptionShape)
    return await jobBegan(on, job.id, job, wait)
  })
}

export function addAgentRemove(parent: Command, host: CommandHost): void {
  const about = {
    name: 'remove',
    summary: 'send an agent away for good',
    description: 'Removes an agent. What it protected must be in no group; its recovery points stay.',
    arguments: AGENT,
    examples: ['terp agent remove web-3'],
    notes: FRESH_NOTE,
  }
  addServerCommand(parent, host, about, async ({ run, api }: On, _: ServerCommandOptions, agent = '') => {
    const { id, name } = await findItem(api, '/agents', agentDescriptionShape, agent, 'agent')
    await api.act('DELETE', `/agents/${id}`)
    showDone(run, { id, name }, `removed the agent ${name}`)
    return undefined
  })
}

export function addAgentShow(parent: Command, host: CommandHost): void {
  const about = {
    name: 'show',
    summary: 'show an agent as its server knows it',
    description: 'Shows one agent: its state and since when, its version and its machine. Times are UTC.',
    arguments: AGENT,
    examples: ['terp agent show web-3'],
  }
  addServerCommand(parent, host, about, async ({ api, output }, _: ServerCommandOptions, argument = '') => {
    const { id } = await findItem(api, '/agents', agentDescriptionShape, argument, 'agent')
    const agent = await api.get(`/agents/${id}`, agentDescriptionShape)
    const { platform = {} } = agent
    showFacts(output, agent, [
      ['agent', `${agent.name} ${agent.id}`],
      ['state', `${agent.status}, since ${shortTime(agent.stateSince)}`],
      ['connected', yesNo(agent.isConnected)],
      ['last seen', shortTime(agent.lastSeen)],
      ['enrolled', shortTime(agent.enrolled)],
      ['version', agent.version],
      ['protocol', agent.protocol],
      ...Object.entries(platform).map(
        ([name, value]) => [name, typeof value === 'object' ? JSON.stringify(value) : String(value)] as const,
      ),
    ])
    return undefined
  })
}

export function addAgentRevokeToken(parent: Command, host: CommandHost): void {
  const about = {
    name: 'revoke-token',
    summary: 'revoke a token that enrols an agent',
    description: 'Revokes an enrolment token that was not used yet: nobody can use it any more.',
    arguments: [['<TOKEN>', 'id as in `terp agent tokens`, the beginning of it, or the name']] as const,
    examples: ['terp agent revoke-token 5d6e7f80'],
  }
  addServerCommand(parent, host, about, async ({ run, api }, _: ServerCommandOptions, argument = '') => {
    const { id } = await findItem(api, '/enrolments', enrolmentDescriptionShape, argument, 'enrolment token')
    await api.act('DELETE', `/enrolments/${id}`)
    showDone(run, { id }, `revoked the enrolment token ${shortId(id)}`)
    return undefined
  })
}
