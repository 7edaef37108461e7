/** What starts jobs; the engine of jobs (src/server/jobs) is one. */
import type { Job, NewJob } from '../../catalog/index.ts'

export interface JobStarter {
  create(request: Omit<NewJob, 'lock' | 'attemptsAllowed'>): Promise<Job>
  /** CATALOG_STATE_CONFLICT when it has ended. */
  cancel(id: string, by: string): Promise<Job>
}
