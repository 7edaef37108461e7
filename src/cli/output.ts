/**
 * The only place that touches the standard streams. Results go to stdout; everything else to stderr. On a terminal the last lines may be a
 * progress display, which is taken away before anything else is printed.
 */
import type { createLogUpdate } from 'log-update'
import type { TerpError } from '../base/errors.ts'
import type { Warning } from '../base/operation.ts'
import { printable } from './format.ts'

export interface Streams {
  out(text: string): void
  err(text: string): void
  readonly isOutTerminal: boolean
  readonly isErrTerminal: boolean
  readonly columns: number
  /** Lines at the end of stderr that are replaced each time. */
  live(text: string): void
  clearLive(): void
  /** Without echo; undefined when there is no terminal to ask on. */
  askSecret?(prompt: string): Promise<string>
  /** One line, as it is typed; undefined when there is no terminal to ask on. */
  ask?(prompt: string): Promise<string>
}

export class Output {
  readonly streams: Streams
  readonly isJson: boolean
  readonly #color: boolean
  readonly #debug: boolean
  /** A query's one document is printed: nothing may follow it. */
  #hasDocument = false

  constructor(streams: Streams, options: { readonly isJson: boolean; readonly color: boolean; readonly debug: boolean }) {
    this.streams = streams
    this.isJson = options.isJson
    this.#color = options.color
    this.#debug = options.debug
  }

  /** A result for people. */
  print(text: string): void {
    this.streams.clearLive()
    this.streams.out(`${text}\n`)
  }

  /** A result for programs: one line. */
  printJson(value: object): void {
    this.streams.clearLive()
    if (!('message_type' in value)) this.#hasDocument = true
    this.streams.out(`${JSON.stringify(value)}\n`)
  }

  /** What is worth knowing but no result. Not in JSON mode. */
  note(text: string): void {
    if (this.isJson) return
    this.streams.clearLive()
    this.streams.err(`${text}\n`)
  }

  warning({ code, message, item }: Warning): void {
    const about = item === undefined || message.includes(item) ? '' : `${item}: `
    this.streams.clearLive()
    this.streams.err(`${this.paint('33', 'warning:')} ${printable(about + message)} (${code})\n`)
  }

  /** For people on stderr; for programs also a line of the stream on stdout. */
  error(error: TerpError): void {
    const { code, kind, hint, message, context } = error
    if (this.isJson && !this.#hasDocument) this.printJson({ message_type: 'error', code, kind, message, hint, context })
    this.streams.clearLive()
    this.streams.err(`${this.paint('31', 'terp:', this.streams.isErrTerminal)} ${printable(message)}\ncode: ${code}\nhint: ${hint}\n`)
    if (this.#debug) this.streams.err(`${stackOf(error)}\n`)
  }

  /** `sgr`: the number of an ANSI style. */
  paint(sgr: string, text: string, isTerminal: boolean = this.streams.isErrTerminal): string {
    return this.#color && isTerminal ? `\u001b[${sgr}m${text}\u001b[0m` : text
  }

  bold(text: string): string {
    return this.paint('1', text, this.streams.isOutTerminal)
  }

  dim(text: string): string {
    return this.paint('2', text, this.streams.isOutTerminal)
  }
}

function stackOf(error: Error): string {
  const cause = error.cause instanceof Error ? `\ncaused by ${stackOf(error.cause)}` : ''
  return `${error.stack ?? error.message}${cause}`
}

interface Library {
  create?: typeof createLogUpdate
}

export function systemStreams(): Streams {
  const { stdout, stderr, stdin } = process
  // Whoever closed the other end (`| head`) has seen enough: what is written from then on is lost, and that is fine.
  for (const stream of [stdout, stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error
    })
  }
  // Loaded when the first progress comes; what comes before it is there is not shown.
  let library: Library | undefined
  let log: ReturnType<typeof createLogUpdate> | undefined
  const streams: Streams = {
    out: (text) => void stdout.write(text),
    err: (text) => void stderr.write(text),
    isOutTerminal: stdout.isTTY === true,
    isErrTerminal: stderr.isTTY === true,
    get columns() {
      return stderr.columns || 80
    },
    live(text) {
      if (!library) {
        const loading: Library = {}
        library = loading
        void import('log-update').then((module) => {
          loading.create = module.createLogUpdate
        })
      }
      // A terminal that does not know its width would show nothing but control characters.
      if (!stderr.columns) return
      log ??= library.create?.(stderr)
      log?.(text)
    },
    clearLive() {
      log?.clear()
      log?.done()
      log = undefined
    },
  }
  return stdin.isTTY && stderr.isTTY ? Object.assign(streams, { askSecret, ask }) : streams
}

const ENTER = 0x0d
const LINE_FEED = 0x0a
const END_OF_FILE = 0x04
const INTERRUPT = 0x03
const RUB_OUT = 0x7f
const BACKSPACE = 0x08

/** Raw mode keeps the terminal from echoing; so the keys that it would handle are handled here. */
function askSecret(prompt: string): Promise<string> {
  const { stdin, stderr } = process
  stderr.write(prompt)
  stdin.setRawMode(true)
  stdin.resume()
  return new Promise((resolve) => {
    const typed: number[] = []
    const onData = (bytes: Buffer) => {
      for (const byte of bytes) {
        if (byte === INTERRUPT) process.kill(process.pid, 'SIGINT')
        if (byte === ENTER || byte === LINE_FEED || byte === END_OF_FILE || byte === INTERRUPT) {
          stdin.off('data', onData)
          stdin.setRawMode(false)
          stdin.pause()
          stderr.write('\n')
          resolve(Buffer.from(typed).toString('utf8'))
          return
        }
        if (byte === RUB_OUT || byte === BACKSPACE) typed.pop()
        else typed.push(byte)
      }
    }
    stdin.on('data', onData)
  })
}

function ask(prompt: string): Promise<string> {
  const { stdin, stderr } = process
  stderr.write(prompt)
  stdin.resume()
  return new Promise((resolve) => {
    stdin.once('data', (bytes: Buffer) => {
      stdin.pause()
      resolve(bytes.toString('utf8').replace(/\r?\n[\s\S]*$/, ''))
    })
  })
}
