/**
 * A process of its own that thaws: when it is told, when its time is up, and when the agent is gone, however that ended. It freezes too, so that no thread of the agent
 * ever waits for a file system to stand still. Nothing of this may depend on the agent: its threads may be the ones that wait for a frozen disk.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { hasCode } from '../../base/errors.ts'
import type { Operation } from '../../base/operation.ts'
import { close, O_DIRECTORY, O_RDONLY, openPath, PosixError, thawFileSystem } from '../../platform/index.ts'
import { workloadError } from '../errors.ts'
import type { FromHolder, HoldEnd, HoldOrder } from './hold-protocol.ts'

export interface Hold {
  /** Everything is thawed when it resolves. Fine to repeat. */
  release(): Promise<{ readonly why: HoldEnd; readonly thawed: number }>
}

export interface HoldWish {
  readonly freeze: readonly Buffer[]
  readonly watch: readonly Buffer[]
  readonly limitMs: number
}

/** Longer than starting a process takes on a machine that has a lot to do. */
const START_MS = 30_000
const PROBE_MS = 10_000

/** FREEZE_FAILED. */
export async function hold(op: Operation, { freeze, watch, limitMs }: HoldWish): Promise<Hold> {
  const text = (paths: readonly Buffer[]) => paths.map((path) => path.toString('base64'))
  const order: HoldOrder = { freeze: text(freeze), watch: text(watch), limitMs }
  const program = fileURLToPath(new URL('./holder-process.ts', import.meta.url))
  const child = fork(program, [JSON.stringify(order)], {
    // Signals of the agent's terminal are not for it: it ends when the agent does.
    detached: true,
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    execArgv: ['--disable-warning=ExperimentalWarning'],
    env: { NODE_DISABLE_COMPILE_CACHE: '1' },
  })
  const messages = new Messages(child)
  const over = new AbortController()
  try {
    const late = op.clock.sleep(START_MS, over.signal).then(
      () => undefined,
      () => undefined,
    )
    const first = await Promise.race([messages.next(), late])
    if (first?.type === 'held') return new RunningHold(child, messages, freeze)
    // Not killed: it may be about to freeze, and thaws when it finds that nobody waits for it.
    if (child.connected) child.disconnect()
    if (first === undefined && child.pid !== undefined && !isRunning(child)) thawAll(freeze)
    const why =
      first?.type === 'failed' ? `${Buffer.from(first.path, 'base64').toString()} (${first.errno})` : 'the process for it did not begin'
    const context = first?.type === 'failed' ? { errno: first.errno } : {}
    throw workloadError('FREEZE_FAILED', `a file system could not be held still: ${why}`, { context })
  } finally {
    over.abort()
  }
}

/** Whether somebody froze it: to write to it would wait until that is over. */
export async function isFrozen(op: Operation, path: Buffer): Promise<boolean> {
  try {
    const held = await hold(op, { freeze: [path], watch: [], limitMs: PROBE_MS })
    await held.release()
    return false
  } catch (error) {
    if (!hasCode(error, 'FREEZE_FAILED')) throw error
    return error.context.errno === 'EBUSY'
  }
}

function isRunning(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null
}

/** What a process that was ended from outside left frozen. */
function thawAll(paths: readonly Buffer[]): void {
  for (const path of paths) {
    try {
      const fd = openPath(path, O_RDONLY | O_DIRECTORY)
      try {
        thawFileSystem(fd)
      } finally {
        close(fd)
      }
    } catch (error) {
      if (!(error instanceof PosixError)) throw error // it is there no more
    }
  }
}

class Messages {
  readonly #received: (FromHolder | undefined)[] = []
  #wake: () => void = () => {}
  #isOver = false

  constructor(child: ChildProcess) {
    child.on('message', (message) => this.#take(message as FromHolder))
    for (const event of ['error', 'exit']) child.on(event, () => this.#end())
  }

  #take(message: FromHolder): void {
    this.#received.push(message)
    this.#wake()
  }

  #end(): void {
    this.#isOver = true
    this.#wake()
  }

  /** Undefined when no more come. */
  async next(): Promise<FromHolder | undefined> {
    while (this.#received.length === 0 && !this.#isOver) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    return this.#received.shift()
  }
}

class RunningHold implements Hold {
  readonly #child: ChildProcess
  readonly #messages: Messages
  readonly #frozen: readonly Buffer[]
  #released: Promise<{ readonly why: HoldEnd; readonly thawed: number }> | undefined

  constructor(child: ChildProcess, messages: Messages, frozen: readonly Buffer[]) {
    this.#child = child
    this.#messages = messages
    this.#frozen = frozen
  }

  release() {
    this.#released ??= this.#end()
    return this.#released
  }

  async #end(): Promise<{ why: HoldEnd; thawed: number }> {
    if (this.#child.connected) this.#child.send('done', () => {})
    const last = await this.#messages.next()
    if (this.#child.connected) this.#child.disconnect()
    if (last?.type === 'ended') return { why: last.why, thawed: last.thawed }
    // Somebody ended the process that should have thawed.
    thawAll(this.#frozen)
    throw workloadError('FREEZE_FAILED', 'the process that thaws file systems was ended from outside')
  }
}
