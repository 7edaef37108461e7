import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hasCode } from '../../base/errors.ts'
import { parseYaml } from './documents.ts'
import { differencesOf, readPolicy } from './policy.ts'

/** What a file is refused with. */
function refusal(...lines: readonly string[]): string {
  try {
    readPolicy(parseYaml(lines.join('\n'), 'policy.yaml'))
  } catch (error) {
    assert.ok(hasCode(error, 'POLICY_INVALID'), String(error))
    return (error as Error).message
  }
  return ''
}

test('a mistake is told with its line and column', () => {
  assert.match(refusal('groups:', '  - name: a', '    members: [', '  - name: b'), /^policy\.yaml:4:\d+: /)
  assert.match(refusal('groups:', '  - members: []'), /^policy\.yaml:2:5: groups\.0\.name: /)
  assert.match(refusal('settings:', '  general: 1'), /^policy\.yaml:2:12: settings\.general: /)
  assert.match(refusal('pools:', '  - name: one', '    folder: /a', '    colour: red'), /^policy\.yaml:4:13: .*colour/)
  assert.match(refusal('grups: []'), /^policy\.yaml:1:8: .*grups/)
})

test('two of one name are told at the second', () => {
  assert.equal(refusal('groups:', '  - name: a', '  - name: b', '  - name: a'), 'policy.yaml:4:11: there are two groups with the name a')
})

test('an empty file is a policy that asks for nothing, and JSON is YAML', () => {
  assert.equal(refusal(''), '')
  assert.equal(refusal('{"groups": [{"name": "a", "members": []}]}'), '')
})

test('aliases that would fill the memory are refused', () => {
  const bomb = ['a0: &a0 [x,x,x,x,x,x,x,x,x,x]']
  for (let i = 1; i < 9; i++)
    bomb.push(
      `a${i}: &a${i} [${Array(10)
        .fill(`*a${i - 1}`)
        .join(',')}]`,
    )
  assert.match(refusal(...bomb), /alias/i)
})

test('differences are told at the places where they are', () => {
  assert.deepEqual(differencesOf({ a: { b: 1, c: [1] } }, { a: { b: 2, c: [1] }, d: 3 }), [
    { path: 'a.b', is: 1, wanted: 2 },
    { path: 'd', is: undefined, wanted: 3 },
  ])
})
