/** A person at a terminal, for tests: each question is answered by the first answer whose words it holds. */
import type { FakeStreams } from './fake-streams.ts'
import { fakeStreams } from './fake-streams.ts'

export type Answers = readonly (readonly [question: string, answer: string | (() => string)])[]

export function terminalWith(answers: Answers): FakeStreams & { readonly asked: readonly string[] } {
  const asked: string[] = []
  const streams: FakeStreams = fakeStreams({ isErrTerminal: true, ask: answer, askSecret: answer })
  async function answer(question: string): Promise<string> {
    asked.push(question)
    const found = answers.find(([words]) => question.includes(words))
    if (!found) throw new Error(`a question without an answer: ${question}`)
    return typeof found[1] === 'string' ? found[1] : found[1]()
  }
  return Object.assign(streams, { asked })
}
