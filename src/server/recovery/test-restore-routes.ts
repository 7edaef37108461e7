/** Test restores over the API. */
import { z } from 'zod'
import { idShape, jobDescriptionShape } from '../../wire/index.ts'
import { type KnownCaller, reaches } from '../auth/caller.ts'
import type { ServerContext } from '../context.ts'
import { operators, type Route, route } from '../http/route.ts'
import type { JobPresenter } from '../jobs/present.ts'
import { recoveryError } from './errors.ts'
import type { TestRestores } from './test-restores.ts'

const tag = 'Recovery'
const act = { who: 'roles', roles: operators, scope: 'groups' } as const
const params = z.object({ id: idShape })

export interface TestRestoreRouteParts {
  readonly context: ServerContext
  readonly testRestores: TestRestores
  readonly jobs: JobPresenter
}

export function testRestoreRoutes({ context: { catalog }, testRestores, jobs }: TestRestoreRouteParts): Route[] {
  const sourceOf = async (caller: KnownCaller, id: string) => {
    const source = await catalog.sources.find(id)
    if (!source || !reaches(caller, source.groupId)) throw recoveryError('RECOVERY_POINT_GONE', `there is no data source ${id}`)
    return source
  }
  return [
    route({
      method: 'POST',
      path: '/sources/:id/test-restore',
      name: 'source.test-restore',
      summary: 'Restore a sample of a recovery point of this data source to nowhere, and compare what comes with what was backed up.',
      tag,
      access: act,
      params,
      status: 202,
      answer: jobDescriptionShape,
      async handle({ params: { id }, caller, record }) {
        const job = await testRestores.request(await sourceOf(caller, id), caller.account.id)
        await record({ action: 'source.test-restore', subject: { kind: 'data-source', id }, details: { job: job.id } })
        return { body: await jobs.present(job), location: `/api/v1/jobs/${job.id}` }
      },
    }),
    route({
      method: 'POST',
      path: '/recovery-points/:id/test-restore',
      name: 'recovery-point.test-restore',
      summary: 'Restore a sample of this recovery point to nowhere, and compare what comes with what was backed up.',
      tag,
      access: act,
      params,
      status: 202,
      answer: jobDescriptionShape,
      async handle({ params: { id }, caller, record }) {
        const point = await catalog.points.find(id)
        if (point?.state !== 'valid') throw recoveryError('RECOVERY_POINT_GONE', `there is no recovery point ${id}`)
        const job = await testRestores.request(await sourceOf(caller, point.sourceId), caller.account.id, id)
        await record({ action: 'recovery-point.test-restore', subject: { kind: 'recovery-point', id }, details: { job: job.id } })
        return { body: await jobs.present(job), location: `/api/v1/jobs/${job.id}` }
      },
    }),
  ]
}
