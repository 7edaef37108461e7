/** Streams that remember, for tests of this room. */
import type { Streams } from '../output.ts'

export interface FakeStreams extends Streams {
  readonly outText: () => string
  readonly errText: () => string
  readonly liveTexts: readonly string[]
}

export function fakeStreams(options: Partial<Pick<Streams, 'isOutTerminal' | 'isErrTerminal' | 'askSecret' | 'ask'>> = {}): FakeStreams {
  const out: string[] = []
  const err: string[] = []
  const liveTexts: string[] = []
  return {
    out: (text) => void out.push(text),
    err: (text) => void err.push(text),
    isOutTerminal: false,
    isErrTerminal: false,
    columns: 80,
    live: (text) => void liveTexts.push(text),
    clearLive: () => {},
    ...options,
    outText: () => out.join(''),
    errText: () => err.join(''),
    liveTexts,
  }
}
