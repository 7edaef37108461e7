/** Where a quickstart keeps what it makes: all below one data folder. */
import { join } from 'node:path'

export const VAULT_NAME = 'quickstart'

export interface QuickstartPlaces {
  readonly data: string
  readonly pool: string
  readonly vault: string
  readonly keys: string
  readonly poolKey: string
  readonly recoveryKey: string
  readonly vaultPassphrase: string
}

export function quickstartPlaces(data: string): QuickstartPlaces {
  const keys = join(data, 'keys')
  return {
    data,
    pool: join(data, 'pool'),
    vault: join(data, 'vault'),
    keys,
    poolKey: join(keys, 'pool.key'),
    recoveryKey: join(keys, 'pool-recovery-key.txt'),
    vaultPassphrase: join(keys, 'vault-passphrase.txt'),
  }
}
