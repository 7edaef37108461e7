import { resolve } from 'node:path'
import type { Command } from 'commander'
import { storageError } from '../../storage/index.ts'
import { plainText } from '../arguments.ts'
import { type CommandHost, describe, withJson } from '../command.ts'
import { cliError } from '../errors.ts'
import { EXIT_CODES } from '../exit-codes.ts'
import { namesIn } from '../files.ts'
import { formatBytes } from '../format.ts'
import type { Run } from '../run.ts'

interface Options {
  readonly data?: string
  readonly json?: boolean
}

/** Most of what lies there at one time: the objects of the disk's part, or source, pool and target of the trial. */
const NEEDED_BYTES = 1.5 * 2 ** 30

export function addBench(parent: Command, host: CommandHost): void {
  const command = parent
    .command('bench')
    .summary('measure this machine')
    .description('Measures what a backup is made of on this machine, and says what limits one: half a minute at most.')
    .option('--data <folder>', 'a folder on the disk to measure (default: the working folder)')
  withJson(command).action((options: Options) => host.run(options, (run) => bench(run, options)))
  describe(command, {
    notes: 'Works in a new folder below that one, which needs 1.5 GiB of free space, and leaves nothing behind.',
    examples: ['terp bench --data /backup'],
    exits: [10, 15],
  })
}

async function bench(run: Run, options: Options) {
  const { op, output } = run
  const folder = resolve(plainText(options.data ?? '.', 'the folder'))
  if (namesIn(folder) === undefined) throw cliError('FILE_NOT_FOUND', `the folder ${folder} does not exist`, { context: { path: folder } })
  await checkRoom(run, folder)
  const [{ USUAL_EFFORTS }, { measureAll }, { describeBench, presentBench }, { suggest }] = await Promise.all([
    import('../bench/efforts.ts'),
    import('../bench/measure-all.ts'),
    import('../bench/present.ts'),
    import('../bench/suggest.ts'),
  ])
  const startMs = op.clock.monotonicMs()
  const measures = await measureAll(run, folder, USUAL_EFFORTS)
  const report = { folder, measures, suggestions: suggest(measures), durationMs: op.clock.monotonicMs() - startMs }
  if (output.isJson) output.printJson(presentBench(report))
  else output.print(describeBench(output, report))
  return EXIT_CODES.ok
}

async function checkRoom(run: Run, folder: string): Promise<void> {
  const free = await run.disk.freeBytes(folder)
  if (free >= NEEDED_BYTES) return
  const message = `the disk of ${folder} has ${formatBytes(free)} left, ${formatBytes(NEEDED_BYTES)} are needed`
  throw storageError('STORAGE_FULL', message, { hint: 'Give a folder on another disk with --data.', context: { folder, free_bytes: free } })
}
