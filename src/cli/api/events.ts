/**
 * What happens on a server, as it happens: server-sent events (WHATWG HTML §9.2), taken up again after a break where they ended. A server that
 * was away for longer than it remembers says so by the event `reset`; then, and after each break, the listener has to ask for how things are.
 */
import type { IncomingMessage } from 'node:http'
import { TerpError } from '../../base/errors.ts'
import type { Operation } from '../../base/operation.ts'
import type { Api } from './api.ts'

export interface ServerEvent {
  /** `again` is ours: the stream began, or began anew. */
  readonly event: string
  readonly data: unknown
}

const AGAIN_MS = 3000
/** An event is a few hundred bytes; more than this is no event. */
const MOST_CHARACTERS = 4 * 1024 * 1024

/** Until the listener stops, or the server refuses. What a break of the network interrupts goes on by itself. */
export async function* listen(op: Operation, api: Api, topics: readonly string[]): AsyncGenerator<ServerEvent> {
  for (let lastId: string | undefined; ; ) {
    let stream: IncomingMessage | undefined
    try {
      const headers = { accept: 'text/event-stream', ...(lastId !== undefined && { 'last-event-id': lastId }) }
      stream = await api.open('/events', { topics: topics.join(',') }, headers)
      yield { event: 'again', data: undefined }
      for await (const each of readEvents(stream)) {
        if (each.id !== undefined) lastId = each.id
        yield { event: each.event, data: each.data }
      }
    } catch (error) {
      op.check()
      if (error instanceof TerpError && !MAY_PASS.has(error.code)) throw error
    } finally {
      stream?.destroy()
    }
    await op.clock.sleep(AGAIN_MS, op.signal)
  }
}

/** A server that restarts, or a line that breaks. */
const MAY_PASS: ReadonlySet<string> = new Set(['SERVER_UNREACHABLE', 'SERVER_STOPPING', 'API_TOO_MANY_STREAMS'])

interface Received extends ServerEvent {
  readonly id: string | undefined
}

/** Fields of an event are lines; an empty line ends it; a line that begins with a colon says nothing. */
export async function* readEvents(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Received> {
  const decoder = new TextDecoder()
  let rest = ''
  let id: string | undefined
  let event = ''
  let data: string[] = []
  for await (const bytes of stream) {
    rest += decoder.decode(bytes, { stream: true })
    if (rest.length > MOST_CHARACTERS) return
    const lines = rest.split(/\r\n|\n|\r(?!$)/)
    rest = lines.pop() as string
    for (const line of lines) {
      if (line === '') {
        if (data.length > 0) yield { id, event: event === '' ? 'message' : event, data: parsed(data.join('\n')) }
        event = ''
        data = []
        continue
      }
      const [, field = '', value = ''] = /^([^:]*):? ?([\s\S]*)$/.exec(line) ?? []
      if (field === 'event') event = value
      else if (field === 'data') data.push(value)
      else if (field === 'id' && !value.includes('\0')) id = value
    }
  }
}

/** Undefined for what is no JSON: it tells nothing then. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
