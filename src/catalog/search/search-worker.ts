/** The thread of the index of names: one question after the other. */
import { parentPort, workerData } from 'node:worker_threads'
import { toPlainError } from '../../base/errors.ts'
import { openSearchDatabase } from './database.ts'
import type { SearchAnswer, SearchQuestion } from './search.ts'
import { SearchIndex } from './search-index.ts'

const port = parentPort
if (port) {
  const opening = openSearchDatabase(workerData as string)
  let last: Promise<void> = Promise.resolve()
  port.on('message', (question: SearchQuestion) => {
    last = last.then(async () => port.postMessage(await answer(question)))
  })

  const answer = async ({ id, call }: SearchQuestion): Promise<SearchAnswer> => {
    try {
      const { database } = await opening
      const index = new SearchIndex(database)
      if (call.act === 'close') await database.destroy()
      return { id, result: call.act === 'close' ? undefined : await perform(index, call) }
    } catch (error) {
      return { id, error: toPlainError(error) }
    }
  }
}

function perform(index: SearchIndex, call: Exclude<SearchQuestion['call'], { act: 'close' }>): Promise<unknown> {
  switch (call.act) {
    case 'apply':
      return index.apply(call.change)
    case 'complete':
      return index.complete(call.sourceId, call.sequence)
    case 'newest':
      return index.newestOf(call.sourceId)
    case 'forget':
      return index.keepOnly(call.sourceId, call.sequences)
    case 'remove':
      return index.removeSource(call.sourceId)
    case 'tidy':
      return index.tidy(call.table, call.from)
    case 'search':
      return index.search(call.query, call.page)
  }
}
