/** Quickstart, as a newcomer runs it: twice, in a copy of the project, and nothing but its data folder changes. */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { lastLine, makePlace } from '../support/terp.ts'

const ROOT = join(import.meta.dirname, '../..')

function copyProject(folder: string): void {
  fs.mkdirSync(folder)
  execFileSync(
    'sh',
    ['-c', 'git ls-files -z --cached --others --exclude-standard | tar --null -T - -cf - 2>/dev/null | tar -xf - -C "$1"', 'sh', folder],
    { cwd: ROOT },
  )
  fs.cpSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'), { recursive: true, verbatimSymlinks: true })
}

/** Every file with its size, times of change included: what is written to and put back shows too. */
function state(folder: string, except: string): string {
  return execFileSync(
    'find',
    [
      folder,
      '-path',
      except,
      '-prune',
      '-o',
      '!',
      '-type',
      'd',
      '-printf',
      '%P %y %s %m %T@ %C@\\n',
      '-o',
      '-type',
      'd',
      '!',
      '-path',
      folder,
      '-printf',
      '%P %m %T@\\n',
    ],
    {
      encoding: 'utf8',
      maxBuffer: 1 << 28,
    },
  )
}

function assertUnchanged(now: string, before: string): void {
  const [wanted, found] = [before, now].map((text) => new Set(text.split('\n'))) as [Set<string>, Set<string>]
  const more = [...found].filter((line) => !wanted.has(line))
  const less = [...wanted].filter((line) => !found.has(line))
  assert.deepEqual({ more: more.slice(0, 10), less: less.slice(0, 10) }, { more: [], less: [] })
}

describe('quickstart', () => {
  it('--once protects, restores a sample from each copy and ends; again, it adds a recovery point', (t) => {
    const place = makePlace(t)
    const project = join(place.folder, 'project')
    const home = join(place.folder, 'home')
    copyProject(project)
    fs.mkdirSync(home)
    const data = join(project, 'terp-data')
    const start = (...more: string[]) => {
      const { status, stdout, stderr } = spawnSync(join(project, 'terp'), ['quickstart', '--once', ...more], {
        cwd: project,
        encoding: 'utf8',
        env: { ...process.env, HOME: home, TMPDIR: place.folder, NO_COLOR: '1' },
        maxBuffer: 1 << 28,
      })
      assert.equal(status, 0, stdout + stderr)
      return stdout
    }
    const before = state(project, data)
    const others = fs.readdirSync(place.folder).sort()
    const text = start()
    assert.match(text, /vault/i)
    assertUnchanged(state(project, data), before)
    const summary = lastLine(start('--json'))
    assert.equal(summary.message_type, 'summary')
    assertUnchanged(state(project, data), before)
    assert.deepEqual(fs.readdirSync(home), [])
    assert.deepEqual(fs.readdirSync(place.folder).sort(), others, 'it leaves nothing in the folder for temporary files')

    const count = (folder: string) => execFileSync('find', [folder, '-name', '*.point'], { encoding: 'utf8' }).trim().split('\n').length
    assert.equal(count(data), 4, 'two recovery points in the pool, two in the vault')
    assert.deepEqual(
      execFileSync('sh', ['-c', 'ps -eo args | grep -F "$1" | grep -vF grep || true', 'sh', data], { encoding: 'utf8' }),
      '',
      'no process is left',
    )
  })

  it('protects the given folders, and leaves them as they were', (t) => {
    const place = makePlace(t)
    const source = join(place.folder, 'source')
    fs.mkdirSync(source)
    for (let n = 0; n < 30; n++) fs.writeFileSync(join(source, `file-${n}`), `content ${n}\n`.repeat(n * 10))
    const before = state(source, '/nowhere')
    const data = join(place.folder, 'data')
    const args = ['quickstart', '--once', '--json', '--data', data, '--protect', source]
    const { status, stdout, stderr } = spawnSync(join(ROOT, 'terp'), args, { encoding: 'utf8', cwd: place.folder })
    assert.equal(status, 0, stdout + stderr)
    assertUnchanged(state(source, '/nowhere'), before)
    assert.deepEqual(fs.readdirSync(place.folder).sort(), ['data', 'key', 'passphrase', 'source'])
  })
})
