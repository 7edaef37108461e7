/** For tests that must start none of the other programs. */
import type { Programs } from '../programs.ts'

const unexpected = async () => {
  throw new Error('not in this test')
}

export const NO_PROGRAMS: Programs = {
  version: '1.2.3',
  projectFolder: '/nowhere',
  vault: { start: unexpected, createVault: unexpected, downloadCredentials: unexpected },
  page: { start: unexpected },
  server: { restore: unexpected, start: unexpected, look: unexpected, resetAdministrator: unexpected },
  agent: { enroll: unexpected, describe: unexpected, bundle: unexpected, start: unexpected },
}
