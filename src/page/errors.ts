import { defineErrors } from '../base/errors.ts'

export const pageError = defineErrors({
  PAGE_PORT_IN_USE: { kind: 'locked', hint: 'Choose another port with --port, or 0 for any free one.' },
  PAGE_ADDRESS_INVALID: { kind: 'invalid', hint: 'Choose a port that you may listen on, above 1023.' },
  PAGE_NOT_FOUND: { kind: 'not-found', hint: 'Go back to the recovery points.' },
  PAGE_LOCKED: { kind: 'forbidden', hint: 'Open the address that the program printed, with its token.' },
})
