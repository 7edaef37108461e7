import { defineErrors } from '../../base/errors.ts'

export const vaultError = defineErrors({
  VAULT_CERTIFICATE_INVALID: {
    kind: 'unauthenticated',
    hint: 'The vault knows this server no longer: register it again with fresh vault credentials.',
  },
  VAULT_REGISTERED_ELSEWHERE: { kind: 'conflict', hint: 'A server belongs to one vault at a time: give up that registration first.' },
})
