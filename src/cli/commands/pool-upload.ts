import type { Command } from 'commander'
import { type UploadReport, uploadPoint } from '../../archive/index.ts'
import { asSession } from '../../repository/index.ts'
import { type CommandHost, describe, SECRET_NOTE, withJson, withSecret } from '../command.ts'
import { EXIT_CODES } from '../exit-codes.ts'
import { formatBytes, formatCount, formatDuration } from '../format.ts'
import { lockUpload, type OpenPool, openPool } from '../pool.ts'
import { presentUpload, shortId } from '../present.ts'
import type { Run } from '../run.ts'
import type { SecretOptions } from '../secrets.ts'
import { type OpenVaultCopy, openVaultCopy } from '../vault-copy.ts'

interface Options extends SecretOptions {
  readonly json?: boolean
}

export function addPoolUpload(parent: Command, host: CommandHost): void {
  const command = parent
    .command('upload')
    .summary('send a recovery point to the vault')
    .description('Sends what the vault lacks of a recovery point. One that was cut off goes on where it stopped.')
    .argument('<DIR>', 'the pool')
    .argument('[POINT]', 'id of a recovery point, a beginning of it, or latest', 'latest')
  withJson(withSecret(command)).action((dir: string, point: string, options: Options) =>
    host.run({ ...options, isLong: true }, (run) => poolUpload(run, dir, point, options)),
  )
  describe(command, {
    notes: SECRET_NOTE,
    examples: ['terp pool upload /backup/pool --key-file ~/pool.key'],
    exits: [3, 10, 11, 12, 13, 14, 15],
  })
}

async function poolUpload(run: Run, dir: string, query: string, options: Options) {
  const { output } = run
  const pool = await openPool(run, dir, options)
  const copy = await openVaultCopy(run, pool.repository)
  const report = await runUpload(run, pool, copy, query)
  if (output.isJson) output.printJson(presentUpload(report))
  else output.print(describeUpload(report, copy.copy.vault))
  return run.warnings.length > 0 ? EXIT_CODES.warnings : EXIT_CODES.ok
}

export async function runUpload(run: Run, pool: OpenPool, { repository: vault }: OpenVaultCopy, query: string): Promise<UploadReport> {
  const lock = await lockUpload(run, pool.folder)
  try {
    return await asSession(run.op, pool.repository, pool.store, 'upload', async () => {
      const point = await pool.repository.findPoint(run.op, query)
      return uploadPoint(run.op, { pool: pool.repository, vault, point, lock })
    })
  } finally {
    await lock.release()
  }
}

export function describeUpload(report: UploadReport, vault: string): string {
  const { point, wasThere, chunksSent, bytesSent, packsNeeded, durationMs } = report
  if (wasThere) return `vault ${vault} has recovery point ${shortId(point.id)} already`
  const sent = `${formatBytes(bytesSent)} in ${formatCount(chunksSent, 'chunk')}`
  return [
    `sent recovery point ${shortId(point.id)} of ${point.source} to vault ${vault}`,
    `  sent      ${sent}; it needs ${formatCount(packsNeeded, 'pack')} there`,
    `  took      ${formatDuration(durationMs)}`,
  ].join('\n')
}
