/** How much room backups will need: by the rules of thumb of the domain, before anything is measured. Asks no server. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import { initialCopyHours, isManualCopyAdvised, MACHINE_DISKS, sizeServer } from '../../protection/index.ts'
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
  readonly logs?: number
  readonly systems?: number
  readonly volumes?: number
  readonly machine?: keyof typeof MACHINE_DISKS
  readonly diskSize?: number
  readonly onlinePerDay: number
  readonly keepDaily?: number
  readonly keepWeekly?: number
  readonly keepMonthly?: number
  readonly keepYearly?: number
  readonly restored?: number
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
    .option('--logs <size>', 'logs of databases between two of their full backups', parseSize)
    .option('--systems <n>', 'machines whose system state or bare metal is protected', parseCount)
    .option('--volumes <n>', 'protected volumes', parseCount)
    .addOption(new Option('--machine <size>', 'machine that the server is to run on').choices(Object.keys(MACHINE_DISKS)))
    .option('--disk-size <size>', 'of one disk of that machine (default: 1TB)', parseSize)
    .option('--keep-daily <n>', 'days for which daily points stay in the vault', parseCount)
    .option('--keep-weekly <n>', 'weeks for which weekly points do', parseCount)
    .option('--keep-monthly <n>', 'months for which monthly points do', parseCount)
    .option('--keep-yearly <n>', 'years for which yearly points do', parseCount)
    .option('--online-per-day <n>', 'points a day in the vault', parseCount, 1)
    .option('--restored <size>', 'the most that is restored from the vault at once', parseSize)
    .option('--line <megabits>', 'speed of the line of the first copy, in megabits a second', parseCount)
  withJson(command).action((options: Options) => host.run(options, (run) => sizing(run, options)))
  describe(command, {
    examples: [
      'terp sizing --protected 2TiB --keep-days 14 --online 500GiB --line 100',
      'terp sizing --protected 2TB --machine A2',
      'terp sizing --protected 2TB --online 2TB --online-per-day 2 --keep-daily 180 --keep-weekly 104 --keep-monthly 60 --keep-yearly 10',
    ],
    exits: [],
  })
}

async function sizing({ output }: Run, options: Options) {
  const { protected: protectedBytes, keepDays, perDay, online = 0, line } = options
  const { keepDaily: daily = 0, keepWeekly: weekly = 0, keepMonthly: monthly = 0, keepYearly: yearly = 0 } = options
  const sized = sizeServer({
    protectedBytes,
    retentionDays: keepDays,
    backupsPerDay: perDay,
    onlineBytes: online,
    logBytes: options.logs,
    systems: options.systems,
    volumes: options.volumes,
    machine: options.machine,
    diskBytes: options.diskSize,
    restoredBytes: options.restored,
    onlinePerDay: options.onlinePerDay,
    ...(daily + weekly + monthly + yearly > 0 && { rows: { daily, weekly, monthly, yearly } }),
  })
  const hours = line === undefined ? undefined : initialCopyHours({ sizeBytes: protectedBytes, bitsPerSecond: line * 1e6 })
  const isManual = isManualCopyAdvised({ sizeBytes: protectedBytes, isOverWan: line !== undefined && line < WAN_MEGABITS })
  if (output.isJson) {
    output.printJson({ ...sized, ...(hours !== undefined && { initialCopyHours: hours, isManualCopyAdvised: isManual }) })
    return EXIT_CODES.ok
  }
  const bytes = (value: number) => formatBytes(Math.round(value))
  const tell = (what: string, text: string) => output.print(`${what.padEnd(16)}${text}`)
  const [from, to] = sized.pool.recommended
  tell('pool volume', `at least ${bytes(sized.pool.least)}; ${bytes(from)} to ${bytes(to)} with room to breathe`)
  tell('data source', `${bytes(sized.allocationBytes)} with its recovery points, if it is one`)
  const { points, machine, online: vault } = sized
  const over = points.isOverCap ? `: more than the ${points.cap} of the compatible caps, which allow ${points.longestDays} days` : ''
  tell('points', `${points.onDisk} on disk${over}`)
  if (machine) {
    const enough = machine.isEnough ? '' : ': not enough'
    const { most, recommended } = machine.protectable
    tell(
      `machine ${machine.machine}`,
      `${machine.disks} disks, ${bytes(machine.poolBytes)}; protects ${bytes(recommended)} to ${bytes(most)}${enough}`,
    )
  }
  if (sized.systemBytes) tell('systems', `${bytes(sized.systemBytes.least)} to ${bytes(sized.systemBytes.most)} until the first was made`)
  if (sized.journalBytes !== undefined) tell('journals', `${bytes(sized.journalBytes)} on the protected volumes`)
  if (online > 0) tell('working folder', `at least ${bytes(sized.scratch.least)}, ${bytes(sized.scratch.safe)} to be safe`)
  if (sized.stagingBytes !== undefined) tell('staging', `${bytes(sized.stagingBytes)} where restores from the vault land first`)
  if (vault) {
    const cap = vault.isOverCap ? `: more than the ${vault.cap} of the compatible caps` : ''
    tell('vault', `up to ${vault.points} points${cap}; without pruning ${vault.cap} after ${vault.yearsToCapUnpruned.toFixed(1)} years`)
  }
  if (hours !== undefined) tell('first copy', `${hours.toFixed(1)} hours over this line${isManual ? '; bring it by hand' : ''}`)
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
