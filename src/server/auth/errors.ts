import { defineErrors } from '../../base/errors.ts'

export const authError = defineErrors({
  AUTH_REQUIRED: { kind: 'unauthenticated', hint: 'Sign in, or send an API token as `Authorization: Bearer ...`.' },
  AUTH_FAILED: { kind: 'unauthenticated', hint: 'Check name, password and code; after five failures each attempt has to wait longer.' },
  AUTH_CODE_REQUIRED: { kind: 'unauthenticated', hint: 'Give the code of your authenticator app, or a recovery code.' },
  AUTH_TOO_OFTEN: { kind: 'exhausted', retry: 'later', hint: 'Wait as long as Retry-After says; attempts before that are not looked at.' },
  AUTH_FORBIDDEN: { kind: 'forbidden', hint: 'Ask a security administrator for a role that may do this.' },
  AUTH_STEP_UP_REQUIRED: {
    kind: 'forbidden',
    hint: 'Prove again who you are (POST /api/v1/session/step-up): this act needs password and code of the last five minutes.',
  },
  AUTH_CSRF: { kind: 'forbidden', hint: 'Send the token of GET /api/v1/session in Terp-CSRF, from the page of this server.' },
  AUTH_ACCOUNT_INCOMPLETE: {
    kind: 'forbidden',
    hint: 'First change your password, or enrol a second factor, as GET /api/v1/session says.',
  },
  AUTH_LAST_ADMINISTRATOR: { kind: 'conflict', hint: 'Make somebody else security administrator first.' },
  AUTH_ROLES_EXCEEDED: { kind: 'forbidden', hint: 'A token has at most the roles of who makes it.' },
  AUTH_TOTP_NOT_OFFERED: { kind: 'conflict', hint: 'Begin with POST /api/v1/session/totp.' },
  AUTH_PASSWORD_WEAK: { kind: 'invalid', hint: 'Take a longer one that is not made of the name: four random words, say.' },
  AUTH_DIRECTORY_UNAVAILABLE: {
    kind: 'unavailable',
    retry: 'later',
    hint: 'Check the directory, its address, its certificate and the account that searches it (GET /api/v1/settings/directory); accounts of this server still work.',
  },
  AUTH_DIRECTORY_ACCOUNT: { kind: 'conflict', hint: 'Change the password where the account is: in the directory.' },
  AUTH_SAME_PERSON: { kind: 'forbidden', hint: 'Ask another person with the right role to approve it, with an account of their own.' },
  AUTH_APPROVAL_STALE: { kind: 'conflict', hint: 'Ask for it again: who asked may not do it any more, or this version does it otherwise.' },
  SETUP_DONE: { kind: 'conflict', hint: 'The first account was made; sign in with it.' },
  SETUP_SECRET_WRONG: { kind: 'unauthenticated', hint: 'Use the text in the file setup-secret of the data folder.' },
})
