import { mkdir, rm } from 'node:fs/promises'
import { join, relative, resolve } from 'node:path'
import type { Command } from 'commander'
import { hasCode } from '../../base/errors.ts'
import { randomHex } from '../../base/random.ts'
import { realPath } from '../../platform/index.ts'
import { plainText } from '../arguments.ts'
import { runBackup, sourcePath } from '../backup.ts'
import { type CommandHost, collect, describe, parsePort, withJson } from '../command.ts'
import { EXIT_CODES } from '../exit-codes.ts'
import { formatBytes, formatCount, formatDuration } from '../format.ts'
import type { OpenPool } from '../pool.ts'
import type { Running } from '../programs.ts'
import { type QuickstartPlaces, quickstartPlaces } from '../quickstart/places.ts'
import { chooseSample, proveSample, type SampleReport } from '../quickstart/sample.ts'
import { describeQuickstart, presentQuickstart, type QuickstartReport } from '../quickstart/summary.ts'
import { type Run, untilStopped, withoutSignal } from '../run.ts'
import type { OpenVaultCopy } from '../vault-copy.ts'
import { runUpload } from './pool-upload.ts'

interface Options {
  readonly protect?: string[]
  readonly data?: string
  readonly port?: number
  readonly once?: boolean
  readonly json?: boolean
}

const USUAL_PORT = 8484
const PROJECT_EXCLUDES = ['node_modules', '.git']

export function addQuickstart(parent: Command, host: CommandHost): void {
  const command = parent
    .command('quickstart')
    .summary('protect a folder twice, and see it')
    .description(
      'Makes a pool, a vault and keys under one folder, protects folders in both, restores a sample from each, and shows a page.',
    )
    .option('--protect <path>', "what to protect; may be given several times (default: Terp's own folder)", collect)
    .option('--data <folder>', 'folder for everything it makes (default: ./terp-data)')
    .option('--port <n>', `port of the page on 127.0.0.1 (default: ${USUAL_PORT}, or any free one)`, parsePort)
    .option('--once', 'end when it is done, without the page')
  withJson(command).action((options: Options) => host.run({ ...options, isLong: true }, (run) => quickstart(run, options)))
  describe(command, {
    notes: 'Changes nothing outside its folder. Run again, it goes on with what is there and adds a recovery point.',
    examples: ['terp quickstart', 'terp quickstart --protect ~/Documents --protect ~/Pictures --data /mnt/disk/terp'],
    exits: [3, 10, 11, 12, 13, 14, 15],
  })
}

async function quickstart(run: Run, options: Options) {
  const { output, op } = run
  const { prepareCopy, preparePool, startQuickstartVault } = await import('../quickstart/prepare.ts')
  const places = quickstartPlaces(resolve(plainText(options.data ?? 'terp-data', 'the data folder')))
  const given = options.protect?.map(sourcePath)
  const startMs = op.clock.monotonicMs()

  const pool = await step(
    run,
    'pool and keys',
    () => preparePool(run, places),
    (made) => (made.isNew ? `made ${places.pool}` : 'there already'),
  )
  const vault = await step(
    run,
    'vault service',
    () => startQuickstartVault(run, places),
    ({ address }) => address,
  )
  let page: Running | undefined
  try {
    const copy = await step(
      run,
      'registration',
      () => prepareCopy(run, places, pool, vault),
      (made) => `as ${made.copy.serverName}`,
    )
    const report = await protectAndProve(run, places, pool, copy, given)
    if (!options.once) page = await startPage(run, pool, copy, options.port)
    const whole: QuickstartReport = {
      ...report,
      places,
      isNew: pool.isNew,
      launcher: launcherName(run),
      vaultAddress: vault.address,
      pageAddress: page?.address,
      durationMs: op.clock.monotonicMs() - startMs,
    }
    if (output.isJson) output.printJson(presentQuickstart(run, whole))
    else output.print(describeQuickstart(output, whole))
    if (page) {
      if (!output.isJson) output.print(`\n${output.bold('See it at')}  ${page.address}\n${output.dim('until Ctrl-C')}`)
      await untilStopped(op)
    }
    return run.warnings.length > 0 ? EXIT_CODES.warnings : EXIT_CODES.ok
  } finally {
    await page?.close()
    await vault.close()
  }
}

async function protectAndProve(
  run: Run,
  places: QuickstartPlaces,
  pool: OpenPool,
  copy: OpenVaultCopy,
  given: readonly Buffer[] | undefined,
) {
  const { op, programs } = run
  const paths = given ?? [realPath(programs.projectFolder)]
  const excludes = given ? [] : PROJECT_EXCLUDES
  const backup = await step(
    run,
    'first copy',
    () => runBackup(run, pool, { paths, excludes, source: 'quickstart', skipFolders: [places.data] }),
    (report) => `${formatCount(report.filesProcessed, 'file')}, ${formatBytes(report.bytesProcessed)}`,
  )
  const upload = await step(
    run,
    'second copy',
    () => runUpload(run, pool, copy, backup.point.id),
    (report) => `${formatBytes(report.bytesSent)} sent`,
  )
  const sample = await chooseSample(op, pool.repository, backup.point)
  const { url, serverId, privateKey } = copy.copy
  const poolCopy = { name: 'the pool', ...pool, point: backup.point }
  const descriptor = { kind: 'vault', url, serverId, privateKey } as const
  const vaultCopy = { name: 'the vault', repository: copy.repository, descriptor, point: upload.point }
  const { fromPool, fromVault } = await withNewFolder(run, places.data, async (folder) => ({
    fromPool: await step(run, 'pool restores', () => proveSample(run, folder, poolCopy, sample), tellSample),
    fromVault: await step(run, 'vault restores', () => proveSample(run, folder, vaultCopy, sample), tellSample),
  }))
  for (const [proof, { name }] of [
    [fromPool, poolCopy],
    [fromVault, vaultCopy],
  ] as const) {
    if (!proof.isEqual) run.warn({ code: 'SAMPLE_EMPTY', message: `nothing was compared: ${whyNothing(proof)}`, item: name })
  }
  const points = (await pool.repository.listPoints(op)).points.length
  return { protectedPaths: paths.map((path) => path.toString('utf8')), backup, upload, fromPool, fromVault, points }
}

/** One that this run makes, and that nobody else has; gone with its content at the end. */
async function withNewFolder<T>(run: Run, parent: string, work: (folder: string) => Promise<T>): Promise<T> {
  const folder = join(parent, `sample-${randomHex(run.op.random, 8)}`)
  await mkdir(folder, { mode: 0o700 })
  try {
    return await work(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function tellSample({ files, isEqual }: SampleReport): string {
  return isEqual ? `${formatCount(files, 'file')}, equal` : 'nothing compared'
}

function whyNothing({ files }: SampleReport): string {
  return files === 0 ? 'the recovery point holds no file' : 'all files of the sample changed since they were protected'
}

/** As people can type it from where they are. */
function launcherName({ programs }: Run): string {
  const launcher = join(programs.projectFolder, 'terp')
  const way = relative('.', launcher)
  return way.startsWith('..') ? launcher : `./${way}`
}

/** Tells each step when it is done; nothing with --json but its status lines. */
async function step<T>(run: Run, name: string, work: () => Promise<T>, tell: (result: T) => string): Promise<T> {
  const { output, op } = run
  const startMs = op.clock.monotonicMs()
  const result = await op.step(name, work)
  output.note(`${output.paint('32', '✓')} ${name.padEnd(15)} ${tell(result)} (${formatDuration(op.clock.monotonicMs() - startMs)})`)
  return result
}

async function startPage(run: Run, pool: OpenPool, copy: OpenVaultCopy, port: number | undefined): Promise<Running> {
  const options = { repository: pool.repository, vault: copy.repository, host: '127.0.0.1' }
  const op = withoutSignal(run.op)
  try {
    return await run.programs.page.start(op, { ...options, port: port ?? USUAL_PORT })
  } catch (error) {
    if (port !== undefined || !hasCode(error, 'PAGE_PORT_IN_USE')) throw error
    return run.programs.page.start(op, { ...options, port: 0 })
  }
}
