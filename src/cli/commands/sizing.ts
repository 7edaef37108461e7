/** How much room backups will need: by the rules of thumb of the domain, before anything is measured. Asks no server. */
import { type Command, InvalidArgumentError } from 'commander'
import { initialCopyHours, isManualCopyAdvised, sizeServer } from '../../protection/index.ts'
import { type CommandHost, describe, parseCount, withJson } from '../command.ts'
import { EXIT_CODES } from '../exit-codes.ts'
import { formatBytes } from '../format.ts'
import type { Run } from '../run.ts'

interface Options {
  readonly protected: number
  readonly keepDays: number
  readonly perDay: number
  readonly online?: number
  readonly line?: number
  readonly json?: boolean
}

export function addSizing(parent: Command, host: CommandHost): void {
  const command = parent
    .command('sizing')
    .summary('reckon how much room is needed')
    .description('Reckons how much room backups will need, by rules of thumb, before anything is measured. Asks no server.')
    .requiredOption('--protected <size>', 'how much there is to protect, as 500GB or 2TiB', parseSize)
    .option('--keep-days <n>', 'how long recovery points are kept', parseCount, 5)
    .option('--per-day <n>', 'how many are made a day', parseCount, 3)
    .option('--online <size>', 'how much of it gets a second copy in a vault (default: nothing)', parseSize)
    .option('--line <megabits>', 'speed of the line of the first copy, in megabits a second', parseCount)
  withJson(command).action((options: Options) => host.run(options, (run) => sizing(run, options)))
  describe(command, { examples: ['terp sizing --protected 2TiB --keep-days 14 --online 500GiB --line 100'], exits: [] })
}

async function sizing({ output }: Run, options: Options) {
  const { protected: protectedBytes, keepDays, perDay, online = 0, line } = options
  const sized = sizeServer({ protectedBytes, retentionDays: keepDays, backupsPerDay: perDay, onlineBytes: online })
  const hours = line === undefined ? undefined : initialCopyHours({ sizeBytes: protectedBytes, bitsPerSecond: line * 1e6 })
  const isManual = isManualCopyAdvised({ sizeBytes: protectedBytes, isOverWan: line !== undefined && line < WAN_MEGABITS })
  if (output.isJson) {
    output.printJson({ ...sized, ...(hours !== undefined && { initialCopyHours: hours, isManualCopyAdvised: isManual }) })
    return EXIT_CODES.ok
  }
  const bytes = (value: number) => formatBytes(Math.round(value))
  const [from, to] = sized.pool.recommended
  output.print(`pool volume     at least ${bytes(sized.pool.least)}; ${bytes(from)} to ${bytes(to)} with room to breathe`)
  output.print(`data source     ${bytes(sized.allocationBytes)} with its recovery points, if it is one`)
  if (online > 0) output.print(`working folder  at least ${bytes(sized.scratch.least)}, ${bytes(sized.scratch.safe)} to be safe`)
  if (hours !== undefined) output.print(`first copy      ${hours.toFixed(1)} hours over this line${isManual ? '; bring it by hand' : ''}`)
  return EXIT_CODES.ok
}

/** Slower than a local network ever is. */
const WAN_MEGABITS = 100

const UNITS: Readonly<Record<string, number>> = { B: 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3, T: 1024 ** 4, P: 1024 ** 5 }

function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*(?:([KMGTP])(i?)B?|B)?$/i.exec(text)
  if (!match) throw new InvalidArgumentError('It is a size such as 500GB or 2TiB.')
  const [, number = '', letter = 'B', isBinary = 'i'] = match
  const unit = letter.toUpperCase()
  // GB as disks are sold, GiB as memory is; a bare G is a GiB.
  const isDecimal = isBinary === '' && /B$/i.test(text) && unit !== 'B'
  const factor = isDecimal ? 1000 ** ('KMGTP'.indexOf(unit) + 1) : (UNITS[unit] as number)
  const bytes = Math.round(Number(number) * factor)
  if (!Number.isSafeInteger(bytes) || bytes <= 0) throw new InvalidArgumentError('It is larger than any disk, or nothing.')
  return bytes
}
