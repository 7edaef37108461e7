import type { Command } from 'commander'
import { plainText } from '../arguments.ts'
import { type CommandHost, describe, SECRET_NOTE, withJson, withSecret } from '../command.ts'
import { EXIT_CODES } from '../exit-codes.ts'
import { formatCount } from '../format.ts'
import { describePoints, tellDamaged } from '../points.ts'
import { openPool } from '../pool.ts'
import { presentPoint } from '../present.ts'
import type { Run } from '../run.ts'
import type { SecretOptions } from '../secrets.ts'

interface Options extends SecretOptions {
  readonly source?: string
  readonly json?: boolean
}

export function addPoolList(parent: Command, host: CommandHost): void {
  const command = parent
    .command('list')
    .summary('list recovery points')
    .description('Lists the recovery points of the pool, oldest first. Times are UTC.')
    .argument('<DIR>', 'the pool')
    .option('--source <name>', 'only those of this data source')
  withJson(withSecret(command)).action((dir: string, options: Options) => host.run(options, (run) => poolList(run, dir, options)))
  describe(command, {
    notes: SECRET_NOTE,
    examples: ['terp pool list /backup/pool --key-file ~/pool.key'],
    exits: [10, 12, 14],
  })
}

async function poolList(run: Run, dir: string, options: Options) {
  const { op, output } = run
  const { repository } = await openPool(run, dir, options)
  const source = options.source === undefined ? undefined : plainText(options.source, 'the name of the source')
  const { points, damaged } = await repository.listPoints(op, source)
  if (output.isJson) output.printJson(points.map(presentPoint))
  else if (points.length === 0) output.note(damaged.length > 0 ? 'no recovery point that can be read' : 'no recovery points')
  else output.print(`${describePoints(points)}\n${output.dim(formatCount(points.length, 'recovery point'))}`)
  tellDamaged(run, damaged)
  return damaged.length > 0 ? EXIT_CODES.damage : EXIT_CODES.ok
}
