/** A folder of the real file system for one test, gone with it. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

export function temporaryFolder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'terp-test-'))
  t.after(() => {
    try {
      rmSync(path, { recursive: true, force: true })
    } catch {
      // Deeper than PATH_MAX, or with a name that is no UTF-8: Node cannot, rm can.
      execFileSync('rm', ['-rf', path])
    }
  })
  return path
}

/** For the `skip` option of tests that need root. */
export const needsRoot: false | string = process.geteuid?.() === 0 ? false : 'needs root'
