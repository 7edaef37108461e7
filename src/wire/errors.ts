/**
 * What both ends of the wire say. Where the product that people come from has a number for it, `context.domainCode` holds that number.
 */
import { defineErrors } from '../base/errors.ts'

export const wireError = defineErrors({
  CREDENTIALS_UNREADABLE: {
    kind: 'invalid',
    hint: 'Download a new credentials file of the vault; this one is not a .VaultCredentials file, or it was changed.',
  },
  CREDENTIALS_EXPIRED: { kind: 'unauthenticated', hint: 'Download a new credentials file of the vault; each one is good for 48 hours.' },
  CREDENTIALS_FOREIGN: {
    kind: 'unauthenticated',
    hint: 'Download a new credentials file from the vault that it is for; this one was signed by another vault.',
  },
  CREDENTIALS_SUPERSEDED: {
    kind: 'unauthenticated',
    hint: 'Use the newest credentials file of the vault; downloading one voids those before it.',
  },
  CREDENTIALS_USED: { kind: 'unauthenticated', hint: 'Download a new credentials file; each one registers one server.' },
  VAULT_UNREACHABLE: {
    kind: 'unavailable',
    retry: 'later',
    hint: 'Check that the vault is running and that this machine can reach its address, then run the command again.',
  },
  VAULT_REFUSED: { kind: 'forbidden', hint: 'The vault, or a proxy before it, refused the request; look at the log of the vault.' },
  VAULT_ANSWER_INVALID: {
    kind: 'unavailable',
    hint: 'Check the address: what answers there is not a Terp vault, or one of another version, or a proxy changes its answers.',
  },
})

/** The numbers under which people of MABS and DPM know these refusals, and search for them. */
export const domainCodes = {
  nameTaken: 34511,
  credentialsExpired: 34513,
  credentialsUnreadable: 34527,
  credentialsForeign: 100110,
  clockSkew: 130052,
} as const
