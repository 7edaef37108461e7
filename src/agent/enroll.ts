/** Becoming an agent of a server: a token that a person carried over says where the server is and how to know it; the agent makes its own key, which never leaves. */
import type { Operation } from '../base/operation.ts'
import { makeCertificate } from '../certificates/index.ts'
import type { Disk } from '../platform/index.ts'
import { pinnedFetch } from '../storage/index.ts'
import { AGENT_PROTOCOLS, agentPaths, decodeEnrolmentToken, enrolledShape, exchange, readAnswer } from '../wire/index.ts'
import { agentProgramError } from './errors.ts'
import { type AgentIdentity, readIdentity, writeIdentity } from './identity.ts'
import { thisPlatform } from './platform.ts'

export interface EnrollOptions {
  readonly disk: Disk
  /** The agent's data folder. */
  readonly folder: string
  /** `terp1.…` */
  readonly token: string
  /** In place of the address in the token. */
  readonly url?: string | undefined
  readonly name: string
  readonly version: string
  /** Leaves another server. */
  readonly replace: boolean
}

/** AGENT_TOKEN_UNREADABLE, AGENT_ENROLLED_ALREADY, AGENT_TOKEN_INVALID, SERVER_UNREACHABLE, SERVER_KEY_WRONG. */
export async function enroll(op: Operation, options: EnrollOptions): Promise<AgentIdentity> {
  const { folder, name, version } = options
  const token = decodeEnrolmentToken(options.token)
  if (!token) throw agentProgramError('AGENT_TOKEN_UNREADABLE', 'this is no enrolment token')
  if (!options.replace && (await readIdentity(options.disk, folder)))
    throw agentProgramError('AGENT_ENROLLED_ALREADY', `${folder} holds the identity of an agent`)
  const url = (options.url ?? token.url).replace(/\/+$/, '')
  const made = await makeCertificate({
    name: `terp agent ${name}`.slice(0, 64),
    random: op.random,
    nowMs: op.clock.nowMs(),
    algorithm: 'ed25519',
  })
  const fetch = pinnedFetch({ ...made, server: token.server })
  const body = new TextEncoder().encode(
    JSON.stringify({ token: token.token, name, protocols: AGENT_PROTOCOLS, version, platform: thisPlatform() }),
  )
  const request = { url, method: 'POST', target: agentPaths.enrolments, peer: 'server', tries: 1, body } as const
  const answer = await exchange(op, fetch, { ...request, headers: () => ({ 'content-type': 'application/json' }) })
  const { agentId, serverId, name: given } = readAnswer(answer, url, enrolledShape, 'server')
  const identity: AgentIdentity = { format: 'terp-agent', version: 1, agentId, serverId, name: given, url, server: token.server, ...made }
  await writeIdentity(options.disk, folder, identity)
  return identity
}
