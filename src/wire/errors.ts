/**
 * What both ends of the wire say. Where the product that people come from has a number for it, `context.domainCode` holds that number.
 */
import { defineErrors, type TerpError } from '../base/errors.ts'

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
  SERVER_UNREACHABLE: {
    kind: 'unavailable',
    retry: 'later',
    hint: 'Check that the backup server is running and that this machine can reach its address and port.',
  },
  SERVER_KEY_WRONG: {
    kind: 'unauthenticated',
    hint: 'Somebody may stand between this agent and its server. If the server was set up anew, enrol the agent again.',
  },
  SERVER_REFUSED: {
    kind: 'forbidden',
    hint: 'The backup server, or a proxy before it, refused the request; look at the log of the server.',
  },
  SERVER_ANSWER_INVALID: {
    kind: 'unavailable',
    hint: 'Check the address: what answers there is not a Terp backup server, or one of another version, or a proxy changes its answers.',
  },
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

/** Whom one speaks to. */
export type Peer = 'vault' | 'server'

type Details = Parameters<typeof wireError>[2]

interface PeerErrors {
  unreachable(message: string, details: Details): TerpError
  refused(message: string, details: Details): TerpError
  invalid(message: string, details: Details): TerpError
}

export const peerErrors: Readonly<Record<Peer, PeerErrors>> = {
  vault: {
    unreachable: (message, details) => wireError('VAULT_UNREACHABLE', message, details),
    refused: (message, details) => wireError('VAULT_REFUSED', message, details),
    invalid: (message, details) => wireError('VAULT_ANSWER_INVALID', message, details),
  },
  server: {
    unreachable: (message, details) => wireError('SERVER_UNREACHABLE', message, details),
    refused: (message, details) => wireError('SERVER_REFUSED', message, details),
    invalid: (message, details) => wireError('SERVER_ANSWER_INVALID', message, details),
  },
}
