/** What would have to change for a server to be as a file says. Reads only. */
import { z } from 'zod'
import { hasCode } from '../../base/errors.ts'
import { protectionGroupShape } from '../../protection/index.ts'
import { firstIssue, groupDescriptionShape, poolsShape, sourceDescriptionShape } from '../../wire/index.ts'
import type { Api } from '../api/api.ts'
import { cliError } from '../errors.ts'
import { type Document, isDocument, memberIds, type YamlFile } from './documents.ts'
import { type Difference, differencesOf, issuePath, type Policy, type PolicyPool } from './policy.ts'

export interface Change {
  readonly act: 'create' | 'change' | 'extra'
  readonly kind: 'setting' | 'pool' | 'group'
  readonly name: string
  /** Of what is there. */
  readonly id?: string
  readonly version?: number
  readonly differences: readonly Difference[]
  /** What is sent; nothing for what the file does not have. */
  readonly body?: Document
  /** Where the file says it, as text and as a path in its document. */
  readonly place?: string
  readonly within?: readonly PropertyKey[]
}

type PlaceOf = YamlFile['placeOf']

export async function planPolicy(api: Api, policy: Policy, placeOf: PlaceOf): Promise<readonly Change[]> {
  const settings = policy.settings ? await planSettings(api, policy.settings, placeOf) : []
  const pools = policy.pools ? await planPools(api, policy.pools, placeOf) : []
  const groups = policy.groups ? await planGroups(api, policy.groups, placeOf) : []
  return [...settings, ...pools, ...groups]
}

async function planSettings(api: Api, settings: NonNullable<Policy['settings']>, placeOf: PlaceOf): Promise<Change[]> {
  const changes: Change[] = []
  for (const [name, wanted] of Object.entries(settings)) {
    const found = await api.getVersioned(`/settings/${name}`, z.record(z.string(), z.unknown())).catch((error: unknown) => {
      if (hasCode(error, 'API_ROUTE_NOT_FOUND')) {
        const hint = 'See which there are with `terp setting list`.'
        throw cliError('POLICY_INVALID', `${placeOf(['settings', name])}: there is no setting ${name}`, { hint })
      }
      throw error
    })
    const body = { ...found.value, ...wanted }
    const differences = differencesOf(found.value, body)
    const place = placeOf(['settings', name])
    if (differences.length > 0) changes.push({ act: 'change', kind: 'setting', name, version: found.version, differences, body, place })
  }
  return changes
}

async function planPools(api: Api, wanted: readonly PolicyPool[], placeOf: PlaceOf): Promise<Change[]> {
  const { items } = await api.get('/pools', poolsShape)
  const there = items.filter(({ state }) => state !== 'removed')
  const changes: Change[] = []
  for (const [i, pool] of wanted.entries()) {
    const place = placeOf(['pools', i])
    const found = there.find(({ name }) => name === pool.name)
    if (!found) {
      changes.push({
        act: 'create',
        kind: 'pool',
        name: pool.name,
        differences: differencesOf({}, pool),
        body: { ...pool, confirm: pool.folder },
        place,
      })
      continue
    }
    if (found.folder !== pool.folder)
      throw cliError(
        'POLICY_INVALID',
        `${placeOf(['pools', i, 'folder'])}: ${pool.name} is in ${found.folder}; its folder can not be changed`,
      )
    const { workloads, thresholds } = found
    const body = { ...(pool.workloads && { workloads: pool.workloads }), ...(pool.thresholds && { thresholds: pool.thresholds }) }
    const differences = differencesOf({ workloads, thresholds }, { workloads, thresholds, ...body })
    if (differences.length > 0) {
      changes.push({ act: 'change', kind: 'pool', name: pool.name, id: found.id, version: found.version, differences, body, place })
    }
  }
  return [...changes, ...extras(there, wanted, 'pool')]
}

async function planGroups(api: Api, wanted: NonNullable<Policy['groups']>, placeOf: PlaceOf): Promise<Change[]> {
  const there = await api.list('/groups', groupDescriptionShape)
  const changes: Change[] = []
  for (const [i, document] of wanted.entries()) {
    const within: PlaceOf = (path) => placeOf(['groups', i, ...path])
    const place = within([])
    const body = await memberIds(api, document, (member) => within(['members', member, 'agent']))
    const found = there.find(({ name }) => name === document.name)
    const whole = await wholeGroup(api, body, within)
    if (!found)
      changes.push({
        act: 'create',
        kind: 'group',
        name: document.name,
        differences: differencesOf({}, document),
        body,
        place,
        within: ['groups', i],
      })
    else {
      const { id, version } = found
      const differences = differencesOf(inOrder(found.document), inOrder(whole))
      if (differences.length > 0)
        changes.push({ act: 'change', kind: 'group', name: document.name, id, version, differences, body, place, within: ['groups', i] })
    }
  }
  return [...changes, ...extras(there, wanted, 'group')]
}

/** Never removed by itself: that is for a person, or for `--stop-missing`. */
function extras(
  there: readonly { readonly id: string; readonly name: string; readonly version: number }[],
  wanted: readonly { readonly name: string }[],
  kind: 'pool' | 'group',
): Change[] {
  const missing = there.filter(({ name }) => !wanted.some((each) => each.name === name))
  return missing.map(({ id, name, version }) => ({ act: 'extra', kind, name, id, version, differences: [] }))
}

/** With its defaults and the ids of what it names, as the server keeps it. POLICY_INVALID. */
async function wholeGroup(api: Api, document: Document, within: PlaceOf): Promise<Document> {
  const given: unknown[] = Array.isArray(document.members) ? document.members : []
  const sources = given.length === 0 ? [] : await api.list('/sources', sourceDescriptionShape)
  const members = given.map((member) => {
    if (!isDocument(member)) return member
    const { path, ...rest } = member
    const workload = rest.workload ?? 'files'
    const isMeant = (source: (typeof sources)[number]) =>
      rest.dataSourceId === undefined
        ? source.agentId === rest.agentId && source.path === path && source.workload === workload
        : source.id === rest.dataSourceId
    const known = sources.find(isMeant)
    const place = path ?? known?.path
    const name = known?.name ?? String(place)
    return {
      agentId: known?.agentId,
      dataSourceId: known?.id ?? UNKNOWN_ID,
      name,
      ...(typeof place === 'string' && { selection: { includes: [place] } }),
      ...rest,
    }
  })
  const parsed = protectionGroupShape.safeParse({ ...document, members })
  if (!parsed.success) throw cliError('POLICY_INVALID', `${within(issuePath(parsed.error))}: ${firstIssue(parsed.error)}`)
  return parsed.data
}

/** Of what the server does not know yet: it differs from every id. */
const UNKNOWN_ID = '0'.repeat(32)

/** The order of members says nothing. */
function inOrder(document: Document): Document {
  const { members } = document
  if (!Array.isArray(members)) return document
  const idOf = (member: unknown) => (isDocument(member) ? String(member.dataSourceId) : '')
  const sorted = [...members].sort((a, b) => (idOf(a) < idOf(b) ? -1 : 1))
  return { ...document, members: sorted }
}
