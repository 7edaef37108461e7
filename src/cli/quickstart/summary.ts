/** What a quickstart tells at its end: what it did, what it measured, where the keys are, what to do next. */
import { dirname } from 'node:path'
import type { UploadReport } from '../../archive/index.ts'
import type { MeasuredBackup } from '../backup.ts'
import { formatBytes, formatCount, formatDuration, formatRate, formatTime, printable } from '../format.ts'
import type { Output } from '../output.ts'
import { presentBackup, presentUpload, presentWarning, shortId } from '../present.ts'
import type { Run } from '../run.ts'
import { type QuickstartPlaces, VAULT_NAME } from './places.ts'
import type { SampleReport } from './sample.ts'

export interface QuickstartReport {
  readonly places: QuickstartPlaces
  readonly isNew: boolean
  readonly protectedPaths: readonly string[]
  readonly backup: MeasuredBackup
  readonly upload: UploadReport
  readonly fromPool: SampleReport
  readonly fromVault: SampleReport
  /** All recovery points that the pool has now. */
  readonly points: number
  /** How people call Terp from here. */
  readonly launcher: string
  readonly vaultAddress: string
  readonly pageAddress: string | undefined
  readonly durationMs: number
}

export function presentQuickstart(run: Run, report: QuickstartReport) {
  const { places } = report
  const proof = ({ files, bytes, changed, isEqual, durationMs }: SampleReport) => ({
    files,
    bytes,
    changed,
    equal: isEqual,
    duration: durationMs / 1000,
  })
  return {
    message_type: 'summary',
    data_folder: places.data,
    pool: places.pool,
    vault: { name: VAULT_NAME, folder: places.vault, address: report.vaultAddress },
    keys: { pool: places.poolKey, recovery: places.recoveryKey, vault_passphrase: places.vaultPassphrase },
    protected: report.protectedPaths,
    first_run: report.isNew,
    recovery_point_id: report.backup.point.id,
    recovery_points: report.points,
    backup: presentBackup(report.backup, report.backup.warnings),
    upload: presentUpload(report.upload),
    samples: { pool: proof(report.fromPool), vault: proof(report.fromVault) },
    page: report.pageAddress ?? null,
    total_duration: Math.round(report.durationMs) / 1000,
    warnings: run.warnings.map(presentWarning),
  }
}

export function describeQuickstart(output: Output, report: QuickstartReport): string {
  const { backup, upload, fromPool, fromVault, places } = report
  const { point } = backup
  const row = (name: string, text: string) => `  ${name.padEnd(14)} ${text}`
  const isProven = fromPool.isEqual && fromVault.isEqual
  const again = backup.filesUnmodified > 0 ? `, ${formatCount(backup.filesUnmodified, 'file')} unchanged and not read again` : ''
  return [
    '',
    output.bold(`Protected twice${isProven ? ', and restored from both copies' : ''} (${formatDuration(report.durationMs)})`),
    row('protected', printable(report.protectedPaths.join(' '))),
    row('point', `${shortId(point.id)}, ${formatTime(point.finished)} UTC; the pool has ${formatCount(report.points, 'recovery point')}`),
    '',
    output.bold('What was measured'),
    row(
      'first copy',
      `${formatCount(backup.filesProcessed, 'file')}, ${formatBytes(backup.bytesProcessed)} in ${formatDuration(backup.durationMs)} (${formatRate(backup.bytesProcessed, backup.durationMs)})${again}`,
    ),
    row('on disk', `${formatBytes(backup.dataAddedPacked)} added, deduplicated, compressed and encrypted`),
    row(
      'second copy',
      upload.wasThere
        ? 'the vault had it already'
        : `${formatBytes(upload.bytesSent)} sent to the vault in ${formatDuration(upload.durationMs)}`,
    ),
    row('pool sample', describeSample(fromPool)),
    row('vault sample', describeSample(fromVault)),
    ...(backup.warningCount > 0
      ? [row('warnings', `${formatCount(backup.warningCount, 'file')} could not be protected as a whole: see above`)]
      : []),
    '',
    output.bold('Where things are'),
    row('pool', places.pool),
    row('vault', places.vault),
    row('keys', places.keys),
    row('', output.dim('Whoever loses the keys loses both copies; whoever has them reads both.')),
    row('', output.dim('Copy them to a place apart: a stick, a safe, another machine.')),
    '',
    output.bold('What to do next'),
    ...nextSteps(output, report),
  ].join('\n')
}

function describeSample({ files, bytes, changed, isEqual, durationMs }: SampleReport): string {
  if (files === 0) return 'nothing was restored or compared'
  const restored = `${formatCount(files, 'file')}, ${formatBytes(bytes)}`
  const hashesOnly = `${changed} had changed since and were checked by their hashes only`
  if (!isEqual) return `${restored}, nothing was compared: ${hashesOnly}`
  const equal = `${restored}, equal to their sources, byte by byte (${formatDuration(durationMs)})`
  return changed > 0 ? `${equal}; ${hashesOnly}` : equal
}

function nextSteps(output: Output, { launcher, places, protectedPaths }: QuickstartReport): string[] {
  const [pool, key] = [shellWord(places.pool), shellWord(places.poolKey)]
  const again = [...protectedPaths.map((path) => `--protect ${shellWord(path)}`), `--data ${shellWord(dirname(places.pool))}`].join(' ')
  const steps: [why: string, command: string][] = [
    ['add a recovery point; only what changed is read', `quickstart ${again}`],
    ['see what there is', `pool list ${pool} --key-file ${key}`],
    ['restore all of it', `pool restore ${pool} latest --target /tmp/restored --key-file ${key}`],
    ['make a pool of your own, on another disk', 'pool init DIR --key-file F --recovery-key-out F'],
  ]
  return steps.flatMap(([why, command]) => [`  ${shellWord(launcher)} ${command}`, `      ${output.dim(why)}`])
}

function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}
