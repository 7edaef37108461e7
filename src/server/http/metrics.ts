/**
 * Metrics in the format of Prometheus. All names are declared here, whoever sets them, so that rules and dashboards have one list to go by. Labels
 * are few and bounded: groups, sources, results; never a path or a message.
 */

import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import { letOthersRun } from '../../base/clock.ts'

export interface Metrics {
  readonly registry: Registry
  readonly backupLastSuccess: Gauge<SourceLabel>
  readonly backupLastVerified: Gauge<SourceLabel>
  readonly restoreDrillLastSuccess: Gauge<SourceLabel>
  readonly rpoObjective: Gauge<SourceLabel>
  readonly rpoActual: Gauge<SourceLabel>
  readonly jobDuration: Histogram<'type' | 'result'>
  readonly jobRuns: Counter<'type' | 'result'>
  readonly jobsInProgress: Gauge<'type'>
  readonly jobsWaiting: Gauge<'type'>
  readonly bytesRead: Counter<'source'>
  readonly bytesDeduplicated: Counter<'source'>
  readonly bytesStored: Counter<'source'>
  readonly bytesUploaded: Counter<'source'>
  readonly poolSize: Gauge<'pool'>
  readonly poolUsed: Gauge<'pool'>
  readonly poolFree: Gauge<'pool'>
  readonly poolReclaimable: Gauge<'pool'>
  readonly dedupRatio: Gauge<'pool'>
  readonly vaultQueueBytes: Gauge
  readonly vaultQueueOldest: Gauge
  readonly agentUp: Gauge<'agent'>
  readonly alertsActive: Gauge<'severity'>
  readonly chunksCorrupt: Counter
  readonly chunksHealed: Counter
  readonly pruneFreedBytes: Counter<'pool'>
  readonly pruneLastSuccess: Gauge<'pool'>
  readonly requestDuration: Histogram<'route' | 'method' | 'status'>
  /** Runs before each scrape: what is read from elsewhere is set then. */
  onCollect(collect: () => Promise<void> | void): void
  collect(): Promise<string>
}

type SourceLabel = 'group' | 'source' | 'workload' | 'copy'
const SOURCE: SourceLabel[] = ['group', 'source', 'workload', 'copy']
const JOB_SECONDS = [1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 12 * 3600, 24 * 3600]
const REQUEST_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 10]

export function makeMetrics(version: string): Metrics {
  const registry = new Registry()
  const registers = [registry]
  const collectors: (() => Promise<void> | void)[] = []
  const gauge = <L extends string>(name: string, help: string, labelNames: L[] = []) =>
    new Gauge<L>({ name: `terp_${name}`, help, labelNames, registers })
  const counter = <L extends string>(name: string, help: string, labelNames: L[] = []) =>
    new Counter<L>({ name: `terp_${name}_total`, help, labelNames, registers })
  const histogram = <L extends string>(name: string, help: string, labelNames: L[], buckets: number[]) =>
    new Histogram<L>({ name: `terp_${name}`, help, labelNames, buckets, registers })

  collectDefaultMetrics({ register: registry, prefix: 'terp_' })
  // Gauges with the ending of a counter; what they sum up is shown by type.
  for (const what of ['resources', 'handles', 'requests']) registry.removeSingleMetric(`terp_nodejs_active_${what}_total`)
  gauge('build_info', 'Always 1; the version is a label.', ['version']).set({ version }, 1)
  return {
    registry,
    backupLastSuccess: gauge('backup_last_success_timestamp_seconds', 'When the newest recovery point was finished.', SOURCE),
    backupLastVerified: gauge('backup_last_verified_timestamp_seconds', 'When a recovery point was last verified.', SOURCE),
    restoreDrillLastSuccess: gauge('restore_drill_last_success_timestamp_seconds', 'When a test restore last succeeded.', SOURCE),
    rpoObjective: gauge('rpo_objective_seconds', 'The most that may be lost, as the group says.', SOURCE),
    rpoActual: gauge('rpo_actual_seconds', 'What would be lost now.', SOURCE),
    jobDuration: histogram('job_duration_seconds', 'How long jobs took.', ['type', 'result'], JOB_SECONDS),
    jobRuns: counter('job_runs', 'Jobs that ended.', ['type', 'result']),
    jobsInProgress: gauge('jobs_in_progress', 'Jobs that run.', ['type']),
    jobsWaiting: gauge('jobs_waiting', 'Jobs whose time has come and that do not run yet.', ['type']),
    bytesRead: counter('bytes_read', 'Read at the sources.', ['source']),
    bytesDeduplicated: counter('bytes_deduplicated', 'Read at the sources and stored already.', ['source']),
    bytesStored: counter('bytes_stored', 'Added to pools.', ['source']),
    bytesUploaded: counter('bytes_uploaded', 'Sent to a vault.', ['source']),
    poolSize: gauge('pool_size_bytes', 'Size of the volume of a pool.', ['pool']),
    poolUsed: gauge('pool_used_bytes', 'Used by the pool.', ['pool']),
    poolFree: gauge('pool_free_bytes', 'Free on the volume of a pool.', ['pool']),
    poolReclaimable: gauge('pool_reclaimable_bytes', 'What a prune would free.', ['pool']),
    dedupRatio: gauge('dedup_ratio', 'Bytes of all recovery points over bytes stored.', ['pool']),
    vaultQueueBytes: gauge('vault_queue_bytes', 'Waiting to be sent to a vault.'),
    vaultQueueOldest: gauge('vault_queue_oldest_seconds', 'Age of what waits longest to be sent to a vault.'),
    agentUp: gauge('agent_up', '1 when the agent is connected.', ['agent']),
    alertsActive: gauge('alerts_active', 'Alerts that last.', ['severity']),
    chunksCorrupt: counter('chunk_corrupt', 'Chunks found damaged.'),
    chunksHealed: counter('chunk_healed', 'Damaged chunks that were stored anew.'),
    pruneFreedBytes: counter('gc_freed_bytes', 'Freed by prunes.', ['pool']),
    pruneLastSuccess: gauge('gc_last_success_timestamp_seconds', 'When a prune last succeeded.', ['pool']),
    requestDuration: histogram('http_request_duration_seconds', 'Time to answer requests.', ['route', 'method', 'status'], REQUEST_SECONDS),
    onCollect: (collect) => void collectors.push(collect),
    async collect() {
      for (const collect of collectors) await collect()
      const text: string[] = []
      // One after the other: with thousands of sources each takes some milliseconds.
      for (const { name } of registry.getMetricsAsArray()) {
        text.push(await registry.getSingleMetricAsString(name))
        await letOthersRun()
      }
      return `${text.join('\n\n')}\n`
    },
  }
}
