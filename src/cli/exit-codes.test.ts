import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { archiveError } from '../archive/index.ts'
import { baseError, type ErrorDefinition } from '../base/errors.ts'
import { pageError } from '../page/errors.ts'
import { protectionError } from '../protection/index.ts'
import { pruneError, repositoryError } from '../repository/index.ts'
import { serverError } from '../server/errors.ts'
import { poolError } from '../server/pools/errors.ts'
import { storageError } from '../storage/index.ts'
import { vaultError } from '../vault/errors.ts'
import { wireError } from '../wire/index.ts'
import { cliError } from './errors.ts'
import { EXIT_CODES, EXIT_MEANINGS, EXIT_OF_CODE, type ExitCode, exitCodeOf } from './exit-codes.ts'

const ALL: Readonly<Record<string, ErrorDefinition>> = {
  ...archiveError.catalogue,
  ...baseError.catalogue,
  ...cliError.catalogue,
  ...pageError.catalogue,
  ...poolError.catalogue,
  ...protectionError.catalogue,
  ...pruneError.catalogue,
  ...repositoryError.catalogue,
  ...serverError.catalogue,
  ...storageError.catalogue,
  ...vaultError.catalogue,
  ...wireError.catalogue,
}

const EXPECTED: Readonly<Record<string, ExitCode>> = {
  REPOSITORY_NOT_FOUND: 10,
  POINT_NOT_FOUND: 10,
  SOURCE_NOT_FOUND: 10,
  PATH_NOT_IN_POINT: 10,
  REPOSITORY_BUSY: 11,
  SECRET_WRONG: 12,
  SECRET_MISSING: 12,
  VAULT_UNREACHABLE: 13,
  STORAGE_IO: 1,
  STORAGE_FULL: 1,
  VAULT_STORE_FAILED: 1,
  PACK_DAMAGED: 14,
  CHUNK_MISSING: 14,
  REPOSITORY_FORMAT_DAMAGED: 14,
  CREDENTIALS_EXPIRED: 15,
  CREDENTIALS_FOREIGN: 15,
  CREDENTIALS_USED: 15,
  REPOSITORY_EXISTS: 15,
  POOL_ALREADY_REGISTERED: 15,
  CANCELLED: 130,
  INTERNAL: 1,
  USAGE_INVALID: 2,
  SERVER_UNREACHABLE: 13,
  SERVER_CERTIFICATE_CHANGED: 12,
  SERVER_NOT_CHOSEN: 2,
}

describe('exit codes', () => {
  for (const [code, exit] of Object.entries(EXPECTED)) {
    it(`${code} ends with ${exit} (${EXIT_MEANINGS[exit]})`, () => {
      const definition = ALL[code]
      assert.ok(definition, `${code} is gone`)
      assert.equal(exitCodeOf({ code, kind: definition.kind }), exit)
    })
  }

  it('never call an error a success or a warning', () => {
    for (const [code, { kind }] of Object.entries(ALL)) {
      const exit = exitCodeOf({ code, kind })
      assert.ok(exit !== EXIT_CODES.ok && exit !== EXIT_CODES.warnings, code)
    }
  })

  it('are set for codes that exist', () => {
    for (const code of Object.keys(EXIT_OF_CODE)) assert.ok(code in ALL, `${code} is gone`)
  })

  it('all have a meaning', () => {
    for (const code of Object.values(EXIT_CODES)) assert.ok(EXIT_MEANINGS[code])
  })
})
