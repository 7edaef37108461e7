/** What a restore and a quickstart's proof say when not everything is there. Real processes. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { backUp, lastLine, makePlace, makePool, terp } from '../../test/support/terp.ts'

describe('pool restore', () => {
  it('ends with 3 when something stayed as it was for a reason, with 0 for sockets and for what is equal', (t) => {
    const place = makePlace(t)
    const source = join(place.folder, 'source')
    mkdirSync(source)
    writeFileSync(join(source, 'file'), 'content')
    const bind = "require('net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))"
    assert.throws(() => execFileSync(process.execPath, ['-e', bind, join(source, 'socket')]))
    assert.ok(existsSync(join(source, 'socket')))
    makePool(place)
    backUp(place, [source])
    const restore = (...more: string[]) => {
      const target = join(place.folder, 'target')
      const { code, stdout } = terp(['pool', 'restore', place.pool, 'latest', '--target', target, ...place.open, '--json', ...more])
      return [code, lastLine(stdout).skipped.map((item: { code: string }) => item.code)]
    }
    assert.deepEqual(restore(), [0, ['KIND_SKIPPED']])
    assert.deepEqual(restore('--overwrite', 'if-changed'), [0, ['KIND_SKIPPED']])
    assert.deepEqual(restore('--overwrite', 'never'), [3, ['TARGET_EXISTS', 'KIND_SKIPPED']])
  })
})

describe('quickstart', () => {
  const start = (data: string, source: string) => {
    const { code, stdout, stderr } = terp(['quickstart', '--once', '--json', '--data', data, '--protect', source])
    return { code, stderr, summary: lastLine(stdout) }
  }

  it('takes the smallest file where all are large, and leaves the folders of its data folder that others made', (t) => {
    const { folder } = makePlace(t)
    const [data, source] = [join(folder, 'data'), join(folder, 'source')]
    mkdirSync(join(data, 'samples/precious'), { recursive: true })
    mkdirSync(join(source, 'empty'), { recursive: true })
    writeFileSync(join(source, 'large'), 'x')
    truncateSync(join(source, 'large'), 12_000_000)
    const { code, stderr, summary } = start(data, source)
    assert.equal(code, 0, stderr)
    for (const copy of ['pool', 'vault']) {
      const { files, bytes, equal } = summary.samples[copy]
      assert.deepEqual([files, bytes, equal], [1, 12_000_000, true])
    }
    assert.ok(existsSync(join(data, 'samples/precious')))
    assert.deepEqual(readdirSync(data).sort(), ['keys', 'pool', 'samples', 'vault'])
  })

  it('says so when there was nothing to compare', (t) => {
    const { folder } = makePlace(t)
    const source = join(folder, 'source')
    mkdirSync(join(source, 'empty'), { recursive: true })
    const { code, summary } = start(join(folder, 'data'), source)
    assert.equal(code, 3)
    assert.deepEqual(summary.samples.pool.equal, false)
    assert.deepEqual(
      summary.warnings.map((warning: { code: string; item: string }) => [warning.code, warning.item]),
      [
        ['SAMPLE_EMPTY', 'the pool'],
        ['SAMPLE_EMPTY', 'the vault'],
      ],
    )
  })
})
