/** A vault in this process, for what the server does with what a vault says: it is there or not, its subscription is what a test wants, and it notes what it was given. */
import type { Operation } from '../../src/base/operation.ts'
import { protectionError, type Subscription } from '../../src/protection/index.ts'
import { vaultError } from '../../src/server/gate/errors.ts'
import type { CopyWish, VaultLink } from '../../src/server/gate/vault-link.ts'

export class VaultInProcess implements VaultLink {
  readonly vaultName = 'vault-1'
  isReachable = true
  subscription: Exclude<Subscription, 'none'> = 'active'
  isPolicyOutOfSync = false
  knowsServer = true
  readonly copied: CopyWish[] = []
  asked = 0

  async contact(_op: Operation) {
    this.asked++
    this.#check()
    return { subscription: this.subscription, isPolicyOutOfSync: this.isPolicyOutOfSync }
  }

  async copy(_op: Operation, wish: CopyWish) {
    this.#check()
    this.copied.push(wish)
    return { bytesSent: 1 }
  }

  #check(): void {
    if (!this.isReachable) throw protectionError('CLOUD_UNREACHABLE', 'nobody answers', { context: { domain_code: 100_050 } })
    if (!this.knowsServer)
      throw vaultError('VAULT_CERTIFICATE_INVALID', 'the vault does not know this certificate', { context: { domain_code: 100_087 } })
  }
}
