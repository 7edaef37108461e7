/** What is counted when somebody asks for the metrics: alerts that last, jobs that run, jobs that wait. */
import type { Job } from '../../catalog/index.ts'
import type { ServerContext } from '../context.ts'

/** More than these are as good as these. */
const MOST_WAITING = 500

export function countOnScrape({ catalog, metrics }: Pick<ServerContext, 'catalog' | 'metrics'>): void {
  metrics.onCollect(async () => {
    metrics.alertsActive.reset()
    // None is said too: a rule that compares with nothing never fires.
    for (const severity of ['critical', 'warning'] as const) metrics.alertsActive.set({ severity }, 0)
    for (const [severity, count] of await catalog.alerts.countOpen()) metrics.alertsActive.set({ severity }, count)
    metrics.jobsInProgress.reset()
    for (const [type, count] of countByType(await catalog.jobs.inProgress())) metrics.jobsInProgress.set({ type }, count)
    metrics.jobsWaiting.reset()
    const { items } = await catalog.jobs.list({ limit: MOST_WAITING }, { states: ['queued'] })
    for (const [type, count] of countByType(items)) metrics.jobsWaiting.set({ type }, count)
  })
}

function countByType(jobs: readonly Job[]): Map<Job['type'], number> {
  const counts = new Map<Job['type'], number>()
  for (const { type } of jobs) counts.set(type, (counts.get(type) ?? 0) + 1)
  return counts
}
