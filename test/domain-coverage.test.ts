/** `docs/domain-coverage.md` has every row of the domain, with a verdict and a reason, and every test that it names is there. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

const ROOT = join(import.meta.dirname, '..')
const PAGE = readFileSync(join(ROOT, 'docs/domain-coverage.md'), 'utf8')
/** Rows that the domain has; numbers between them are not given. */
const GIVEN = [
  [1, 15],
  [20, 35],
  [40, 50],
  [55, 57],
  [60, 65],
  [70, 76],
  [80, 94],
  [100, 113],
  [120, 125],
] as const
const VERDICTS = ['works', 'later', 'not here']

test('every row S-001 to S-125 is on the page once, in order, with a verdict and where or why', () => {
  const rows = [...PAGE.matchAll(/^\| S-(\d{3}) \| ([^|]+) \| ([^|]+) \| (.+) \|$/gm)]
  const wanted = GIVEN.flatMap(([first, last]) => Array.from({ length: last - first + 1 }, (_, i) => String(first + i).padStart(3, '0')))
  assert.deepEqual(
    rows.map(([, number]) => number),
    wanted,
  )
  for (const [line, , what = '', verdict = '', why = ''] of rows) {
    assert.ok(VERDICTS.includes(verdict.trim()), line)
    assert.ok(what.trim().length > 2 && why.trim().length > 3, line)
  }
})

test('every test that the page names exists', () => {
  const named = [...PAGE.matchAll(/`((?:src|test)\/[^`]+\.test\.ts)`(?: «([^»]+)»)?/g)]
  assert.ok(named.length > 60)
  const missing: string[] = []
  for (const [, file = '', title] of named) {
    const path = join(ROOT, file)
    if (!existsSync(path)) missing.push(file)
    else if (title !== undefined && !readFileSync(path, 'utf8').includes(title)) missing.push(`${file}: ${title}`)
  }
  assert.deepEqual(missing, [])
})
