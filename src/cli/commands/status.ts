/** What could be restored now, and what is wrong. */
import type { Command } from 'commander'
import type { z } from 'zod'
import {
  gateStateShape,
  type SearchHit,
  type SourceStatus,
  searchAnswerShape,
  setupStateShape,
  sourceDescriptionShape,
  statusShape,
} from '../../wire/index.ts'
import { findItem } from '../api/find-item.ts'
import { addServerCommand, type ServerCommandOptions } from '../api/server-command.ts'
import { shortTime, showFacts, showList, yesNo } from '../api/show.ts'
import { plainText } from '../arguments.ts'
import { type CommandHost, parseCount } from '../command.ts'
import { EXIT_CODES } from '../exit-codes.ts'
import { formatBytes, formatCount, formatDuration, formatTable, printable } from '../format.ts'
import { shortId } from '../present.ts'

export function addStatus(parent: Command, host: CommandHost): void {
  const about = {
    name: 'status',
    summary: 'show what could be restored now',
    description:
      'Shows of each data source the newest moment that can be restored, what would be lost now, and why it is not well. Times are UTC.',
    examples: ['terp status'],
    exits: [3] as const,
    notes: 'Exit code 0 where all is well, 3 where something is not.',
  }
  addServerCommand(parent, host, about, async ({ api, output }) => {
    const status = await api.get('/status', statusShape)
    const exit = status.isGreen ? EXIT_CODES.ok : EXIT_CODES.warnings
    if (output.isJson) {
      output.printJson(status)
      return exit
    }
    const { sources, agents, jobs, alerts, pools, frozen } = status
    if (sources.length > 0) output.print(`${formatTable(COLUMNS, sources.map(rowOf))}\n`)
    for (const { source, reasons } of sources) for (const reason of reasons) output.print(`${printable(source.name)}: ${printable(reason)}`)
    if (frozen !== undefined) output.print(`nothing expires: ${printable(frozen)}`)
    for (const { name, usedBytes, freeBytes } of pools) {
      output.print(`pool volume ${printable(name)}: ${formatBytes(usedBytes)} used, ${formatBytes(freeBytes)} free`)
    }
    output.print(
      `${agents.connected} of ${formatCount(agents.total, 'agent')} connected; ${jobs.running} jobs run, ${jobs.waiting} wait; ${alerts.critical} critical and ${alerts.warning} warning alerts`,
    )
    output.print(status.isGreen ? 'all is well' : 'not all is well')
    return exit
  })
}

const COLUMNS = [
  { title: 'DATA SOURCE' },
  { title: 'WELL' },
  { title: 'RESTORABLE TO' },
  { title: 'AT RISK' },
  { title: 'VERIFIED' },
  { title: 'NEXT' },
]

function rowOf({ source, isGreen, newestRestorable, atRiskMs, lastVerified, next }: SourceStatus): string[] {
  const atRisk = atRiskMs === undefined ? '' : formatDuration(atRiskMs)
  return [printable(source.name), yesNo(isGreen), shortTime(newestRestorable), atRisk, shortTime(lastVerified), shortTime(next)]
}

export function addCloudStatus(parent: Command, host: CommandHost): void {
  const about = {
    name: 'status',
    summary: 'show whether the vault can be reached',
    description: 'Shows whether the vault can be reached, what may run, and until when.',
    examples: ['terp cloud status'],
  }
  addServerCommand(parent, host, about, async ({ api, output }) => {
    const state = await api.get('/cloud/status', gateStateShape)
    const verdict = ({ isAllowed, message }: z.output<typeof gateStateShape>['backupDisk']) =>
      `${isAllowed ? 'allowed' : 'refused'}${message === undefined ? '' : `: ${message}`}`
    showFacts(output, state, [
      [
        'vault',
        state.registration.vault === undefined ? state.registration.state : `${state.registration.vault}: ${state.registration.state}`,
      ],
      ['connection', state.connection],
      ['subscription', state.subscription],
      ['connected', state.isConnected ? 'True' : 'False'],
      ['until', state.countdown && `${shortTime(state.countdown.ends)} UTC: ${state.countdown.message}`],
      ['backup to disk', verdict(state.backupDisk)],
      ['backup to the vault', verdict(state.backupCloud)],
      ['recovery from disk', verdict(state.restoreDisk)],
      ['recovery from the vault', verdict(state.restoreCloud)],
    ])
    return undefined
  })
}

/** Under the name by which people of DPM know it: True or False. */
export function addCloudConnection(parent: Command, host: CommandHost): void {
  const about = {
    name: 'Get-DPMCloudConnection',
    summary: 'True where the vault can be reached',
    description: 'Prints True where the vault can be reached, and False where it can not.',
    examples: ['terp Get-DPMCloudConnection'],
    isHidden: true,
  }
  addServerCommand(parent, host, about, async ({ api, output }) => {
    const { isConnected } = await api.get('/cloud/status', gateStateShape)
    if (output.isJson) output.printJson({ isConnected })
    else output.print(isConnected ? 'True' : 'False')
    return undefined
  })
}

interface SearchOptions extends ServerCommandOptions {
  readonly source?: string
  readonly below?: string
  readonly most: number
}

export function addSearch(parent: Command, host: CommandHost): void {
  const about = {
    name: 'search',
    summary: 'find files in recovery points',
    description: 'Finds files and folders by a part of their name, or with * and ? by the whole name, over all recovery points.',
    arguments: [['<NAME>', 'what is searched for']] as const,
    options: (command: Command) =>
      command
        .option('--source <source>', 'only in this data source')
        .option('--below <folder>', 'only in this folder, or anywhere below it')
        .option('--most <n>', 'at most so many', parseCount, 250),
    examples: ["terp search 'invoice-*.pdf'"],
  }
  addServerCommand(parent, host, about, async ({ api, output }, { source, below, most }: SearchOptions, name = '') => {
    const sourceId = source === undefined ? undefined : (await findItem(api, '/sources', sourceDescriptionShape, source, 'data source')).id
    const hits: SearchHit[] = []
    let pending = 0
    for (let cursor: string | undefined; ; ) {
      const query = { name: plainText(name, 'the name'), sourceId, below, limit: Math.min(1000, most - hits.length), cursor }
      const page = await api.get('/search', searchAnswerShape, query)
      hits.push(...page.items)
      pending = page.pending.length
      cursor = page.next
      if (cursor === undefined || hits.length >= most) break
    }
    const columns = [
      { title: 'TYPE', of: ({ kind }: SearchHit) => kind },
      { title: 'FIRST SEEN', of: ({ first }: SearchHit) => shortTime(first) },
      { title: 'LAST SEEN', of: ({ last, isThere }: SearchHit) => (isThere ? 'still there' : shortTime(last)) },
      { title: 'POINTS', align: 'right' as const, of: ({ points }: SearchHit) => points },
      { title: 'NEWEST POINT', of: ({ pointId }: SearchHit) => shortId(pointId) },
      { title: 'PATH', of: ({ text }: SearchHit) => text },
    ]
    showList(output, hits, columns, 'nothing found')
    if (pending > 0) output.note(`the newest recovery points of ${formatCount(pending, 'data source')} are still being read`)
    return undefined
  })
}

export function addServerSetup(parent: Command, host: CommandHost): void {
  const about = {
    name: 'setup',
    summary: 'show whether a server has its first account',
    description: 'Shows whether the first account of the server was made. `terp login` makes it.',
    examples: ['terp server setup'],
  }
  addServerCommand(parent, host, about, async ({ api, output }) => {
    const { isDone } = await api.get('/setup', setupStateShape)
    if (output.isJson) output.printJson({ isDone })
    else output.print(isDone ? 'the first account was made' : 'there is no account yet; make it with: terp login')
    return undefined
  })
}
