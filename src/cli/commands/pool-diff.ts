import type { Command } from 'commander'
import { comparePoints, openPoint } from '../../archive/index.ts'
import { type CommandHost, describe, SECRET_NOTE, withJson, withSecret } from '../command.ts'
import { EXIT_CODES } from '../exit-codes.ts'
import { formatCount, printable } from '../format.ts'
import { openPool } from '../pool.ts'
import { type DifferenceLists, sortDifference } from '../present.ts'
import type { Run } from '../run.ts'
import type { SecretOptions } from '../secrets.ts'

interface Options extends SecretOptions {
  readonly json?: boolean
}

export function addPoolDiff(parent: Command, host: CommandHost): void {
  const command = parent
    .command('diff')
    .summary('compare two recovery points')
    .description('Prints what the second recovery point has more (+), has not any more (-), and has otherwise (M) than the first.')
    .argument('<DIR>', 'the pool')
    .argument('<POINT>', 'the earlier recovery point')
    .argument('<POINT>', 'the later one')
  withJson(withSecret(command)).action((dir: string, first: string, second: string, options: Options) =>
    host.run(options, (run) => poolDiff(run, dir, first, second, options)),
  )
  describe(command, {
    notes: `M is followed by what differs: content, metadata or type.\n${SECRET_NOTE}`,
    examples: ['terp pool diff /backup/pool 3fa1 latest --key-file ~/pool.key'],
    exits: [10, 12, 14],
  })
}

async function poolDiff(run: Run, dir: string, first: string, second: string, options: Options) {
  const { op, output } = run
  const { repository } = await openPool(run, dir, options)
  const before = await repository.findPoint(op, first)
  const after = await repository.findPoint(op, second)
  const index = (await repository.loadIndex(op)).index
  const [a, b] = [await openPoint(op, repository, before, index), await openPoint(op, repository, after, index)]
  const counts = { added: 0, removed: 0, changed: 0 }
  const lists: DifferenceLists = { added: [], removed: [], changed: [] }
  for await (const difference of comparePoints(op, a, b)) {
    const { change } = difference
    counts[change === 'added' || change === 'removed' ? change : 'changed']++
    if (output.isJson) sortDifference(lists, difference)
    else output.print(lineOf(change, printable(difference.path)))
  }
  if (output.isJson) {
    const totals = { added_count: counts.added, removed_count: counts.removed, changed_count: counts.changed }
    output.printJson({ before: before.id, after: after.id, ...lists, ...totals })
  } else {
    output.note(`${formatCount(counts.added, 'entry', 'entries')} added, ${counts.removed} removed, ${counts.changed} changed`)
  }
  return EXIT_CODES.ok
}

function lineOf(change: string, path: string): string {
  if (change === 'added') return `+ ${path}`
  return change === 'removed' ? `- ${path}` : `M ${path}  (${change})`
}
