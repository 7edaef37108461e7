/** The audit log of a server. */
import type { Command } from 'commander'
import { InvalidArgumentError } from 'commander'
import { type AuditDescription, auditEntryShape, auditVerdictShape } from '../../wire/index.ts'
import { SERVER_EXITS, type ServerOptions, withApi, withServer } from '../api/connect.ts'
import { showDone, showList } from '../api/show.ts'
import { type CommandHost, describe, parseCount, parseTime, withJson } from '../command.ts'
import { EXIT_CODES } from '../exit-codes.ts'
import { formatCount, formatTime } from '../format.ts'
import type { Run } from '../run.ts'

interface ListOptions extends ServerOptions {
  readonly action?: string
  readonly from?: string
  readonly until?: string
  readonly most: number
  readonly json?: boolean
}

export function addAuditList(parent: Command, host: CommandHost): void {
  const command = parent
    .command('list')
    .summary('list what was done')
    .description('Lists who did what, the newest first. Times are UTC.')
    .option('--action <name>', 'only this, such as account.create')
    .option('--from <time>', 'from then on', parseTime)
    .option('--until <time>', 'until then', parseTime)
    .option('--most <n>', 'at most so many', parseCount, 100)
  withJson(withServer(command)).action((options: ListOptions) => host.run(options, (run) => auditList(run, options)))
  describe(command, { examples: ['terp audit list --from 2026-11-22'], exits: SERVER_EXITS })
}

const COLUMNS = [
  { title: 'TIME', of: ({ at }: AuditDescription) => formatTime(at) },
  { title: 'WHO', of: ({ actor }: AuditDescription) => actor.name || actor.kind },
  { title: 'ACTION', of: ({ action }: AuditDescription) => action },
  { title: 'OUTCOME', of: ({ outcome }: AuditDescription) => outcome },
  { title: 'SUBJECT', of: ({ subject }: AuditDescription) => [subject.kind, subject.id].filter(Boolean).join(' ') },
  { title: 'FROM', of: ({ address }: AuditDescription) => address },
]

async function auditList(run: Run, options: ListOptions) {
  const { action, from, until, most } = options
  const entries = await withApi(run, options, (api) => api.list('/audit', auditEntryShape, { action, from, until }, most))
  showList(run.output, entries, COLUMNS, 'nothing')
  return EXIT_CODES.ok
}

interface Anchor {
  readonly sequence: number
  readonly sha256: string
}

interface VerifyOptions extends ServerOptions {
  readonly anchor?: Anchor
  readonly json?: boolean
}

export function addAuditVerify(parent: Command, host: CommandHost): void {
  const command = parent
    .command('verify')
    .summary('verify the audit log')
    .description(
      'Checks that every entry of the audit log is as it was written; with an anchor that was noted earlier, also that the end is still there.',
    )
    .option('--anchor <sequence:sha256>', 'the head that an earlier run printed', parseAnchor)
  withJson(withServer(command)).action((options: VerifyOptions) => host.run(options, (run) => auditVerify(run, options)))
  describe(command, { examples: ['terp audit verify', 'terp audit verify --anchor 1204:9f8e...'], exits: [...SERVER_EXITS, 14] })
}

async function auditVerify(run: Run, options: VerifyOptions) {
  const { anchor } = options
  const verdict = await withApi(run, options, (api) =>
    api.send('POST', '/audit/verify', auditVerdictShape, { body: { ...(anchor && { anchor }) } }),
  )
  const { entries, head, broken } = verdict
  const text = broken
    ? `broken at entry ${broken.sequence}: ${broken.why}`
    : `${formatCount(entries, 'entry', 'entries')}, all as written; head ${head.sequence}:${head.sha256}`
  showDone(run, verdict, text)
  return broken ? EXIT_CODES.damage : EXIT_CODES.ok
}

function parseAnchor(text: string): Anchor {
  const match = /^(\d{1,15}):([0-9a-f]{64})$/.exec(text)
  if (!match) throw new InvalidArgumentError('It is SEQUENCE:SHA256, as an earlier run printed it.')
  return { sequence: Number(match[1]), sha256: match[2] as string }
}
