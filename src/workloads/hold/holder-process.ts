/** The process that thaws: see `holder.ts`. It writes to no disk, since the one that it would write to may be frozen. */
import { systemClock } from '../../base/clock.ts'
import { close, freezeFileSystem, O_DIRECTORY, O_NOATIME, O_RDONLY, openPath, PosixError, thawFileSystem } from '../../platform/index.ts'
import type { FromHolder, HoldEnd, HoldOrder } from './hold-protocol.ts'

const order = JSON.parse(process.argv[2] ?? '') as HoldOrder
/** Open from the beginning, so that thawing needs no path. */
const frozen: number[] = []

async function main(): Promise<void> {
  // A service that is stopped sends them to all its processes. To end here would leave things frozen; this ends when the agent does.
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => {})
  const asked = new Promise<HoldEnd>((resolve) => {
    process.on('disconnect', () => resolve('gone'))
    process.on('message', () => resolve('done'))
  })
  const over = new AbortController()
  for (const path of order.freeze) {
    const errno = freeze(path)
    if (errno === undefined) continue
    thaw()
    await tell({ type: 'failed', path, errno })
    process.exit(1)
  }
  await tell({ type: 'held' })
  const late = systemClock()
    .sleep(order.limitMs, over.signal)
    .then((): HoldEnd => 'limit')
  const why = await Promise.race([asked, late])
  const last: FromHolder = { type: 'ended', why, thawed: thaw() }
  await tell(last)
  // It is asked for what it did later, or the agent ends.
  if (why === 'limit') await asked
  process.exit(0)
}

/** The errno's name if that can't be. */
function freeze(path: string): string | undefined {
  let fd: number | undefined
  try {
    fd = openPath(Buffer.from(path, 'base64'), O_RDONLY | O_DIRECTORY)
    freezeFileSystem(fd)
    frozen.push(fd)
    return undefined
  } catch (error) {
    if (fd !== undefined) close(fd)
    return error instanceof PosixError ? error.code : String(error)
  }
}

/** How many were frozen. Those of others are opened only now: they may be unmounted meanwhile. */
function thaw(): number {
  let count = 0
  for (const fd of frozen.splice(0)) {
    if (thaws(fd)) count++
    close(fd)
  }
  for (const path of order.watch) {
    try {
      const fd = openPath(Buffer.from(path, 'base64'), O_RDONLY | O_DIRECTORY | O_NOATIME)
      if (thaws(fd)) count++
      close(fd)
    } catch (error) {
      if (!(error instanceof PosixError)) throw error // it is there no more
    }
  }
  return count
}

function thaws(fd: number): boolean {
  try {
    return thawFileSystem(fd)
  } catch (error) {
    if (error instanceof PosixError) return false // it can't be frozen at all
    throw error
  }
}

/** Also when nobody listens any more. */
function tell(message: FromHolder): Promise<void> {
  return new Promise((resolve) => {
    if (process.connected) process.send?.(message, undefined, undefined, () => resolve())
    else resolve()
  })
}

await main()
