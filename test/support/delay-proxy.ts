/**
 * A line between two programs, in user space: TCP with so much delay each way, so many bits a second each way, and now and then a stall, which is what a lost packet looks
 * like from above. The kernel here has no netem.
 */
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { seededRandom } from '../../src/base/random.ts'

export interface LineOptions {
  readonly toPort: number
  readonly port?: number
  /** One way. */
  readonly delayMs: number
  readonly bitsPerSecond?: number
  /** Of each 64 KiB, how likely they come later by `stallMs`, with all behind them on that connection. */
  readonly stalls?: number
  readonly stallMs?: number
  readonly seed?: string
}

export interface Line {
  readonly port: number
  /** Bytes that went to the server, and that came from it. */
  readonly sent: { toServer: number; fromServer: number }
  /** Cuts all connections, as a cable that is pulled. */
  cut(): void
  close(): Promise<void>
}

const PIECE_BYTES = 65_536
/** Like the buffers of a long line: more than fits on it, and no more. */
const MOST_UNDER_WAY = 16 * 1024 * 1024

export async function aLine(options: LineOptions): Promise<Line> {
  const random = seededRandom(options.seed ?? 'line')
  const sent = { toServer: 0, fromServer: 0 }
  const ways = { toServer: { freeMs: 0 }, fromServer: { freeMs: 0 } }
  const sockets = new Set<Socket>()
  const server: Server = createServer({ allowHalfOpen: true }, (near) => {
    const far = connect({ port: options.toPort, host: '127.0.0.1', allowHalfOpen: true })
    for (const [from, to, way] of [
      [near, far, 'toServer'],
      [far, near, 'fromServer'],
    ] as const) {
      sockets.add(from)
      from.setNoDelay(true)
      from.on('error', () => to.destroy())
      from.on('close', () => {
        sockets.delete(from)
        setTimeout(() => to.destroy(), options.delayMs + 50)
      })
      pass(from, to, (bytes) => {
        sent[way] += bytes
        const now = performance.now()
        const line = ways[way]
        line.freeMs = Math.max(line.freeMs, now) + (options.bitsPerSecond ? (bytes * 8000) / options.bitsPerSecond : 0)
        const isLost = options.stalls !== undefined && bytes > 1000 && (random.bytes(2)[0] as number) / 256 < options.stalls
        return line.freeMs + options.delayMs + (isLost ? (options.stallMs ?? 2 * options.delayMs) : 0)
      })
    }
  })
  await new Promise<void>((resolve) => server.listen(options.port ?? 0, '127.0.0.1', resolve))
  const cut = () => {
    for (const socket of sockets) socket.destroy()
  }
  return {
    port: (server.address() as AddressInfo).port,
    sent,
    cut,
    close: () =>
      new Promise((resolve) => {
        cut()
        server.close(() => resolve())
      }),
  }
}

interface UnderWay {
  readonly dueMs: number
  /** Undefined for the end. */
  readonly piece: Buffer | undefined
}

/** In order, by one timer: what is behind never overtakes. */
function pass(from: Socket, to: Socket, dueMs: (bytes: number) => number): void {
  const queue: UnderWay[] = []
  let bytes = 0
  let timer: NodeJS.Timeout | undefined
  const look = () => {
    timer = undefined
    for (let first = queue[0]; first && first.dueMs <= performance.now(); first = queue[0]) {
      queue.shift()
      if (to.destroyed) continue
      if (first.piece) to.write(first.piece)
      else to.end()
      bytes -= first.piece?.length ?? 0
    }
    if (bytes < MOST_UNDER_WAY / 2) from.resume()
    wait()
  }
  const wait = () => {
    const first = queue[0]
    if (first && !timer) timer = setTimeout(look, Math.max(1, Math.ceil(first.dueMs - performance.now())))
  }
  let lastMs = 0
  const add = (atMs: number, piece: Buffer | undefined) => {
    lastMs = Math.max(lastMs, atMs)
    queue.push({ dueMs: lastMs, piece })
    wait()
  }
  from.on('data', (data: Buffer) => {
    for (let at = 0; at < data.length; at += PIECE_BYTES) {
      const piece = data.subarray(at, at + PIECE_BYTES)
      bytes += piece.length
      if (bytes > MOST_UNDER_WAY) from.pause()
      add(dueMs(piece.length), piece)
    }
  })
  from.on('end', () => add(performance.now(), undefined))
}
