/** What this server asks of its vault. The vault's client is one; without any, no vault is registered and nothing of it is asked. */
import type { Operation } from '../../base/operation.ts'
import type { Subscription } from '../../protection/index.ts'

export interface VaultAnswer {
  readonly subscription: Exclude<Subscription, 'none'>
  /** It does not know the latest policy (33413). */
  readonly isPolicyOutOfSync?: boolean
}

export interface CopyWish {
  readonly poolId: string
  readonly sourceId: string
  readonly pointId: string
}

export interface CopyReport {
  readonly bytesSent: number
  readonly warnings?: number
}

export interface VaultLink {
  /** As people call the vault. */
  readonly vaultName: string
  /** CLOUD_UNREACHABLE when nobody answers, VAULT_CERTIFICATE_INVALID when this server must register again. */
  contact(op: Operation): Promise<VaultAnswer>
  /** The second copy of a recovery point: durable in the vault when this returns. One that is there already costs nothing. */
  copy(op: Operation, wish: CopyWish): Promise<CopyReport>
}
