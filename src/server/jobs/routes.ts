/** Jobs over the API: what runs, what ran, why it failed, and to stop it or start it again. Live: `/events?topics=job`. */
import { z } from 'zod'
import { fromTimestamp, toTimestamp } from '../../base/clock.ts'
import { JOB_TYPE_NAMES, JOB_TYPES, type JobState, type JobType } from '../../protection/index.ts'
import { idShape, jobDescriptionShape, jobDetailShape, jobQueryShape, logLineShape, pageQueryShape, pageShape } from '../../wire/index.ts'
import { type KnownCaller, reaches } from '../auth/caller.ts'
import type { ServerContext } from '../context.ts'
import { serverError } from '../errors.ts'
import { checkReach } from '../groups/routes.ts'
import { operators, type Route, route, viewers } from '../http/route.ts'
import type { JobEngine } from './engine.ts'
import type { JobPresenter } from './present.ts'

const tag = 'Jobs'
const read = { who: 'roles', roles: viewers, scope: 'groups' } as const
const operate = { who: 'roles', roles: operators, scope: 'groups' } as const
const params = z.object({ id: idShape })
const STATES: readonly JobState[] = ['scheduled', 'queued', 'in-progress', 'completed', 'completed-with-warnings', 'failed', 'cancelled']

export function jobRoutes({ catalog }: ServerContext, engine: JobEngine, presenter: JobPresenter): Route[] {
  const found = async (caller: KnownCaller, id: string) => {
    const job = await catalog.jobs.get(id)
    checkReach(caller, job.groupId)
    return job
  }
  return [
    route({
      method: 'GET',
      path: '/jobs',
      name: 'job.list',
      summary: 'Jobs, the newest first; by states, types, data source, group, agent and time.',
      tag,
      access: read,
      query: jobQueryShape,
      answer: pageShape(jobDescriptionShape),
      async handle({ query, caller }) {
        const { state, type, source, group, agent, from, until, minElapsedSeconds, minBytes, isAdHoc, ...page } = query
        const list = await catalog.jobs.list(page, {
          states: among<JobState>(state, STATES),
          types: among<JobType>(type, JOB_TYPE_NAMES, byAlias),
          sourceId: source,
          groupId: group,
          agentId: agent,
          fromMs: from === undefined ? undefined : fromTimestamp(from),
          untilMs: until === undefined ? undefined : fromTimestamp(until),
          minElapsedMs: minElapsedSeconds === undefined ? undefined : minElapsedSeconds * 1000,
          minBytes,
          isAdHoc,
        })
        const items = await presenter.presentAll(list.items.filter((job) => reaches(caller, job.groupId)))
        return { body: { ...list, items } }
      },
    }),
    route({
      method: 'GET',
      path: '/jobs/:id',
      name: 'job.get',
      summary: 'One job, with its steps.',
      tag,
      access: read,
      params,
      answer: jobDetailShape,
      async handle({ params: { id }, caller }) {
        const job = await found(caller, id)
        const steps = (await catalog.jobLog.steps(id)).map(({ startedMs, finishedMs, details, ...step }) => ({
          ...step,
          details: details && { ...details },
          started: toTimestamp(startedMs),
          ...(finishedMs !== undefined && { finished: toTimestamp(finishedMs) }),
        }))
        return { body: { ...(await presenter.present(job)), steps } }
      },
    }),
    route({
      method: 'GET',
      path: '/jobs/:id/log',
      name: 'job.log',
      summary: 'The log of a job, the oldest first; asked again with the last cursor, what came since.',
      tag,
      access: read,
      params,
      query: pageQueryShape,
      answer: pageShape(logLineShape),
      async handle({ params: { id }, query, caller }) {
        await found(caller, id)
        const page = await catalog.jobLog.read(id, query)
        return { body: { ...page, items: page.items.map(({ atMs, stepId: _, ...line }) => ({ ...line, at: toTimestamp(atMs) })) } }
      },
    }),
    route({
      method: 'POST',
      path: '/jobs/:id/cancel',
      name: 'job.cancel',
      summary: 'Cancel a job: at once when it waits, soon when it runs. What was stored is not sent again.',
      tag,
      access: operate,
      params,
      status: 202,
      answer: jobDescriptionShape,
      async handle({ params: { id }, caller, record }) {
        await found(caller, id)
        const job = await engine.cancel(id, caller.account.id)
        await record({ action: 'job.cancel', subject: { kind: 'job', id } })
        return { body: await presenter.present(job) }
      },
    }),
    route({
      method: 'POST',
      path: '/jobs/:id/retry',
      name: 'job.retry',
      summary: 'Start a job again that has failed or was cancelled.',
      tag,
      access: operate,
      params,
      status: 201,
      answer: jobDescriptionShape,
      async handle({ params: { id }, caller, record }) {
        await found(caller, id)
        const job = await engine.retry(id, caller.account.id)
        await record({ action: 'job.retry', subject: { kind: 'job', id }, details: { job: job.id } })
        return { body: await presenter.present(job), location: `/api/v1/jobs/${job.id}` }
      },
    }),
  ]
}

/** What `Get-DPMJob -Type` calls it; several of ours may be one of its own. */
const byAlias = (word: string): readonly JobType[] => JOB_TYPE_NAMES.filter((name) => JOB_TYPES[name].alias === word)

/** `a,b`. API_REQUEST_INVALID. */
function among<T extends string>(
  text: string | undefined,
  words: readonly T[],
  alias: (word: string) => readonly T[] = () => [],
): readonly T[] | undefined {
  if (text === undefined) return undefined
  return text.split(',').flatMap((word) => {
    const known = words.find((each) => each === word)
    const meant = known === undefined ? alias(word) : [known]
    if (meant.length === 0) throw serverError('API_REQUEST_INVALID', `"${word}" is none of ${words.join(', ')}`)
    return meant
  })
}
