/** What a route answers, for the serializer and the description of the API. */
import { z } from 'zod'
import { approvalNeededShape, problemType } from '../../wire/index.ts'
import type { Route } from './route.ts'

export const problemDescription = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  code: z.string().describe('Stable; docs/errors.md lists all.'),
  kind: z.string(),
  retry: z.enum(['never', 'later', 'elsewhere']),
  hint: z.string().describe('What to do.'),
  context: z.record(z.string(), z.unknown()),
  requestId: z.string(),
})

export function responseShapes(route: Route): Record<string, unknown> {
  const problems = { description: 'What went wrong', content: { [problemType]: { schema: problemDescription } } }
  const refusals = { '4xx': problems, '5xx': problems }
  if (route.stream !== undefined) {
    const type = route.contentType ?? (route.stream === 'events' ? 'text/event-stream' : 'application/octet-stream')
    return { ...refusals, [route.status]: { description: route.summary, content: { [type]: { schema: z.string() } } } }
  }
  const done = route.answer ?? z.undefined().describe('Done; nothing to tell.')
  if (route.needsSecond === undefined) return { ...refusals, [route.status]: done }
  const needed = approvalNeededShape.describe('It waits for a second person.')
  return { ...refusals, [route.status]: done, 202: route.status === 202 ? z.union([needed, done]) : needed }
}
