/** The vault service, and what the command line asks of a running one. */
export { warnWithoutTls } from './address.ts'
export { createVault, downloadCredentials, retireServer } from './admin-client.ts'
export { vaultError } from './errors.ts'
export { type RunningVault, startVault, type VaultOptions } from './service.ts'
