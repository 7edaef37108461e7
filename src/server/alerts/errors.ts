import { defineErrors } from '../../base/errors.ts'

export const alertError = defineErrors({
  CHANNEL_REFUSED: {
    kind: 'unavailable',
    hint: 'Check address, port and credentials of the channel; the message says what the other side answered.',
  },
  CHANNEL_NO_MAIL: {
    kind: 'conflict',
    hint: 'Set up a channel of kind smtp first (`terp channel create`), and send a test message over it.',
  },
  CHANNEL_ADDRESS_REFUSED: {
    kind: 'invalid',
    hint: 'Give the address of a receiver: addresses of the link (169.254.0.0/16, fe80::/10), of groups, and of nobody are none.',
  },
  CHANNEL_SECRET_MISSING: { kind: 'invalid', hint: 'Give the password of the mail server, or the key with which the webhook is signed.' },
  CHANNEL_KIND_FIXED: { kind: 'conflict', hint: 'The kind of a channel stays what it is: make another one.' },
})
