/** What nobody needs any more: sessions that ended, limits that limit nobody, answers that were kept for a repetition. */
import type { ServerContext } from '../context.ts'
import { refreshDirectoryAccounts } from './directory/refresh.ts'
import { accountPolicy, DAY_MS, networkPolicy, sessionPolicy } from './policy.ts'

const EVERY_MS = DAY_MS / 24

export async function tidyAccess({ catalog, op }: Pick<ServerContext, 'catalog' | 'op'>): Promise<void> {
  const nowMs = op.clock.nowMs()
  await catalog.sessions.removeEnded(sessionPolicy)
  // A bucket that had the time to fill up is as good as none.
  const bucketsBeforeMs = nowMs - networkPolicy.capacity * networkPolicy.refillMs
  await catalog.limits.forget({ failuresBeforeMs: nowMs - accountPolicy.forgetMs, bucketsBeforeMs })
  await catalog.idempotency.removeBefore(nowMs - DAY_MS)
}

/** Until the server stops. */
export async function keepTidy(context: ServerContext): Promise<void> {
  const { op } = context
  while (!op.signal.aborted) {
    await tidyAccess(context)
    try {
      await refreshDirectoryAccounts(context)
    } catch (error) {
      op.warn({ code: 'AUTH_DIRECTORY_UNAVAILABLE', message: `accounts of the directory were not looked at: ${String(error)}` })
    }
    try {
      await op.clock.sleep(EVERY_MS, op.signal)
    } catch {
      // Woken by the end of the server.
      return
    }
  }
}
