/** An agent's state changes by an event of the domain's machine (§10.12), or not at all; whoever listens is told, and so is the alert that belongs to it. */
import type { Agent } from '../../catalog/index.ts'
import { type AgentEvent, type AgentState, agentMachine, transition } from '../../protection/index.ts'
import type { ServerContext } from '../context.ts'

/** The state after it: the same, where the event leads nowhere from the state that it is in. */
export async function moveAgent(
  { catalog, events }: ServerContext,
  agent: Pick<Agent, 'id' | 'name' | 'state'>,
  event: AgentEvent,
): Promise<AgentState> {
  const next = transition(agentMachine, agent.state, event)
  if (!next.isLegal || next.to === agent.state) return agent.state
  if (await catalog.agents.setState(agent.id, next.to)) events.publish('agent', { id: agent.id, name: agent.name, state: next.to })
  return next.to
}

/** Of an agent that said hello: it is there, and its program is as new as the server's, or as what is published for it, or not. */
export async function greetAgent(
  context: ServerContext,
  agent: Agent,
  version: string,
  published: string = context.version,
): Promise<AgentState> {
  let state = await moveAgent(context, agent, 'connect')
  if (isOlder(version, context.version) || isOlder(version, published)) state = await moveAgent(context, { ...agent, state }, 'find-update')
  else if (state === 'update-available') state = await moveAgent(context, { ...agent, state }, 'updated')
  return state
}

/** By their numbers; what is not a version, such as that of a program from its sources, is as new as any. */
export function isOlder(version: string, than: string): boolean {
  const [mine, other] = [numbersOf(version), numbersOf(than)]
  if (!mine || !other) return false
  for (let n = 0; n < 3; n++) {
    const difference = (mine[n] ?? 0) - (other[n] ?? 0)
    if (difference !== 0) return difference < 0
  }
  return false
}

function numbersOf(version: string): readonly number[] | undefined {
  const match = /^v?(\d+)\.(\d+)\.(\d+)/.exec(version)
  return match?.slice(1).map(Number)
}
