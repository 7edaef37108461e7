import type { Command } from 'commander'
import { browseFolder, type Entry, openPoint } from '../../archive/index.ts'
import { pathInPoint } from '../arguments.ts'
import { type CommandHost, describe, SECRET_NOTE, withJson, withSecret } from '../command.ts'
import { EXIT_CODES } from '../exit-codes.ts'
import { formatBytes, formatMode, formatTable, formatTime, printable } from '../format.ts'
import { openPool } from '../pool.ts'
import { presentEntry } from '../present.ts'
import type { Run } from '../run.ts'
import type { SecretOptions } from '../secrets.ts'

interface Options extends SecretOptions {
  readonly json?: boolean
}

export function addPoolBrowse(parent: Command, host: CommandHost): void {
  const command = parent
    .command('browse')
    .summary('look into a recovery point')
    .description('Lists what a folder of a recovery point holds. Times are UTC.')
    .argument('<DIR>', 'the pool')
    .argument('<POINT>', 'id of a recovery point, a beginning of it, or latest')
    .argument('[PATH]', 'a folder or file in it', '/')
  withJson(withSecret(command)).action((dir: string, point: string, path: string, options: Options) =>
    host.run(options, (run) => poolBrowse(run, dir, point, path, options)),
  )
  describe(command, {
    notes: SECRET_NOTE,
    examples: ['terp pool browse /backup/pool latest /home/ann --key-file ~/pool.key'],
    exits: [10, 12, 14],
  })
}

async function poolBrowse(run: Run, dir: string, query: string, path: string, options: Options) {
  const { op, output } = run
  const { repository } = await openPool(run, dir, options)
  const point = await repository.findPoint(op, query)
  const entries = await browseFolder(op, await openPoint(op, repository, point), pathInPoint(path))
  if (output.isJson) output.printJson(entries.map(presentEntry))
  else if (entries.length === 0) output.note('an empty folder')
  else output.print(describeEntries(entries))
  return EXIT_CODES.ok
}

export function describeEntries(entries: readonly Entry[]): string {
  const columns = [
    { title: 'MODE' },
    { title: 'OWNER' },
    { title: 'GROUP' },
    { title: 'SIZE', align: 'right' as const },
    { title: 'MODIFIED (UTC)' },
    { title: 'NAME' },
  ]
  const rows = entries.map((entry) => {
    const { name, owner, group, mtime, type, target } = presentEntry(entry)
    const arrow = target === undefined ? '' : ` -> ${printable(target)}`
    return [
      formatMode(type, entry.mode),
      printable(owner),
      printable(group),
      type === 'file' ? formatBytes(entry.sizeBytes) : '',
      mtime === null ? '' : formatTime(mtime),
      `${printable(name)}${type === 'folder' ? '/' : arrow}`,
    ]
  })
  return formatTable(columns, rows)
}
