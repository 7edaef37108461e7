/** packaging/monitoring names only metrics and labels that the server has: a rule about a name that is none never fires, and nobody notices. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { parse } from 'yaml'
import { makeMetrics } from '../src/server/http/metrics.ts'

interface Rules {
  readonly groups: readonly {
    readonly name: string
    readonly rules: readonly {
      readonly alert: string
      readonly expr: string
      readonly labels: { severity: string }
      readonly annotations: { summary: string }
    }[]
  }[]
}
interface Dashboard {
  readonly panels: readonly {
    readonly id: number
    readonly title: string
    readonly targets: readonly { readonly expr: string; readonly legendFormat: string }[]
  }[]
}

const folder = new URL('../packaging/monitoring/', import.meta.url)
const read = async (name: string) => await readFile(new URL(name, folder), 'utf8')
const readRules = async () => (parse(await read('alerts.yaml')) as Rules).groups.flatMap((group) => group.rules)
const readPanels = async () => (JSON.parse(await read('dashboard.json')) as Dashboard).panels

/** What a scrape shows: of a histogram its three series. */
async function exposed(): Promise<Map<string, ReadonlySet<string>>> {
  const names = new Map<string, ReadonlySet<string>>()
  const { registry } = makeMetrics('0.0.0-test')
  for (const metric of registry.getMetricsAsArray()) {
    const { name, labelNames = [] } = metric as unknown as { name: string; labelNames?: string[] }
    const { type } = await (metric as unknown as { get(): Promise<{ type: string }> }).get()
    const suffixes = String(type) === 'histogram' ? ['_bucket', '_sum', '_count'] : ['']
    for (const suffix of suffixes) names.set(`${name}${suffix}`, new Set([...labelNames, ...(suffix === '_bucket' ? ['le'] : [])]))
  }
  return names
}

const namesIn = (expr: string) => [...expr.matchAll(/\bterp_[a-z0-9_]+/g)].map(([name]) => name)

test('every metric that a rule or a panel names is exposed', async () => {
  const known = await exposed()
  const all = [
    ...(await readRules()).map(({ expr }) => expr),
    ...(await readPanels()).flatMap(({ targets }) => targets.map(({ expr }) => expr)),
  ]
  const named = all.flatMap((expr) => {
    const names = namesIn(expr)
    assert.ok(names.length > 0, expr)
    return names
  })
  assert.deepEqual(
    named.filter((name) => !known.has(name)),
    [],
  )
  assert.ok(named.length > 30, `${named.length}`)
})

test('every label that is asked for is one of the metric', async () => {
  const known = await exposed()
  const check = (expr: string, labels: readonly string[]) => {
    const has = new Set(namesIn(expr).flatMap((name) => [...(known.get(name) ?? [])]))
    assert.deepEqual(
      labels.filter((label) => !has.has(label)),
      [],
      expr,
    )
  }
  const asked = (expr: string) => [
    ...[...expr.matchAll(/\{\s*([a-z_]+)\s*[=!]/g)].map(([, label = '']) => label),
    ...[...expr.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, list = '']) => list.split(',').map((label) => label.trim())),
  ]
  for (const { expr, annotations } of await readRules()) {
    const shown = [...JSON.stringify(annotations).matchAll(/\$labels\.([a-z_]+)/g)].map(([, label = '']) => label)
    check(expr, [...asked(expr), ...shown])
  }
  for (const { targets } of await readPanels()) {
    for (const { expr, legendFormat } of targets)
      check(expr, [...asked(expr), ...[...legendFormat.matchAll(/\{\{([a-z_]+)\}\}/g)].map(([, label = '']) => label)])
  }
})

test('names of alerts and numbers of panels are their own, and every alert says how bad it is and what it means', async () => {
  const rules = await readRules()
  assert.equal(new Set(rules.map(({ alert }) => alert)).size, rules.length)
  for (const { alert, labels, annotations } of rules) {
    assert.match(alert, /^Terp[A-Z][A-Za-z]+$/)
    assert.ok(['warning', 'critical'].includes(labels.severity), alert)
    assert.ok(annotations.summary.length > 10, alert)
  }
  const panels = await readPanels()
  assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length)
})
