/** Acts that wait for a second person. */
import type { Command } from 'commander'
import { type ApprovalDescription, approvalDoneShape, approvalShape } from '../../wire/index.ts'
import type { Api } from '../api/api.ts'
import { chooseItem, isId } from '../api/find-item.ts'
import { addServerCommand, FRESH_NOTE, type ServerCommandOptions } from '../api/server-command.ts'
import { shortTime, showDone, showFacts, showList } from '../api/show.ts'
import { type CommandHost, parseCount } from '../command.ts'
import { shortId } from '../present.ts'

const APPROVAL = [['<APPROVAL>', 'id, or the beginning of it']] as const
/** Those that can be meant by the beginning of an id. */
const RECENT = 500

async function findApproval(api: Api, argument = ''): Promise<ApprovalDescription> {
  if (isId(argument)) return await api.get(`/approvals/${argument}`, approvalShape)
  return chooseItem(await api.list('/approvals', approvalShape, {}, RECENT), argument, 'act that waits', ({ id }) => ({ id }))
}

interface ListOptions extends ServerCommandOptions {
  readonly all?: boolean
  readonly most: number
}

export function addApprovalList(parent: Command, host: CommandHost): void {
  const about = {
    name: 'list',
    summary: 'list what waits for a second person',
    description: 'Lists the acts that wait for a second person, the newest first. Times are UTC.',
    options: (command: Command) =>
      command.option('--all', 'also those that were decided').option('--most <n>', 'at most so many', parseCount, 100),
    examples: ['terp approval list', 'terp approval list --all'],
  }
  addServerCommand(parent, host, about, async ({ api, output }, { all, most }: ListOptions) => {
    const columns = [
      { title: 'ID', of: ({ id }: ApprovalDescription) => shortId(id) },
      { title: 'ASKED', of: ({ requested }: ApprovalDescription) => shortTime(requested) },
      { title: 'BY', of: ({ requestedBy }: ApprovalDescription) => requestedBy.name },
      { title: 'STATE', of: ({ state }: ApprovalDescription) => state },
      { title: 'UNTIL', of: ({ expires }: ApprovalDescription) => shortTime(expires) },
      { title: 'ACT', of: ({ summary }: ApprovalDescription) => summary },
    ]
    const query = all === true ? {} : { waiting: true }
    showList(output, await api.list('/approvals', approvalShape, query, most), columns, 'nothing waits for a second person')
    return undefined
  })
}

export function addApprovalShow(parent: Command, host: CommandHost): void {
  const about = {
    name: 'show',
    summary: 'show what exactly waits',
    description: 'Shows an act that waits for a second person, with all that it would do.',
    arguments: APPROVAL,
    examples: ['terp approval show 5d6e7f80'],
  }
  addServerCommand(parent, host, about, async ({ api, output }, _: ServerCommandOptions, argument) => {
    const approval = await findApproval(api, argument)
    const { params, query, body } = approval.request
    showFacts(output, approval, [
      ['act', `${approval.act}: ${approval.summary}`],
      ['asked', `${shortTime(approval.requested)} UTC by ${approval.requestedBy.name}`],
      ['state', approval.state],
      ['until', `${shortTime(approval.expires)} UTC`],
      ['of', params === undefined ? undefined : JSON.stringify(params)],
      ['with', query === undefined ? undefined : JSON.stringify(query)],
      ['what', body === undefined ? undefined : JSON.stringify(body)],
      ['decided', approval.decided && `${shortTime(approval.decided)} UTC by ${approval.decidedBy?.name ?? ''}`],
      ['reason', approval.reason],
      ['failed with', approval.failureCode],
    ])
    return undefined
  })
}

export function addApprovalApprove(parent: Command, host: CommandHost): void {
  const about = {
    name: 'approve',
    summary: 'agree, and have it done',
    description: 'Agrees to an act that somebody else asked for, and has it done. What the act itself answers is shown.',
    arguments: APPROVAL,
    examples: ['terp approval approve 5d6e7f80'],
    notes: FRESH_NOTE,
  }
  addServerCommand(parent, host, about, async ({ run, api }, _: ServerCommandOptions, argument) => {
    const { id } = await findApproval(api, argument)
    const done = await api.send('POST', `/approvals/${id}/approve`, approvalDoneShape)
    const result = done.result === undefined ? '' : `; ${JSON.stringify(done.result)}`
    showDone(run, done, `${done.approval.act} of ${done.approval.requestedBy.name}: ${done.approval.state}${result}`)
    return undefined
  })
}

interface RefuseOptions extends ServerCommandOptions {
  readonly reason?: string
}

export function addApprovalRefuse(parent: Command, host: CommandHost): void {
  const about = {
    name: 'refuse',
    summary: 'refuse it, or take it back',
    description: 'Refuses an act that waits; who asked for it takes it back with this.',
    arguments: APPROVAL,
    options: (command: Command) => command.option('--reason <text>', 'why'),
    examples: ['terp approval refuse 5d6e7f80 --reason "not before the audit"'],
    notes: FRESH_NOTE,
  }
  addServerCommand(parent, host, about, async ({ run, api }, { reason }: RefuseOptions, argument) => {
    const { id } = await findApproval(api, argument)
    const body = reason === undefined ? {} : { reason }
    const after = await api.send('POST', `/approvals/${id}/refuse`, approvalShape, { body })
    showDone(run, after, `refused: ${after.act} of ${after.requestedBy.name}`)
    return undefined
  })
}
