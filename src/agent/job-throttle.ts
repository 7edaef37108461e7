/** The throttle of one job, which changes when work hours begin and end. */
import { fromTimestamp } from '../base/clock.ts'
import type { Operation } from '../base/operation.ts'
import { aThrottle, type SharedThrottle, setRate } from '../storage/index.ts'
import type { BackupTask } from '../wire/index.ts'

type Wish = Pick<BackupTask, 'throttle' | 'throttleChanges'>

/** Undefined where there is none. Until `over`, it becomes what the task says, when that says so. */
export function jobThrottle(op: Operation, { throttle, throttleChanges = [] }: Wish, over: AbortSignal): SharedThrottle | undefined {
  if (throttle === undefined && throttleChanges.length === 0) return undefined
  const shared = aThrottle(throttle)
  void follow(op, shared, throttleChanges, over)
  return shared
}

async function follow(
  op: Operation,
  shared: SharedThrottle,
  changes: NonNullable<Wish['throttleChanges']>,
  over: AbortSignal,
): Promise<void> {
  for (const { at, throttle } of changes) {
    const waitMs = fromTimestamp(at) - op.clock.nowMs()
    try {
      if (waitMs > 0) await op.clock.sleep(waitMs, over)
    } catch {
      return // the job is over
    }
    if (over.aborted) return
    setRate(shared, throttle)
  }
}
