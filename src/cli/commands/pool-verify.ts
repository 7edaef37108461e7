import type { Command } from 'commander'
import { type VerifyReport, verifyRepository } from '../../archive/index.ts'
import { TerpError } from '../../base/errors.ts'
import { noteDamage } from '../../repository/index.ts'
import { type CommandHost, describe, SECRET_NOTE, withJson, withSecret } from '../command.ts'
import { EXIT_CODES } from '../exit-codes.ts'
import { formatBytes, formatCount, formatDuration, printable } from '../format.ts'
import type { Output } from '../output.ts'
import { type OpenPool, openPool } from '../pool.ts'
import { presentVerify, shortId } from '../present.ts'
import type { Run } from '../run.ts'
import type { SecretOptions } from '../secrets.ts'

interface Options extends SecretOptions {
  readonly readData?: boolean
  readonly json?: boolean
}

export function addPoolVerify(parent: Command, host: CommandHost): void {
  const command = parent
    .command('verify')
    .summary('look for damage')
    .description(
      'Checks that every recovery point is whole. Changes no data; notes what is damaged, so that the next backup stores it again where the source still has it.',
    )
    .argument('<DIR>', 'the pool')
    .option('--read-data', 'also read and decrypt all data; otherwise sizes, indexes and trees are checked')
  withJson(withSecret(command)).action((dir: string, options: Options) =>
    host.run({ ...options, isLong: true }, (run) => poolVerify(run, dir, options)),
  )
  describe(command, {
    notes: `A finding is damage, which ends with the code for it, or a hint, which does not.\n${SECRET_NOTE}`,
    examples: ['terp pool verify /backup/pool --read-data --key-file ~/pool.key'],
    exits: [10, 12, 14],
  })
}

async function poolVerify(run: Run, dir: string, options: Options) {
  const { output } = run
  const pool = await openPool(run, dir, options)
  const { repository } = pool
  const report = await verifyRepository(run.op, repository, { readData: options.readData ?? false })
  await note(run, pool, report)
  if (output.isJson) output.printJson(presentVerify(report))
  else output.print(describeVerify(output, report))
  return report.findings.some(({ severity }) => severity === 'damage') ? EXIT_CODES.damage : EXIT_CODES.ok
}

/** So that the next backup stores again what it meets of it. Not while another process writes, nor where this one may not. */
async function note(run: Run, pool: OpenPool, { damage }: VerifyReport): Promise<void> {
  if (damage.size === 0) return
  try {
    const lock = await pool.store.lock(run.op)
    if (!lock) return
    try {
      await noteDamage(run.op, pool.repository, damage)
    } finally {
      await lock.release()
    }
  } catch (error) {
    if (!(error instanceof TerpError)) throw error
    run.output.note(`what is damaged could not be noted in the pool: ${error.message}`)
  }
}

const MOST_POINTS_SHOWN = 8

export function describeVerify(output: Output, report: VerifyReport): string {
  const lines = report.findings.map(({ code, severity, object, message, recoveryPoints }) => {
    const ids = recoveryPoints.slice(0, MOST_POINTS_SHOWN).map(shortId)
    const more = recoveryPoints.length > ids.length ? ` and ${recoveryPoints.length - ids.length} more` : ''
    const where = message.includes(object) ? '' : `${object}: `
    const points = ids.length === 0 ? '' : `\n          recovery points ${ids.join(', ')}${more}`
    return `${output.paint(severity === 'damage' ? '31' : '33', severity.padEnd(8), output.streams.isOutTerminal)}${printable(where + message)} (${code})${points}`
  })
  const damaged = report.findings.filter(({ severity }) => severity === 'damage').length
  const looked = `${formatCount(report.points, 'recovery point')}, ${formatCount(report.packs, 'pack')}, ${formatBytes(report.bytesRead)} read in ${formatDuration(report.durationMs)}`
  const hints = report.findings.length - damaged
  const verdict = damaged === 0 ? 'no damage' : `${formatCount(damaged, 'finding')} of damage`
  return [...lines, `${verdict}${hints > 0 ? `, ${formatCount(hints, 'hint')}` : ''}: ${looked}`].join('\n')
}
