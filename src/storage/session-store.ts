/** An agent's view of a pool on its backup server: docs/adr/0015-an-agents-view.md. One for each thread of an agent. */
import { isMainThread } from 'node:worker_threads'
import { systemClock } from '../base/clock.ts'
import { AgentSigner, agentPaths, readSigningKey } from '../wire/index.ts'
import { HttpStore } from './http-store.ts'
import { KnownObjects } from './known-objects.ts'
import type { ObjectStore } from './object-store.ts'
import { type PinnedIdentity, pinnedFetch } from './pinned-fetch.ts'
import { ReadAhead } from './read-ahead.ts'
import { paceOf, pieceBytes, type SharedThrottle } from './throttle.ts'

/** Plain data, so that it can be handed to a worker of the agent. */
export interface SessionAccess {
  readonly url: string
  readonly agentId: string
  readonly sessionId: string
  readonly epoch: number
  readonly use: 'backup' | 'restore'
  readonly identity: PinnedIdentity
  /** Of all threads of the session together. */
  readonly throttle?: SharedThrottle
  /** Compressed harder. */
  readonly isNarrow?: boolean
}

/** A server that restarts, or a line that is cut, is waited for: about ten minutes. */
const TRIES = 40

export function openSessionStore(access: SessionAccess, lane: string): ObjectStore {
  const { url, agentId, sessionId, epoch, use, identity, throttle, isNarrow = false } = access
  const signer = new AgentSigner({ agentId, epoch, lane, key: readSigningKey(identity.privateKey) })
  const paced = throttle ? { pace: paceOf(throttle, systemClock()), pieceBytes: pieceBytes(throttle) } : {}
  const objects = new HttpStore(
    {
      description: `${url} (session ${sessionId.slice(0, 8)})`,
      url,
      peer: 'server',
      object: (name) => agentPaths.object(sessionId, name),
      list: agentPaths.objects(sessionId),
      prove: (op, { method, target, body }) => signer.headers(op, method, target, body, method === 'PUT' && target.endsWith('.pack')),
      tries: TRIES,
      checksChunks: true,
      isNarrow,
    },
    pinnedFetch(identity, paced),
  )
  // What the workers of a restore read is content, here and there: what lies around it is mostly not wanted.
  if (isMainThread) return new ReadAhead(new KnownObjects(objects))
  return use === 'backup' ? new ReadAhead(objects) : objects
}
