/** What the agent tells of a job: in order, numbered, until the server has it; and that it lives, when there is nothing to tell. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { letOthersRun, ManualClock } from '../base/clock.ts'
import { baseError, type TerpError } from '../base/errors.ts'
import { startOperation } from '../base/operation.ts'
import { agentError } from '../server/agents/errors.ts'
import { type AgentEvent, agentLimits } from '../wire/index.ts'
import { EventChannel } from './event-channel.ts'

const AT = '2026-01-01T00:00:00.000Z'
const LAST: AgentEvent = { type: 'finished', at: AT, report: {} }

function aChannel() {
  const clock = new ManualClock()
  const op = startOperation({ clock })
  const told: { first: number; events: readonly AgentEvent[] }[] = []
  const line = { cancel: false, error: undefined as TerpError | undefined, cancelled: 0 }
  const connection = {
    events: async (_op: unknown, _job: string, first: number, events: readonly AgentEvent[]) => {
      told.push({ first, events })
      if (line.error) throw line.error
      return { next: first + events.length, cancel: line.cancel }
    },
  }
  const channel = new EventChannel(op, connection, 'job', () => line.cancelled++)
  const settle = async () => {
    for (let n = 0; n < 20; n++) await letOthersRun()
  }
  const pass = async (ms: number) => {
    for (let passed = 0; passed < ms; passed += 500) {
      clock.advance(500)
      await settle()
    }
  }
  return { channel, told, line, pass, settle }
}

function gapless(told: readonly { first: number; events: readonly AgentEvent[] }[]): boolean {
  let next = 0
  return told.every(({ first, events }) => {
    const isNext = first === next
    next = first + events.length
    return isNext
  })
}

test('progress is told at most once a second, and the last of it', async () => {
  const { channel, told, pass } = aChannel()
  for (let n = 0; n < 100; n++) channel.progress({ phase: 'backup', filesDone: n, bytesDone: n })
  await pass(2000)
  const progress = told.flatMap(({ events }) => events).filter((event) => event.type === 'progress')
  assert.deepEqual(
    progress.map((event) => event.progress.filesDone),
    [99],
  )
  await channel.end(LAST)
  assert.ok(gapless(told))
})

test('a job with nothing to say says that it lives', async () => {
  const { channel, told, pass } = aChannel()
  await pass(5 * agentLimits.heartbeatMs)
  const beats = told.filter(({ events }) => events.length === 0).length
  assert.ok(beats >= 4 && beats <= 6, String(beats))
  await channel.end(LAST)
  assert.deepEqual(told.at(-1), { first: 0, events: [LAST] })
})

test('more events than a request holds go in several', async () => {
  const { channel, told, settle } = aChannel()
  for (let n = 0; n < 1200; n++) channel.tell({ type: 'step', at: AT, name: String(n) })
  await settle()
  await channel.end(LAST)
  assert.ok(gapless(told))
  assert.ok(told.every(({ events }) => events.length <= agentLimits.eventsPerRequest))
  assert.equal(told.flatMap(({ events }) => events).length, 1201)
})

test('warnings are told up to a bound', async () => {
  const { channel, told } = aChannel()
  for (let n = 0; n < 1500; n++) channel.warn({ code: 'SOURCE_UNREADABLE', message: String(n) })
  await channel.end(LAST)
  assert.equal(told.flatMap(({ events }) => events).filter(({ type }) => type === 'warning').length, 1000)
})

test('the server’s word that the job is cancelled reaches the job', async () => {
  const { channel, line } = aChannel()
  line.cancel = true
  channel.step('one')
  await channel.end(LAST)
  assert.ok(line.cancelled > 0)
})

test('a server that wants to hear no more ends the job; a fault that passes does not', async () => {
  const faulty = aChannel()
  faulty.line.error = baseError('INTERNAL', 'a fault')
  faulty.channel.step('one')
  await faulty.pass(3000)
  assert.equal(faulty.line.cancelled, 0)
  faulty.line.error = undefined
  await faulty.pass(2000)
  await faulty.channel.end(LAST)
  assert.deepEqual(faulty.told.at(-1), { first: 1, events: [LAST] })

  const refused = aChannel()
  refused.line.error = agentError('AGENT_UNKNOWN', 'gone')
  refused.channel.step('one')
  await refused.settle()
  assert.equal(refused.line.cancelled, 1)
  await refused.channel.end(LAST)
})
