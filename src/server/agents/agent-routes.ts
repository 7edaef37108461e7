/** Agents over the API (§2.M, §10.12): to enrol them, see them, look into their machines, and send them away. */
import { z } from 'zod'
import { toTimestamp } from '../../base/clock.ts'
import type { Agent, Catalog, EnrolmentToken } from '../../catalog/index.ts'
import { catalogError } from '../../catalog/index.ts'
import { AGENT_STATUS, type AgentEvent, type AgentState, agentMachine, HOUR_MS, refusalError, transition } from '../../protection/index.ts'
import {
  type AgentDescription,
  agentDescriptionShape,
  agentQueryShape,
  browseQueryShape,
  createdEnrolmentShape,
  createEnrolmentShape,
  encodeEnrolmentToken,
  enrolmentDescriptionShape,
  idShape,
  itemShape,
  jobDescriptionShape,
  pageQueryShape,
  pageShape,
} from '../../wire/index.ts'
import type { AlertDesk } from '../alerts/alert-desk.ts'
import { makeSecret, sha256Of } from '../auth/tokens.ts'
import type { ServerContext } from '../context.ts'
import { administrators, operators, type Route, route, viewers } from '../http/route.ts'
import type { JobPresenter } from '../jobs/present.ts'
import type { CommandQueue } from './command-queue.ts'
import type { ControlDesk } from './control-desk.ts'
import type { Questions } from './questions.ts'
import type { AgentUpdates } from './update-jobs.ts'

const tag = 'Agents'
const read = { who: 'roles', roles: viewers, scope: 'server' } as const
const write = { who: 'roles', roles: administrators, scope: 'server' } as const
const params = z.object({ id: idShape })
const discoveredShape = z.object({
  workload: z.string(),
  name: z.string(),
  path: z.string(),
  sizeBytes: z.int(),
  detail: z.record(z.string(), z.unknown()),
  /** The data source that it is, where it is known. */
  sourceId: idShape.optional(),
})

export interface AgentRouteParts {
  readonly context: ServerContext
  readonly desk: ControlDesk
  readonly queue: CommandQueue
  readonly questions: Questions
  readonly alerts: AlertDesk
  readonly updates: AgentUpdates
  readonly jobs: JobPresenter
  /** Where agents call, and the key by which they know this server. Throws while that is not known. */
  readonly port: () => { readonly url: string; readonly server: string }
}

export function agentRoutes(parts: AgentRouteParts): Route[] {
  const { context, queue, questions } = parts
  const { catalog, op } = context
  const present = (agent: Agent) => presentAgent(agent, queue.isConnected(agent.id))
  const change = async (id: string, event: AgentEvent): Promise<Agent> => {
    const agent = await active(catalog, id)
    const next = transition(agentMachine, agent.state, event)
    if (!next.isLegal) throw refusalError(next.refusal)
    await catalog.agents.setState(id, next.to)
    parts.desk.forget(id)
    return await catalog.agents.get(id)
  }
  return [
    route({
      method: 'GET',
      path: '/agents',
      name: 'agent.list',
      summary: 'All agents, by name.',
      tag,
      access: read,
      query: agentQueryShape,
      answer: pageShape(agentDescriptionShape),
      async handle({ query: { state, ...page } }) {
        const list = await catalog.agents.list(page, { state: state as AgentState | undefined })
        return { body: { ...list, items: list.items.map(present) } }
      },
    }),
    route({
      method: 'GET',
      path: '/agents/:id',
      name: 'agent.get',
      summary: 'One agent.',
      tag,
      access: read,
      params,
      answer: agentDescriptionShape,
      handle: async ({ params: { id } }) => ({ body: present(await active(catalog, id)) }),
    }),
    route({
      method: 'GET',
      path: '/agents/:id/discover',
      name: 'agent.discover',
      summary: 'What there is to protect on a machine, asked of its agent now.',
      tag,
      access: { who: 'roles', roles: operators, scope: 'server' },
      params,
      answer: z.object({ items: z.array(discoveredShape) }),
      async handle({ params: { id }, signal }) {
        await active(catalog, id)
        const { sources } = await questions.ask(id, { kind: 'discover' }, signal)
        const items = []
        for (const { path, ...found } of sources) {
          const text = Buffer.from(path, 'base64').toString('utf8')
          const known = await catalog.sources.findByPlace(id, found.workload, text)
          items.push({ ...found, path: text, ...(known && { sourceId: known.id }) })
        }
        return { body: { items } }
      },
    }),
    route({
      method: 'GET',
      path: '/agents/:id/browse',
      name: 'agent.browse',
      summary: 'What lies in a folder of a machine, asked of its agent now.',
      tag,
      access: { who: 'roles', roles: operators, scope: 'server' },
      params,
      query: browseQueryShape,
      answer: z.object({ items: z.array(itemShape), isComplete: z.boolean() }),
      async handle({ params: { id }, query: { path, limit }, signal }) {
        await active(catalog, id)
        const { items, isComplete } = await questions.ask(id, { kind: 'browse', path: Buffer.from(path).toString('base64'), limit }, signal)
        return { body: { items, isComplete } }
      },
    }),
    route({
      method: 'POST',
      path: '/agents/:id/disable',
      name: 'agent.disable',
      summary: 'Disable an agent: it is refused, and its jobs wait.',
      tag,
      access: write,
      params,
      status: 200,
      answer: agentDescriptionShape,
      async handle({ params: { id }, record }) {
        const agent = await change(id, 'disable')
        queue.drop(id)
        await record({ action: 'agent.disable', subject: { kind: 'agent', id }, details: { name: agent.name } })
        return { body: present(agent) }
      },
    }),
    route({
      method: 'POST',
      path: '/agents/:id/enable',
      name: 'agent.enable',
      summary: 'Enable an agent again.',
      tag,
      access: write,
      params,
      status: 200,
      answer: agentDescriptionShape,
      async handle({ params: { id }, record }) {
        const agent = await change(id, 'enable')
        await record({ action: 'agent.enable', subject: { kind: 'agent', id }, details: { name: agent.name } })
        return { body: present(agent) }
      },
    }),
    route({
      method: 'POST',
      path: '/agents/:id/update',
      name: 'agent.update',
      summary: 'Have an agent replace its program by the newest that was published here, where its machine allows that.',
      tag,
      access: { ...write, stepUp: true },
      params,
      status: 202,
      answer: jobDescriptionShape,
      async handle({ params: { id }, caller, record }) {
        const agent = await active(catalog, id)
        const job = await parts.updates.begin(id, caller.account.id)
        await record({ action: 'agent.update', subject: { kind: 'agent', id }, details: { name: agent.name, job: job.id } })
        return { body: await parts.jobs.present(job), location: `/api/v1/jobs/${job.id}` }
      },
    }),
    route({
      method: 'DELETE',
      path: '/agents/:id',
      name: 'agent.remove',
      summary: 'Send an agent away for good. What it protected must be in no group; its recovery points stay.',
      tag,
      access: { ...write, stepUp: true },
      params,
      async handle({ params: { id }, record }) {
        const agent = await active(catalog, id)
        const used = (await catalog.sources.all({ agentId: id })).find(({ groupId }) => groupId !== undefined)
        if (used)
          throw catalogError('CATALOG_STILL_USED', `${used.name} of this agent is in a protection group`, { context: { source: used.id } })
        await catalog.transaction(async (records) => {
          await records.agents.revoke(id)
          await record({ action: 'agent.remove', subject: { kind: 'agent', id }, details: { name: agent.name } }, records)
        })
        parts.desk.forget(id)
        queue.drop(id)
        await parts.alerts.resolveAllOf({ kind: 'agent', id })
        return {}
      },
    }),
    route({
      method: 'POST',
      path: '/enrolments',
      name: 'enrolment.create',
      summary: 'Make a token with which one agent enrols, once. The answer has it, this once, and the line to run.',
      tag,
      access: write,
      body: createEnrolmentShape,
      status: 201,
      answer: createdEnrolmentShape,
      takesKey: false,
      async handle({ body: { name, hours }, caller, record }) {
        const { url, server } = parts.port()
        const secret = makeSecret(op.random)
        const made = await catalog.enrolmentTokens.create({
          tokenSha256: sha256Of(secret),
          agentName: name,
          createdBy: caller.account.id,
          lifeMs: hours * HOUR_MS,
        })
        await record({ action: 'enrolment.create', subject: { kind: 'token', id: made.id }, details: { name, hours } })
        const token = encodeEnrolmentToken({ url, server, token: secret })
        return { body: { enrolment: presentEnrolment(made), token, line: `terp agent enroll --token ${token}`, url, server } }
      },
    }),
    route({
      method: 'GET',
      path: '/enrolments',
      name: 'enrolment.list',
      summary: 'Enrolment tokens, the newest first: who made them, and who used them.',
      tag,
      access: write,
      query: pageQueryShape,
      answer: pageShape(enrolmentDescriptionShape),
      async handle({ query }) {
        const page = await catalog.enrolmentTokens.list(query)
        return { body: { ...page, items: page.items.map(presentEnrolment) } }
      },
    }),
    route({
      method: 'DELETE',
      path: '/enrolments/:id',
      name: 'enrolment.revoke',
      summary: 'Revoke an enrolment token that nobody has used.',
      tag,
      access: write,
      params,
      async handle({ params: { id }, record }) {
        if (!(await catalog.enrolmentTokens.revoke(id)))
          throw catalogError('CATALOG_RECORD_NOT_FOUND', 'there is no such token that could be used')
        await record({ action: 'enrolment.revoke', subject: { kind: 'token', id } })
        return {}
      },
    }),
  ]
}

/** One that was sent away is not there any more. */
async function active(catalog: Catalog, id: string): Promise<Agent> {
  const agent = await catalog.agents.find(id)
  if (!agent || agent.revokedMs !== undefined)
    throw catalogError('CATALOG_RECORD_NOT_FOUND', `there is no agent ${id}`, { context: { id } })
  return agent
}

function presentAgent(agent: Agent, isConnected: boolean): AgentDescription {
  const { id, name, state, stateSinceMs, programVersion, protocolVersion, platform, enrolledMs, lastSeenMs } = agent
  return {
    id,
    name,
    state,
    status: AGENT_STATUS[state],
    stateSince: toTimestamp(stateSinceMs),
    isConnected,
    version: programVersion,
    protocol: protocolVersion,
    platform: platform && { ...platform },
    enrolled: toTimestamp(enrolledMs),
    ...(lastSeenMs !== undefined && { lastSeen: toTimestamp(lastSeenMs) }),
  }
}

function presentEnrolment({ id, agentName, createdMs, expiresMs, usedMs, usedBy, revokedMs }: EnrolmentToken) {
  return {
    id,
    name: agentName,
    created: toTimestamp(createdMs),
    expires: toTimestamp(expiresMs),
    ...(usedMs !== undefined && { used: toTimestamp(usedMs), usedBy }),
    ...(revokedMs !== undefined && { revoked: toTimestamp(revokedMs) }),
  }
}
