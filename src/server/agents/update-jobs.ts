/**
 * An agent replaces its own program (§10.12): the server tells it which file over a connection of which each side knows the other's key, with the SHA-256 of all of it; the
 * agent fetches it, and begins anew when no other job runs there. Only where the machine's administrator allows that: who takes over a server must not run what he likes.
 */
import type { Job } from '../../catalog/index.ts'
import type { ServerContext } from '../context.ts'
import type { JobEngine } from '../jobs/engine.ts'
import { jobError } from '../jobs/errors.ts'
import type { AgentJobKind, JobOutcome } from '../jobs/kind.ts'
import { moveAgent } from './agent-state.ts'
import type { AgentBundles, Bundle } from './bundles.ts'
import { agentError } from './errors.ts'

const ATTEMPTS = 3

export class AgentUpdates {
  readonly #context: ServerContext
  readonly #engine: Pick<JobEngine, 'create'>
  readonly #bundles: AgentBundles

  constructor({ context, engine, bundles }: { context: ServerContext; engine: Pick<JobEngine, 'create'>; bundles: AgentBundles }) {
    this.#context = context
    this.#engine = engine
    this.#bundles = bundles
  }

  /** AGENT_UPDATE_NOT_TAKEN, AGENT_UPDATE_MISSING. */
  async begin(agentId: string, by: string): Promise<Job> {
    await this.#newer(agentId)
    const { catalog } = this.#context
    const running = await catalog.jobs.list(
      { limit: 1 },
      { agentId, types: ['agent-update'], states: ['scheduled', 'queued', 'in-progress'] },
    )
    return running.items[0] ?? (await this.#engine.create({ type: 'agent-update', agentId, createdBy: by, isAdHoc: true, priority: 50 }))
  }

  kind(): AgentJobKind {
    return {
      type: 'agent-update',
      where: 'agent',
      attempts: ATTEMPTS,
      task: async (job) => {
        const { version, sha256, sizeBytes } = await this.#newer(job.agentId ?? '')
        return { kind: 'update', jobId: job.id, version, sha256, sizeBytes }
      },
      beginning: async (job) => {
        // What was published since it said hello is news.
        await this.#move(job, 'find-update')
        await this.#move(job, 'update')
      },
      openSession: async () => {
        throw agentError('SESSION_REFUSED', 'an update needs no view of a pool')
      },
      outcome: async (_op, _job, report): Promise<JobOutcome> => {
        const { version, sha256 } = report
        if (typeof version !== 'string' || typeof sha256 !== 'string')
          throw jobError('JOB_WITHOUT_SUBJECT', 'the agent does not say what it put in place')
        return { result: { version, sha256, next: 'the agent begins anew with it as soon as no other job runs there' } }
      },
      // It is up to date when it says hello with the new version.
      failedOnce: (job) => this.#move(job, 'fail'),
      afterwards: async (job) => {
        if (job.state === 'failed' || job.state === 'cancelled') await this.#move(job, 'fail')
      },
    }
  }

  async #move(job: Job, event: 'find-update' | 'update' | 'fail'): Promise<void> {
    const agent = await this.#context.catalog.agents.find(job.agentId ?? '')
    if (agent) await moveAgent(this.#context, agent, event)
  }

  async #newer(agentId: string): Promise<Bundle> {
    const { name, platform, programVersion = '' } = await this.#context.catalog.agents.get(agentId)
    if (platform?.takesUpdates !== true)
      throw agentError('AGENT_UPDATE_NOT_TAKEN', `${name} does not take updates from its server`, { context: { agent: agentId } })
    const bundle = await this.#bundles.newerFor(String(platform.arch), programVersion)
    if (!bundle)
      throw agentError('AGENT_UPDATE_MISSING', `there is no file with a newer agent than ${programVersion} for ${String(platform.arch)}`, {
        context: { agent: agentId },
      })
    return bundle
  }
}
