/**
 * What the shapes alone do not say: which headers a request needs, who may make it and with what proof, and what an answer means. From the table of
 * routes, into the description of the API, so that a client that is generated from it can do all that the API can. Pure.
 */
import { apiHeaders } from '../../wire/index.ts'
import { isChange, type Route } from './route.ts'

type Json = Record<string, unknown>

interface Operation extends Json {
  operationId?: string
  summary?: string
  description?: string
  parameters?: Json[]
  responses?: Record<string, Json>
  security?: Json[]
}

export interface ApiDescription extends Json {
  paths?: Record<string, Record<string, Operation>>
  components?: { schemas?: Record<string, Json> }
}

export const securitySchemes = {
  token: { type: 'http', scheme: 'bearer', description: 'An API token: `terp token create`.' },
  session: { type: 'apiKey', in: 'cookie', name: '__Host-terp', description: 'A person who is signed in: POST /api/v1/session.' },
  csrf: {
    type: 'apiKey',
    in: 'header',
    name: apiHeaders.csrf,
    description:
      'With a session that changes something: `csrfToken` of GET /api/v1/session, together with the header Origin (this server).',
  },
} as const

/** Of each tag that routes have; one that is missing here is no reason to fail. */
const TAGS: Readonly<Record<string, string>> = {
  'Set-up': 'The first account.',
  Session: 'Signing in, and the own account.',
  Accounts: 'Accounts of people, and their roles.',
  'API tokens': 'What programs sign in with.',
  Agents: 'Programs on the machines that are protected.',
  'Data sources': 'What is protected.',
  'Protection groups': 'How it is protected.',
  Jobs: 'What runs, ran, and will run.',
  'Recovery points': 'What there is to restore.',
  Recovery: 'Looking into recovery points, searching, restoring.',
  Retention: 'What goes when, and why.',
  Alerts: 'What is wrong.',
  Notifications: 'Where alerts are sent.',
  'Pool volumes': 'Where recovery points lie.',
  Status: 'What could be restored now.',
  Settings: 'Settings, one document each.',
  Catalog: 'What the server remembers of what is stored.',
  'Saved filters': 'Lists that people ask for again.',
  'Second person': 'Acts that wait for a second person.',
  'Audit log': 'Who did what.',
  Server: 'The server itself.',
}

export function completeDescription(description: ApiDescription, routes: ReadonlyMap<string, Route>): ApiDescription {
  const tags = new Set<string>()
  // What is changed by its version is read with it.
  const versioned = new Set([...routes.values()].filter(({ needsVersion }) => needsVersion).map(({ path }) => path))
  for (const operations of Object.values(description.paths ?? {})) {
    for (const operation of Object.values(operations)) {
      const route = routes.get(operation.operationId ?? '')
      if (!route) continue
      tags.add(route.tag)
      complete(operation, route, versioned.has(route.path))
    }
  }
  const simple = simplify(description) as ApiDescription
  dropUnused(simple)
  return { ...simple, tags: [...tags].sort().map((name) => ({ name, ...(TAGS[name] !== undefined && { description: TAGS[name] }) })) }
}

function complete(operation: Operation, route: Route, hasVersion: boolean): void {
  operation.description = whoMay(route)
  operation.parameters = [...(operation.parameters ?? []), ...headersOf(route)]
  if (route.access.who === 'roles') {
    const session = isChange(route) ? { session: [], csrf: [] } : { session: [] }
    operation.security = route.access.sessionOnly || route.access.stepUp ? [session] : [{ token: [] }, session]
    operation['x-terp-roles'] = [...route.access.roles]
  }
  const { '4XX': problems, '5XX': _, ...responses } = operation.responses ?? {}
  for (const [status, response] of Object.entries(responses)) {
    const waits = route.needsSecond !== undefined && status === '202' && route.status !== 202
    if (response.description === 'Default Response' || response.description === route.summary)
      response.description = waits ? 'Nothing was done yet: it waits for a second person.' : 'Done.'
  }
  const done = responses[route.status]
  // So that generated clients take bytes, not text.
  if (route.stream === 'file' && done)
    done.content = { [route.contentType ?? 'application/octet-stream']: { schema: { type: 'string', format: 'binary' } } }
  if (done && hasVersion && (route.needsVersion || !isChange(route)))
    done.headers = { ETag: { description: VERSION, schema: { type: 'string' } } }
  // Where the same answer comes with another status, because programs go by that.
  if (route.name === 'server.ready' && done) responses[503] = { ...done, description: 'It can not, for these reasons.' }
  operation.responses = { ...responses, ...(problems && { default: problems }) }
}

const VERSION = 'The version, in quotes: to be sent as If-Match with a change, so that nobody else’s is lost.'

function headersOf(route: Route): Json[] {
  const header = (name: string, required: boolean, description: string) => ({
    in: 'header',
    name,
    required,
    description,
    schema: { type: 'string' },
  })
  return [
    ...(route.needsVersion ? [header('If-Match', true, 'The version that is changed, in quotes, as ETag or `version` had it.')] : []),
    ...(route.takesKey && route.access.who === 'roles'
      ? [header('Idempotency-Key', false, 'Any text of its own: with it, the same request again is not carried out twice.')]
      : []),
    ...(route.stream === 'events' ? [header('Last-Event-ID', false, 'The last event that was heard: what came since is told first.')] : []),
  ]
}

function whoMay({ access, needsSecond }: Route): string {
  if (access.who === 'anybody') return 'For anybody.'
  const parts = [`For ${access.roles.join(', ')}.`]
  if (access.stepUp) parts.push('Needs a proof of the last five minutes (POST /api/v1/session/step-up), so a person: no token can do it.')
  else if (access.sessionOnly) parts.push('For persons in a session: no token.')
  if (access.scope === 'server') parts.push('Not with a token that is limited to some groups.')
  if (needsSecond !== undefined) parts.push('Where it takes protection away, it waits for a second person: the answer is 202 then.')
  return parts.join(' ')
}

/** Without what every number has, and with the format of a time only, not the grammar of it as well: that is for judging, not for reading. */
function simplify(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(simplify)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).filter(([name, each]) => {
    if (name === 'minimum' && each === Number.MIN_SAFE_INTEGER) return false
    if (name === 'maximum' && each === Number.MAX_SAFE_INTEGER) return false
    if (name === 'propertyNames') return false
    return !(name === 'pattern' && 'format' in value && value.format === 'date-time')
  })
  return Object.fromEntries(entries.map(([name, each]) => [name, simplify(each)]))
}

/** Shapes are named once as what is sent and once as what is answered; most are only one of the two. */
function dropUnused(description: ApiDescription): void {
  const schemas = description.components?.schemas
  if (!schemas) return
  for (let before = -1; before !== Object.keys(schemas).length; ) {
    before = Object.keys(schemas).length
    const text = JSON.stringify(description)
    for (const name of Object.keys(schemas)) if (!text.includes(`"#/components/schemas/${name}"`)) delete schemas[name]
  }
}
