/** What a backup that has ended has to say besides success or failure: items that it left out (3125), a source that did not hold still (33505), a source that is gone (3155). */
import type { DataSource, Job } from '../../catalog/index.ts'
import type { AlertDesk } from '../alerts/alert-desk.ts'
import type { ServerContext } from '../context.ts'

const SNAPSHOT_FAILED = 'SNAPSHOT_FAILED'
const MOST_LINES = 2000
const MOST_EXAMPLES = 5

export async function tellFindings({ catalog }: ServerContext, alerts: AlertDesk, source: DataSource, job: Job): Promise<void> {
  const about = { id: source.id, name: source.name, jobId: job.id, groupId: source.groupId }
  const isGood = job.state === 'completed' || job.state === 'completed-with-warnings'
  const lines =
    job.warnings === 0 ? [] : (await catalog.jobLog.read(job.id, { limit: MOST_LINES })).items.filter(({ level }) => level === 'warning')
  const snapshot = job.error?.code === SNAPSHOT_FAILED ? job.error : lines.find(({ code }) => code === SNAPSHOT_FAILED)
  if (snapshot) await alerts.raise('snapshot-failed', { ...about, message: snapshot.message })
  else if (isGood) await alerts.resolve('snapshot-failed', source.id)

  const items = lines.filter(({ item, code }) => item !== undefined && code !== SNAPSHOT_FAILED)
  if (items.length > 0) {
    const codes = Object.fromEntries([...Map.groupBy(items, ({ code }) => code ?? 'WARNING')].map(([code, of]) => [code, of.length]))
    const examples = items.slice(0, MOST_EXAMPLES).map(({ item, message }) => ({ item: item ?? '', message }))
    const message = `${items.length} items were left out, or are not as they should be: ${Object.entries(codes)
      .map(([code, count]) => `${code} (${count})`)
      .join(', ')}`
    await alerts.raise('unsupported-files', { ...about, message, details: { codes, examples } })
  } else if (isGood) await alerts.resolve('unsupported-files', source.id)

  if (job.state === 'failed' && job.error?.code === 'SOURCE_NOT_FOUND')
    await alerts.raise('missing-data-source', { ...about, message: job.error.message })
  else if (isGood) await alerts.resolve('missing-data-source', source.id)
}
