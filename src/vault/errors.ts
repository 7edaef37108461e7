import { defineErrors } from '../base/errors.ts'

export const vaultError = defineErrors({
  // The service and its folder.
  VAULT_FOLDER_NOT_FOUND: { kind: 'not-found', hint: 'Give the data folder of a vault service, or make one with `terp vault start`.' },
  VAULT_NOT_RUNNING: { kind: 'unavailable', hint: 'Start the vault service on this data folder with `terp vault start`.' },
  VAULT_BUSY: { kind: 'locked', hint: 'Another vault service runs on this data folder; stop it, or use it.' },
  VAULT_PORT_IN_USE: { kind: 'locked', hint: 'Choose another port, or stop the program that listens there.' },
  VAULT_ADDRESS_INVALID: { kind: 'invalid', hint: 'Give a host of this machine, such as 127.0.0.1, and a port that may be used.' },
  VAULT_DATA_INVALID: {
    kind: 'corrupt',
    hint: 'Restore vault.db and vault-key.pem of the data folder from a copy; the objects are not affected.',
  },
  VAULT_DATA_NEWER: { kind: 'invalid', hint: 'This data folder was used by a newer Terp; run that version.' },

  // Vaults, their credentials and servers.
  VAULT_EXISTS: { kind: 'conflict', hint: 'Choose another name, or use the vault that has it.' },
  VAULT_NOT_FOUND: { kind: 'not-found', hint: 'Check the name; make the vault with `terp vault create`.' },
  VAULT_FILE_UNWRITABLE: { kind: 'invalid', hint: 'Give a folder that exists and that you may write to.' },
  VAULT_SERVER_NAME_TAKEN: { kind: 'conflict', hint: 'Register under another name, or retire the server that has it.' },
  VAULT_SERVERS_FULL: { kind: 'exhausted', hint: 'A vault takes 50 servers: make another vault, or retire a server.' },
  VAULT_SERVER_NOT_FOUND: { kind: 'not-found', hint: 'Check the name of the server and of its vault.' },
  VAULT_KEY_INVALID: { kind: 'invalid', hint: 'Register with an Ed25519 key; Terp makes one by itself.' },

  // Who asks.
  VAULT_UNAUTHENTICATED: { kind: 'unauthenticated', hint: 'Register this server with the vault again.' },
  VAULT_SIGNATURE_INVALID: {
    kind: 'unauthenticated',
    hint: 'Register this server with the vault again; if that does not help, a proxy changes the requests.',
  },
  VAULT_CLOCK_SKEW: { kind: 'unauthenticated', hint: 'Set the clocks of this server and of the vault; they must agree within 5 minutes.' },
  VAULT_SERVER_RETIRED: { kind: 'forbidden', hint: 'This server was retired from the vault; register it again.' },
  VAULT_SERVER_FORBIDDEN: {
    kind: 'forbidden',
    hint: 'A server reaches its own objects only; use a recovery session to read those of another one.',
  },
  VAULT_RECOVERY_READ_ONLY: { kind: 'forbidden', hint: 'A recovery session reads only; register the server to write.' },
  VAULT_RECOVERY_ENDED: { kind: 'unauthenticated', hint: 'Open a new recovery session with a credentials file that has not expired.' },

  // Requests and objects.
  VAULT_REQUEST_INVALID: { kind: 'invalid', hint: 'Use a Terp of the same version as the vault.' },
  VAULT_ROUTE_NOT_FOUND: { kind: 'not-found', hint: 'Use a Terp of the same version as the vault.' },
  VAULT_CONDITION_REQUIRED: { kind: 'invalid', hint: 'Send If-None-Match: *; objects are only put if absent.' },
  VAULT_RANGE_INVALID: { kind: 'invalid', hint: 'Ask for one range of bytes with a beginning and an end.' },
  VAULT_BODY_TOO_LARGE: { kind: 'invalid', hint: 'An object has at most 72 MiB; use smaller packs.' },
  VAULT_BODY_MISMATCH: { kind: 'invalid', hint: 'The bytes that arrived are not those that were signed; run the command again.' },
  VAULT_NAME_MISMATCH: { kind: 'invalid', hint: 'An object that is named by its hash must have that hash.' },
  VAULT_MANIFEST_INVALID: { kind: 'invalid', hint: 'Use a Terp of the same version as the vault.' },
  VAULT_PACKS_MISSING: { kind: 'conflict', hint: 'Run the upload again; packs that the recovery point needs have not arrived.' },
  VAULT_FULL: { kind: 'exhausted', hint: 'Free space on the disk of the vault; nothing that was acknowledged is affected.' },
  VAULT_STORE_FAILED: { kind: 'unavailable', hint: 'The disk of the vault failed; check it and start the vault service again.' },
  VAULT_STOPPING: { kind: 'unavailable', retry: 'later', hint: 'The vault service is stopping; run the command again.' },
})
