/**
 * What a scrape shows is read by somebody else's parser and judged by the rules of Prometheus' own linter (`promtool check metrics`); expressions
 * of rules and panels are read by the grammar of Prometheus' own user interface.
 */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import { parser } from '@prometheus-io/lezer-promql'
import { parse } from 'yaml'
import { makeMetrics } from '../src/server/http/metrics.ts'

interface MetricFamily {
  readonly name: string
  readonly help: string
  readonly type: string
  readonly metrics: readonly { readonly labels?: Readonly<Record<string, string>> }[]
}
/** It comes without types. */
const parsePrometheus = createRequire(import.meta.url)('parse-prometheus-text-format') as (text: string) => readonly MetricFamily[]

const NAME = /^terp_[a-z][a-z0-9]*(?:_[a-z0-9]+)*$/
/** Base units only: seconds and bytes. */
const OTHER_UNITS = /_(?:ms|milliseconds|microseconds|nanoseconds|minutes|hours|days|kb|mb|gb|kilobytes|megabytes|gigabytes|percent)(?:_|$)/
const TYPE_WORDS = /_(?:counter|gauge|histogram|summary)(?:_|$)/
/** Of what is named by its content there are as many as there is content. */
const ENDLESS_LABELS = /^(?:id|path|url|job_id|point|point_id|request_id|user|account|address|error|message)$/

/** One sample in every family, since a family without one says nothing of its labels. */
async function scrape(): Promise<{ families: readonly MetricFamily[]; text: string }> {
  const metrics = makeMetrics('0.0.0-test')
  for (const metric of metrics.registry.getMetricsAsArray()) {
    const { name, labelNames = [] } = metric as unknown as { name: string; labelNames?: string[] }
    if (!name.startsWith('terp_') || /^terp_(nodejs|process)_/.test(name) || labelNames.length === 0) continue
    const labels = Object.fromEntries(labelNames.map((label) => [label, 'x "y" \\ \n z']))
    const any = metric as unknown as {
      set?: (l: object, v: number) => void
      observe?: (l: object, v: number) => void
      inc?: (l: object, v: number) => void
    }
    if (any.set) any.set(labels, 1)
    else if (any.observe) any.observe(labels, 1)
    else any.inc?.(labels, 1)
  }
  const text = await metrics.registry.metrics()
  return { families: parsePrometheus(text), text }
}

test('names, types, units and help of all metrics are as Prometheus wants them', async () => {
  const { families, text } = await scrape()
  assert.ok(families.length > 40, `${families.length}`)
  const wrong: string[] = []
  for (const { name, type, help } of families) {
    if (!NAME.test(name)) wrong.push(`${name}: a name`)
    if (help.trim().length < 8) wrong.push(`${name}: no help`)
    if ((type === 'COUNTER') !== name.endsWith('_total')) wrong.push(`${name}: ${type}, and _total is for counters`)
    if (type !== 'HISTOGRAM' && /_(?:bucket|count|sum)$/.test(name)) wrong.push(`${name}: the ending of a histogram`)
    if (OTHER_UNITS.test(name)) wrong.push(`${name}: not a base unit`)
    if (TYPE_WORDS.test(name)) wrong.push(`${name}: the type in the name`)
    if (/_timestamp(?!_seconds)/.test(name)) wrong.push(`${name}: a timestamp is in seconds`)
  }
  assert.deepEqual(wrong, [])
  for (const { name } of families) {
    assert.equal(text.split(`# HELP ${name} `).length, 2, `one HELP of ${name}`)
    assert.equal(text.split(`# TYPE ${name} `).length, 2, `one TYPE of ${name}`)
  }
})

test('no label can have endless values, and strange values come back as they are', async () => {
  const { families } = await scrape()
  const seen: string[] = []
  for (const { name, metrics } of families) {
    for (const { labels = {} } of metrics) {
      for (const [label, value] of Object.entries(labels)) {
        assert.match(label, /^[a-z][a-z0-9_]*$/, name)
        assert.ok(!ENDLESS_LABELS.test(label), `${name}: ${label}`)
        seen.push(value)
      }
    }
  }
  assert.ok(seen.length > 20, `${seen.length}`)
})

test('every expression of a rule or a panel is PromQL', async () => {
  const folder = new URL('../packaging/monitoring/', import.meta.url)
  const rules = parse(await readFile(new URL('alerts.yaml', folder), 'utf8')) as { groups: { rules: { expr: string }[] }[] }
  const dashboard = JSON.parse(await readFile(new URL('dashboard.json', folder), 'utf8')) as { panels: { targets: { expr: string }[] }[] }
  const all = [
    ...rules.groups.flatMap((group) => group.rules.map(({ expr }) => expr)),
    ...dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)),
  ]
  assert.ok(all.length > 20, `${all.length}`)
  for (const expr of [...all, 'rate(terp_x_total[5m']) {
    let hasError = false
    // What Grafana puts in is a duration to the grammar.
    parser.parse(expr.replaceAll('$__rate_interval', '5m').replaceAll('$__interval', '5m')).iterate({
      enter: ({ type }) => {
        hasError ||= type.isError
      },
    })
    assert.equal(hasError, expr === 'rate(terp_x_total[5m', expr)
  }
})
