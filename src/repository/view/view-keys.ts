/**
 * A view is a repository that an agent sees: the chunk ids of a pool, under keys of its own (docs/adr/0015-an-agents-view.md). Its keys follow from the pool's
 * and a name, so nothing of a view is stored, and what one agent has tells nothing about another's.
 */
import type { RepositoryFormat } from '../format/format-file.ts'
import { deriveKeys, hkdf, type KeyBundle, type RepositoryKeys } from '../keys/hierarchy.ts'
import type { Repository } from '../repository.ts'

export interface ViewKeys {
  /** What the agent is given. */
  readonly bundle: KeyBundle
  readonly format: RepositoryFormat
  readonly keys: RepositoryKeys
}

/** `scope` says whose view of what it is; the same one gives the same keys. */
export function viewKeys(pool: Repository, scope: string): ViewKeys {
  const { bundle, format } = pool
  const bytes = hkdf(bundle.masterKey, format.repositoryId, `terp/1/view ${scope}`, 48)
  const own: KeyBundle = { masterKey: bytes.slice(0, 32), idKey: bundle.idKey, chunkingKey: bundle.chunkingKey }
  const ownFormat: RepositoryFormat = {
    ...format,
    version: 2,
    kind: 'pool',
    repositoryId: Buffer.from(bytes.subarray(32)).toString('hex'),
    // Objects of a view are named by whatever hashes content quickest here; they go no further than the server.
    objectHash: format.contentHash,
    padding: 'none',
  }
  return { bundle: own, format: ownFormat, keys: deriveKeys(own, ownFormat.repositoryId, ownFormat) }
}
