/** What speaks to a vault is loaded when it is first used: most commands and all workers of a pool never do, and its libraries are half of what they would load. */
import type { Operation } from '../base/operation.ts'
import type { Fetch } from '../wire/index.ts'
import type { PinnedIdentity } from './pinned-fetch.ts'
import type { RecoverySession, Registration, RegistrationOptions } from './vault-registration.ts'
import type { VaultAccess, VaultStore } from './vault-store.ts'

/** As in pinned-fetch.ts, which is loaded with the first request. */
export function pinnedFetch(identity: PinnedIdentity): Fetch {
  let made: Promise<Fetch> | undefined
  return async (input, init) => {
    made ??= import('./pinned-fetch.ts').then((module) => module.pinnedFetch(identity))
    return (await made)(input, init)
  }
}

export async function openVaultStore(access: VaultAccess, network = fetch): Promise<VaultStore> {
  return new (await import('./vault-store.ts')).VaultStore(access, network)
}

/** As in vault-registration.ts. */
export async function registerServer(op: Operation, options: RegistrationOptions): Promise<Registration> {
  return await (await import('./vault-registration.ts')).registerServer(op, options)
}

/** As in vault-registration.ts. */
export async function openRecovery(
  op: Operation,
  options: Parameters<typeof import('./vault-registration.ts').openRecovery>[1],
): Promise<RecoverySession> {
  return await (await import('./vault-registration.ts')).openRecovery(op, options)
}
