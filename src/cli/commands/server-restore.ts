import { resolve } from 'node:path'
import type { Command } from 'commander'
import { toTimestamp } from '../../base/clock.ts'
import { plainText } from '../arguments.ts'
import { type CommandHost, describe, SECRET_NOTE, withJson, withSecret } from '../command.ts'
import { EXIT_CODES } from '../exit-codes.ts'
import { formatCount, formatTime } from '../format.ts'
import { findPool } from '../pool.ts'
import type { RestoredServer } from '../programs.ts'
import type { Run } from '../run.ts'
import { getSecret, type SecretOptions } from '../secrets.ts'

interface Options extends SecretOptions {
  readonly from: string
  readonly data: string
  readonly copy?: string
  readonly json?: boolean
}

export function addServerRestore(parent: Command, host: CommandHost): void {
  const command = parent
    .command('restore')
    .summary('rebuild a backup server from a pool')
    .description(
      'Rebuilds the data folder of a backup server from one of its pool volumes: accounts, agents, groups, schedules, keys. The server copies all of that into its pools after each change. The pool is only read. Then start the server on the folder: its agents find it, if it is where they call.',
    )
    .requiredOption('--from <folder>', 'a pool volume of the server')
    .requiredOption('--data <folder>', 'the new data folder; must be empty, or not exist')
    .option('--copy <id>', 'id of another copy than the newest, or its beginning; see terp pool list --source terp-server-configuration')
  withJson(withSecret(command)).action((options: Options) => host.run({ ...options, isLong: true }, (run) => serverRestore(run, options)))
  describe(command, {
    notes: `The 24 words that were shown when the volume was made are given as a file, by --key-file; so is keys/pool-<id>.key of the lost server.\n${SECRET_NOTE}`,
    examples: ['terp server restore --from /backup/pool --data /var/lib/terp-server --key-file ~/recovery-words.txt'],
    exits: [10, 12, 13, 14],
  })
}

async function serverRestore(run: Run, options: Options) {
  const { op, programs, disk, output } = run
  const { folder: poolFolder } = await findPool(op, run, options.from)
  const dataFolder = resolve(plainText(options.data, 'the data folder'))
  const secret = await getSecret(op, run, options, poolFolder)
  const copy = options.copy === undefined ? undefined : plainText(options.copy, 'the copy')
  const restored = await programs.server.restore(op, { disk, poolFolder, secret, dataFolder, copy })
  if (output.isJson) output.printJson(present(restored))
  else tell(run, restored)
  return restored.pools.every(({ isThere }) => isThere) ? EXIT_CODES.ok : EXIT_CODES.warnings
}

function present({ dataFolder, copy, agents, sources, pools }: RestoredServer) {
  return {
    data_folder: dataFolder,
    copy: copy.id,
    finished: toTimestamp(copy.finishedMs),
    agents,
    sources,
    pools: pools.map(({ name, folder, isThere, isMoved }) => ({ name, folder, is_there: isThere, is_moved: isMoved })),
  }
}

function tell({ output }: Run, { dataFolder, copy, agents, sources, pools }: RestoredServer): void {
  const { copy: id, finished } = present({ dataFolder, copy, agents, sources, pools })
  output.print(`rebuilt ${dataFolder} from the copy ${id.slice(0, 8)} of ${formatTime(finished)}`)
  output.print(
    `  knows   ${formatCount(agents, 'agent')}, ${formatCount(sources, 'data source')}, ${formatCount(pools.length, 'pool volume')}`,
  )
  for (const { name, folder, isThere, isMoved } of pools) {
    if (isMoved) output.note(`${name} is at ${folder} now`)
    else if (!isThere) output.note(`${name} is not at ${folder}: mount it there before you start the server`)
  }
  output.note(`start it with: terp server start --data ${dataFolder}`)
}
