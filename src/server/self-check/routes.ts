/** The catalog against the pools, and the copies of the configuration, when somebody asks. */
import { jobDescriptionShape } from '../../wire/index.ts'
import type { ConfigurationCopy } from '../configuration-copy/configuration-copy.ts'
import type { ServerContext } from '../context.ts'
import { administrators, type Route, route } from '../http/route.ts'
import type { JobPresenter } from '../jobs/present.ts'
import type { CatalogCheck } from './catalog-check.ts'

export interface SelfCheckRouteParts {
  readonly context: ServerContext
  readonly check: CatalogCheck
  readonly copy: ConfigurationCopy
  readonly jobs: JobPresenter
}

const tag = 'Catalog'
const access = { who: 'roles', roles: administrators, scope: 'server' } as const

export function selfCheckRoutes({ check, copy, jobs }: SelfCheckRouteParts): Route[] {
  return [
    route({
      method: 'POST',
      path: '/catalog/check',
      name: 'catalog.check',
      summary: 'Compare the catalog with what the pools hold, as a job. Changes nothing.',
      tag,
      access,
      answer: jobDescriptionShape,
      status: 202,
      async handle({ caller, record }) {
        const job = await check.request(caller.account.id)
        await record({ action: 'catalog.check', subject: { kind: 'server', id: '' }, details: { job: job.id } })
        return { body: await jobs.present(job), location: `/api/v1/jobs/${job.id}` }
      },
    }),
    route({
      method: 'POST',
      path: '/catalog/rebuild',
      name: 'catalog.rebuild',
      summary:
        'Make what the catalog says of recovery points again from the pools, as a job. Pins, holds and everything that people configured stay.',
      tag,
      access: { ...access, stepUp: true },
      answer: jobDescriptionShape,
      status: 202,
      async handle({ caller, record }) {
        const job = await check.request(caller.account.id, { rebuild: true })
        await record({ action: 'catalog.rebuild', subject: { kind: 'server', id: '' }, details: { job: job.id } })
        return { body: await jobs.present(job), location: `/api/v1/jobs/${job.id}` }
      },
    }),
    route({
      method: 'POST',
      path: '/catalog/copy',
      name: 'catalog.copy',
      summary: 'Copy the configuration of the server into all pool volumes now, as a job. It is copied after each change anyway.',
      tag,
      access,
      answer: jobDescriptionShape,
      status: 202,
      async handle({ caller, record }) {
        const job = await copy.request(caller.account.id)
        await record({ action: 'catalog.copy', subject: { kind: 'server', id: '' }, details: { job: job.id } })
        return { body: await jobs.present(job), location: `/api/v1/jobs/${job.id}` }
      },
    }),
  ]
}
