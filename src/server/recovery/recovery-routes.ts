/** Looking into recovery points, downloads from them, and restores of them. What reads pools does so in threads of theirs. */
import { posix } from 'node:path'
import { Readable } from 'node:stream'
import { z } from 'zod'
import { toTimestamp } from '../../base/clock.ts'
import type { Operation } from '../../base/operation.ts'
import type { DataSource, JsonObject, RecoveryPoint } from '../../catalog/index.ts'
import { refusalError, refuseReplicaUse } from '../../protection/index.ts'
import {
  createGrantShape,
  differencesQueryShape,
  differencesShape,
  entryQueryShape,
  entryShape,
  folderPageShape,
  folderQueryShape,
  grantShape,
  idShape,
  plannedShape,
  planShape,
  recoveryStartedShape,
  restoreShape,
  versionsQueryShape,
  versionsShape,
} from '../../wire/index.ts'
import { checkMail } from '../alerts/mail-channel.ts'
import { type KnownCaller, reaches } from '../auth/caller.ts'
import type { ServerContext } from '../context.ts'
import { operators, type Route, route, viewers } from '../http/route.ts'
import type { PoolKeeper } from '../pools/pool-keeper.ts'
import { dueOn, presentDue } from './due-jobs.ts'
import { recoveryError } from './errors.ts'
import { RestoreGrants } from './grants.ts'
import type { JobStarter } from './job-starter.ts'
import type { PlainEntry } from './plain-entry.ts'
import { zipOf } from './zip.ts'

export interface RecoveryParts {
  readonly keeper: PoolKeeper
  readonly jobs: JobStarter
}

const tag = 'Recovery'
const look = { who: 'roles', roles: viewers, scope: 'groups' } as const
const act = { who: 'roles', roles: operators, scope: 'groups' } as const
const params = z.object({ id: idShape })

export function recoveryRoutes(context: ServerContext, { keeper, jobs }: RecoveryParts): Route[] {
  const { catalog } = context
  const grants = new RestoreGrants(catalog, context.op)

  /** The same answer for one that the caller may not see and for none. */
  const pointOf = async (caller: KnownCaller, id: string): Promise<{ point: RecoveryPoint; source: DataSource | undefined }> => {
    const point = await catalog.points.find(id)
    const source = point && (await catalog.sources.find(point.sourceId))
    if (point?.state !== 'valid' || !reaches(caller, source?.groupId)) {
      throw recoveryError('RECOVERY_POINT_GONE', `there is no recovery point ${id}`, { context: { point: id } })
    }
    return { point, source }
  }
  const asking = (signal: AbortSignal): Operation => operationOf(context.op, signal)
  const reader = async ({ poolId }: RecoveryPoint) => (await keeper.volume(poolId)).reader

  return [
    route({
      method: 'GET',
      path: '/recovery-points/:id/folder',
      name: 'recovery-point.browse',
      summary: 'What lies directly in a folder of a recovery point, in the order of names; for anything else the entry itself.',
      tag,
      access: look,
      params,
      query: folderQueryShape,
      answer: folderPageShape,
      async handle({ caller, params: { id }, query: { path, limit, cursor }, signal }) {
        const { point } = await pointOf(caller, id)
        const args = { pointId: id, path, limit, after: cursor }
        const { entries, next } = await (await reader(point)).run(asking(signal), 'browse', args)
        return { body: { items: entries.map(presentEntry), ...(next !== undefined && { next }) } }
      },
    }),

    route({
      method: 'GET',
      path: '/recovery-points/:id/entry',
      name: 'recovery-point.entry',
      summary: 'One file or folder of a recovery point.',
      tag,
      access: look,
      params,
      query: entryQueryShape,
      answer: entryShape,
      async handle({ caller, params: { id }, query: { path }, signal }) {
        const { point } = await pointOf(caller, id)
        return { body: presentEntry(await (await reader(point)).run(asking(signal), 'entry', { pointId: id, path })) }
      },
    }),

    route({
      method: 'GET',
      path: '/data-sources/:id/versions',
      name: 'data-source.versions',
      summary: 'One path in all recovery points of a data source, the newest first.',
      tag,
      access: look,
      params,
      query: versionsQueryShape,
      answer: versionsShape,
      async handle({ caller, params: { id }, query: { path, limit, cursor }, signal }) {
        const source = await catalog.sources.find(id)
        if (!source || !reaches(caller, source.groupId)) throw recoveryError('RECOVERY_POINT_GONE', `there is no data source ${id}`)
        // One more than is shown: whether the oldest of them is as the one before.
        const page = await catalog.points.list({ limit: limit + 1, cursor }, { sourceId: id, states: ['valid'] })
        const found = await Promise.all(
          [...Map.groupBy(page.items, ({ poolId }) => poolId).values()].map(async (points) => {
            const first = points[0]
            if (!first) return []
            return await (await reader(first)).run(asking(signal), 'versions', { points: points.map((point) => point.id), path })
          }),
        )
        const byPoint = new Map(found.flat().map((version) => [version.pointId, version]))
        const versions = page.items.flatMap((point) => byPoint.get(point.id) ?? [])
        const items = versions.slice(0, limit).map((version, n) => {
          const before = versions[n + 1]
          const { pointId, finished, entry, contentKey } = version
          const isSame = before !== undefined && before.contentKey === contentKey && before.entry?.modified === entry?.modified
          return { pointId, finished, ...(entry && { entry: presentEntry(entry) }), isSameAsBefore: isSame }
        })
        const last = page.items[limit - 1]
        const next = page.items.length > limit && last ? await cursorAfter(last) : undefined
        return { body: { items, ...(next !== undefined && { next }) } }
      },
    }),

    route({
      method: 'GET',
      path: '/recovery-points/:id/differences',
      name: 'recovery-point.compare',
      summary: 'What changed from a recovery point to another one.',
      tag,
      access: look,
      params,
      query: differencesQueryShape,
      answer: differencesShape,
      async handle({ caller, params: { id }, query, signal }) {
        const { point } = await pointOf(caller, id)
        const { point: other } = await pointOf(caller, query.with)
        if (other.poolId !== point.poolId) throw recoveryError('RECOVERY_POINT_GONE', 'the two are not on one pool volume')
        const skip = query.cursor === undefined ? 0 : Number(query.cursor)
        if (!Number.isSafeInteger(skip) || skip < 0) throw recoveryError('RECOVERY_CURSOR_INVALID', 'the cursor is none of this list')
        const args = { before: id, after: other.id, limit: query.limit + 1, skip }
        const items = []
        for await (const item of (await reader(point)).items(asking(signal), 'differences', args)) items.push(item)
        const shown = items.slice(0, query.limit).map(({ change, before, after }) => ({
          change,
          ...(before && { before: presentEntry(before) }),
          ...(after && { after: presentEntry(after) }),
        }))
        return { body: { items: shown, ...(items.length > query.limit && { next: String(skip + query.limit) }) } }
      },
    }),

    route({
      method: 'GET',
      path: '/recovery-points/:id/file',
      name: 'recovery-point.download-file',
      summary: 'The content of a file, as it was.',
      tag,
      access: act,
      params,
      query: entryQueryShape,
      stream: 'file',
      contentType: 'application/octet-stream',
      async handle({ caller, params: { id }, query: { path }, signal, record }) {
        const { point } = await pointOf(caller, id)
        const thread = await reader(point)
        const op = asking(signal)
        const { kind, name, sizeBytes, text } = await thread.run(op, 'entry', { pointId: id, path })
        if (kind !== 'file') throw recoveryError('RECOVERY_PATH_NOT_FILE', `${text} is no file`)
        await record({ action: 'recovery.download', subject: { kind: 'recovery-point', id }, details: { path: text } })
        const content = Readable.from(thread.items(op, 'content', { pointId: id, path }), { objectMode: false })
        return { file: { name, type: 'application/octet-stream', content, sizeBytes } }
      },
    }),

    route({
      method: 'GET',
      path: '/recovery-points/:id/zip',
      name: 'recovery-point.download-folder',
      summary: 'A folder with all below it as a zip file.',
      tag,
      access: act,
      params,
      query: entryQueryShape,
      stream: 'file',
      contentType: 'application/zip',
      async handle({ caller, params: { id }, query: { path }, signal, record }) {
        const { point } = await pointOf(caller, id)
        const thread = await reader(point)
        const op = asking(signal)
        const text = Buffer.from(path, 'base64').toString('utf8')
        // What can be refused is refused before the answer begins.
        const isRoot = /^\/*$/.test(text)
        if (!isRoot) await thread.run(op, 'entry', { pointId: id, path })
        await record({
          action: 'recovery.download',
          subject: { kind: 'recovery-point', id },
          details: { path: text === '' ? '/' : text, zip: true },
        })
        const content = zipOf(thread.items(op, 'folder', { pointId: id, path }))
        return { file: { name: `${isRoot ? id.slice(0, 8) : posix.basename(text)}.zip`, type: 'application/zip', content } }
      },
    }),

    route({
      method: 'POST',
      path: '/recovery-points/:id/plan',
      name: 'recovery-point.plan',
      summary: 'What a restore comes to: how much is written, and how much is read and sent for it. Restores nothing.',
      tag,
      access: look,
      params,
      body: planShape,
      answer: plannedShape,
      takesKey: false,
      async handle({ caller, params: { id }, body: { paths }, signal }) {
        const { point, source } = await pointOf(caller, id)
        const { absent, ...planned } = await (await reader(point)).run(asking(signal), 'plan', { pointId: id, paths })
        return {
          body: {
            ...planned,
            absent: [...absent],
            cancels: (await dueOn(catalog, source?.agentId, context.op.clock.nowMs())).map(presentDue),
          },
        }
      },
    }),

    route({
      method: 'POST',
      path: '/recovery-points/:id/grants',
      name: 'recovery.grant',
      summary: 'Allow one restore of this recovery point to another machine, within an hour.',
      tag,
      access: { ...act, stepUp: true, sessionOnly: true },
      params,
      body: createGrantShape,
      answer: grantShape,
      status: 201,
      takesKey: false,
      async handle({ caller, params: { id }, body: { agentId, paths }, record }) {
        await pointOf(caller, id)
        const { name } = await catalog.agents.get(agentId)
        const { grant, untilMs } = await grants.give({ pointId: id, agentId, paths })
        const details = { agent: agentId, name, paths: texts(paths) }
        await record({ action: 'recovery.grant', subject: { kind: 'recovery-point', id }, details })
        return { body: { grant, expires: toTimestamp(untilMs) } }
      },
    }),

    route({
      method: 'POST',
      path: '/recovery-points/:id/restore',
      name: 'recovery.start',
      summary: 'Restore to a machine, as a job: to where the data came from, or with a grant to another machine.',
      tag,
      access: act,
      params,
      body: restoreShape,
      answer: recoveryStartedShape,
      status: 202,
      async handle({ caller, params: { id }, body, record }) {
        const { point, source } = await pointOf(caller, id)
        const { grant, paths, target, overwrite, security, dryRun, throttle, notify } = body
        const refusal = source && refuseReplicaUse(source.state, 'restore')
        if (refusal) throw refusalError(refusal)
        if (notify) await checkMail(catalog)
        const granted = grant === undefined ? undefined : await grants.use(grant, { pointId: id, paths })
        const agentId = granted?.agentId ?? source?.agentId
        const agent = agentId === undefined ? undefined : await catalog.agents.find(agentId)
        if (agentId === undefined || !agent || agent.revokedMs !== undefined)
          throw recoveryError('RECOVERY_NO_TARGET', 'it is not known which machine this came from, or it is none of this server any more')
        const isToOriginal = agentId === source?.agentId && /^\/+$/.test(Buffer.from(target, 'base64').toString('latin1'))
        const parameters: JsonObject = {
          target,
          overwrite,
          dryRun,
          isToOriginal,
          ...(security !== 'recovery-point' && { security }),
          ...(notify && { notify }),
          ...(paths && { paths }),
          ...(throttle !== undefined && { throttle }),
        }
        const about = { sourceId: point.sourceId, groupId: source?.groupId, agentId, poolId: point.poolId, pointId: id }
        const job = await jobs.create({ type: 'recovery', ...about, isAdHoc: true, parameters, createdBy: caller.account.id })
        const details = {
          job: job.id,
          agent: agentId,
          target: Buffer.from(target, 'base64').toString('utf8'),
          overwrite,
          security,
          dryRun,
          paths: texts(paths),
          byGrant: grant !== undefined,
        }
        await record({ action: 'recovery.start', subject: { kind: 'recovery-point', id }, details })
        const due = dryRun ? [] : await dueOn(catalog, agentId, context.op.clock.nowMs())
        for (const each of due) await jobs.cancel(each.id, caller.account.id).catch(() => undefined) // it has begun, or ended: then it is none of these
        return { body: { jobId: job.id, cancelled: due.map(presentDue) } }
      },
    }),
  ]

  /** As the catalog's own list makes it. */
  async function cursorAfter(point: RecoveryPoint): Promise<string> {
    return Buffer.from(JSON.stringify([point.finishedMs, point.id])).toString('base64url')
  }
}

/** The server's, that ends with the request. */
function operationOf(op: Operation, signal: AbortSignal): Operation {
  const check = () => {
    op.check()
    signal.throwIfAborted()
  }
  return { ...op, signal, check }
}

const MOST_NAMED = 20
const texts = (paths: readonly string[] | undefined) =>
  paths === undefined ? null : paths.slice(0, MOST_NAMED).map((path) => Buffer.from(path, 'base64').toString('utf8'))

function presentEntry(entry: PlainEntry) {
  return { ...entry, xattrs: [...entry.xattrs] }
}
