import { defineErrors } from '../../base/errors.ts'

export const alertError = defineErrors({
  CHANNEL_REFUSED: {
    kind: 'unavailable',
    hint: 'Check address, port and credentials of the channel; the message says what the other side answered.',
  },
  CHANNEL_SECRET_MISSING: { kind: 'invalid', hint: 'Give the password of the mail server, or the key with which the webhook is signed.' },
  CHANNEL_KIND_FIXED: { kind: 'conflict', hint: 'The kind of a channel stays what it is: make another one.' },
})
