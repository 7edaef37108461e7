/** The report of `terp bench`, for people and for programs. */
import { formatBytes, formatCount, formatDuration, formatRate } from '../format.ts'
import type { Output } from '../output.ts'
import { backupLimit, type Limit, type Measures, restoreLimit } from './measures.ts'
import type { Suggestion } from './suggest.ts'

export interface BenchReport {
  readonly folder: string
  readonly measures: Measures
  readonly suggestions: readonly Suggestion[]
  readonly durationMs: number
}

export function presentBench({ folder, measures, suggestions, durationMs }: BenchReport) {
  const { cores, hasShaInstructions, poolHash, rates, disk, trial, compressed } = measures
  const limit = ({ rate, by }: Limit) => ({ bytes_per_second: Math.round(rate), limited_by: by })
  return {
    folder,
    cores,
    sha_instructions: hasShaInstructions,
    pool_hash: poolHash,
    /** Bytes a second, one core. */
    rates: {
      cut: Math.round(rates.cut),
      sha256: Math.round(rates.sha256),
      blake3: Math.round(rates.blake3),
      compress: Math.round(rates.compress),
      encrypt: Math.round(rates.encrypt),
      decode: Math.round(rates.decode),
    },
    compressed,
    disk: {
      publish: Math.round(disk.publish),
      publish_ms: Math.round(disk.publishMs * 100) / 100,
      read: Math.round(disk.read),
      read_from_cache: disk.isCached,
    },
    trial: {
      files: trial.files,
      bytes: trial.bytes,
      stored_bytes: trial.storedBytes,
      backup_duration: trial.backupMs / 1000,
      unchanged_duration: trial.unchangedMs / 1000,
      restore_duration: trial.restoreMs / 1000,
    },
    limits: { first_backup: limit(backupLimit(measures)), restore: limit(restoreLimit(measures)) },
    suggestions,
    total_duration: Math.round(durationMs) / 1000,
  }
}

export function describeBench(output: Output, { folder, measures, suggestions, durationMs }: BenchReport): string {
  const { cores, rates, disk, trial, compressed } = measures
  const row = (name: string, value: string, note = '') => `  ${name.padEnd(16)} ${value.padStart(12)}${note === '' ? '' : `  ${note}`}`
  const rate = (bytesPerSecond: number) => formatRate(bytesPerSecond, 1000)
  return [
    output.bold(`One core of ${cores}`),
    row('cut', rate(rates.cut)),
    row('SHA-256', rate(rates.sha256)),
    row('BLAKE3', rate(rates.blake3)),
    row('compress', rate(rates.compress), `made-up text, to ${(compressed * 100).toFixed(0)} %, decompressed and compared`),
    row('encrypt', rate(rates.encrypt)),
    row('restore', rate(rates.decode), 'decrypt, decompress, check'),
    '',
    output.bold(`The disk below ${folder}`),
    row('publish', rate(disk.publish), 'objects of 32 MiB, each durable'),
    row('least publish', `${disk.publishMs.toFixed(1)} ms`, 'one of 4 KiB'),
    row('read', rate(disk.read), disk.isCached ? 'out of the cache' : 'past the cache'),
    '',
    output.bold(`A trial: ${formatCount(trial.files, 'file')}, ${formatBytes(trial.bytes)}, ${formatBytes(trial.storedBytes)} stored`),
    row('first backup', formatDuration(trial.backupMs), formatRate(trial.bytes, trial.backupMs)),
    row(
      'unchanged',
      formatDuration(trial.unchangedMs),
      `${Math.round((trial.files * 1000) / Math.max(1, trial.unchangedMs)).toLocaleString('en-US')} files/s`,
    ),
    row('restore', formatDuration(trial.restoreMs), formatRate(trial.bytes, trial.restoreMs)),
    '',
    output.bold('What it means'),
    ...suggestions.map(({ text }) => `  ${text}`),
    '',
    output.dim(`measured in ${formatDuration(durationMs)}; nothing is left behind`),
  ].join('\n')
}
