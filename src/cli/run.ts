/** One run of one command: an operation that signals interrupt, progress, warnings, and errors that become text and an exit code. */
import { type LoopMeter, measureLoopDelay, systemClock } from '../base/clock.ts'
import { asTerpError, baseError, type TerpError } from '../base/errors.ts'
import { type Operation, startOperation, type Warning } from '../base/operation.ts'
import { type Disk, systemDisk } from '../platform/index.ts'
import type { Config } from './config.ts'
import { EXIT_CODES, type ExitCode, exitCodeOf } from './exit-codes.ts'
import { Output, type Streams } from './output.ts'
import type { Programs } from './programs.ts'
import { ProgressReporter } from './progress.ts'

export interface Run {
  readonly op: Operation
  readonly output: Output
  readonly config: Config
  readonly disk: Disk
  /** Begins to measure how free this thread is. */
  readonly measureLoopDelay: () => LoopMeter
  readonly programs: Programs
  /** All so far, each once. */
  readonly warnings: readonly Warning[]
  /** Also prints it. */
  warn(warning: Warning): void
}

export interface CommandContext {
  readonly streams: Streams
  readonly config: Config
  readonly programs: Programs
}

/** The most warnings that are kept; beyond it a report would not be read. */
const MOST_WARNINGS = 1000

/** `isLong`: with --json, its progress is printed too. */
export async function execute(
  context: CommandContext,
  options: { readonly isJson: boolean; readonly isLong: boolean },
  work: (run: Run) => Promise<ExitCode>,
): Promise<ExitCode> {
  const { streams, config, programs } = context
  const output = new Output(streams, { isJson: options.isJson, color: !config.noColor, debug: config.debug })
  const clock = systemClock()
  const progress = new ProgressReporter(output, clock)
  const stopper = new AbortController()
  const warnings: Warning[] = []
  const seen = new Set<string>()
  const warn = (warning: Warning) => {
    const key = `${warning.code}\n${warning.item ?? ''}\n${warning.message}`
    if (seen.has(key) || warnings.length >= MOST_WARNINGS) return
    seen.add(key)
    warnings.push(warning)
    output.warning(warning)
  }
  const op = startOperation({
    signal: stopper.signal,
    clock,
    onProgress: (at) => {
      if (options.isLong || !options.isJson) progress.report(at)
    },
    onWarning: warn,
  })
  const stopListening = onSignals(() => {
    stopper.abort(baseError('CANCELLED', 'interrupted'))
    if (streams.isErrTerminal) output.note('stopping cleanly; press Ctrl-C again to stop at once')
  })
  try {
    return await work({ op, output, config, disk: systemDisk(), measureLoopDelay, programs, warnings, warn })
  } catch (error) {
    progress.stop()
    const known = whatHappened(error, stopper.signal)
    output.error(known)
    return exitCodeOf(known)
  } finally {
    progress.stop()
    stopListening()
  }
}

/** Whatever breaks because of the interruption is the interruption. */
export function whatHappened(error: unknown, signal: AbortSignal): TerpError {
  const known = asTerpError(error)
  if (signal.aborted && known.kind === 'internal') return baseError('CANCELLED', 'interrupted', { cause: error })
  return known
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** The first asks to stop; a second one does not ask. */
function onSignals(stop: () => void): () => void {
  let isStopping = false
  const onSignal = () => {
    if (isStopping) process.exit(EXIT_CODES.interrupted)
    isStopping = true
    stop()
  }
  for (const signal of SIGNALS) process.on(signal, onSignal)
  return () => {
    for (const signal of SIGNALS) process.off(signal, onSignal)
  }
}

/** Until a signal comes. For what runs until it is stopped. */
export function untilStopped(op: Operation): Promise<void> {
  if (op.signal.aborted) return Promise.resolve()
  return new Promise((resolve) => op.signal.addEventListener('abort', () => resolve(), { once: true }))
}

/** For services: a signal must not end their work in the middle of a request. Closing them is what ends it. */
export function withoutSignal(op: Operation): Operation {
  return { ...op, signal: new AbortController().signal, check: () => {} }
}
