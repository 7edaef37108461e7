import assert from 'node:assert/strict'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { temporaryFolder } from '../../../test/support/temporary-folder.ts'
import { seededRandom } from '../../base/random.ts'
import { zstd } from '../../platform/index.ts'
import { readConfig } from '../config.ts'
import { Output } from '../output.ts'
import { execute, type Run } from '../run.ts'
import { runCli } from '../run-cli.ts'
import { fakeStreams } from '../testing/fake-streams.ts'
import { NO_PROGRAMS } from '../testing/no-programs.ts'
import type { Efforts } from './efforts.ts'
import { measureAll } from './measure-all.ts'
import { backupLimit, type Measures, restoreLimit } from './measures.ts'
import { describeBench, presentBench } from './present.ts'
import { suggest } from './suggest.ts'
import { textOf } from './synthetic.ts'

const MOMENT: Efforts = { primitiveMs: 1, diskMs: 1, objectBytes: 1 << 16, trialBytes: 1 << 20 }

/** A machine with slow hashes and a disk that writes 200 MB/s. */
const MACHINE: Measures = {
  cores: 2,
  hasShaInstructions: false,
  poolHash: 'blake3',
  compressed: 0.4,
  rates: { cut: 6e9, sha256: 0.3e9, blake3: 0.6e9, compress: 0.2e9, encrypt: 2e9, decode: 0.3e9 },
  disk: { publish: 200e6, publishMs: 2, read: 400e6, isCached: false },
  trial: { files: 1000, bytes: 1e8, storedBytes: 4e7, backupMs: 500, unchangedMs: 10, restoreMs: 400 },
}

const aboutOf = (measures: Measures) => suggest(measures).map(({ about }) => about)
const textAbout = (measures: Measures, about: string) => suggest(measures).find((suggestion) => suggestion.about === about)?.text ?? ''

async function inRun(work: (run: Run) => Promise<void>): Promise<void> {
  const streams = fakeStreams()
  const exitCode = await execute(
    { streams, config: readConfig({}), programs: NO_PROGRAMS },
    { isJson: true, isLong: false },
    async (run) => {
      await work(run)
      return 0
    },
  )
  assert.equal(exitCode, 0, streams.errText())
}

describe('what is measured', () => {
  it('is everything, and leaves nothing behind', async (t) => {
    const folder = temporaryFolder(t)
    await inRun(async (run) => {
      const { rates, disk, trial, compressed, cores } = await measureAll(run, folder, MOMENT)
      for (const [name, rate] of Object.entries(rates)) assert.ok(Number.isFinite(rate) && rate > 0, `${name}: ${rate}`)
      assert.ok(compressed > 0 && compressed < 0.7, `made-up text shrinks to ${compressed}`)
      assert.ok(disk.publish > 0 && disk.publishMs > 0 && disk.read > 0)
      assert.ok(trial.files > 2 && trial.bytes > 0 && trial.storedBytes < trial.bytes)
      assert.ok(cores >= 1)
    })
    assert.deepEqual(readdirSync(folder), [])
  })

  it('leaves nothing behind when it fails', async (t) => {
    const folder = temporaryFolder(t)
    await inRun(async (run) => {
      const op = {
        ...run.op,
        step: async () => {
          throw new Error('not in this test')
        },
      }
      await assert.rejects(measureAll({ ...run, op }, folder, MOMENT), /not in this test/)
    })
    assert.deepEqual(readdirSync(folder), [])
  })

  it('needs a folder that is there', async (t) => {
    const folder = temporaryFolder(t)
    writeFileSync(join(folder, 'file'), '')
    const codes = []
    for (const path of ['nothing', 'file']) codes.push(await runCli(['bench', '--data', join(folder, path)], NO_PROGRAMS, fakeStreams()))
    assert.deepEqual(codes, [10, 2])
  })

  it('is text that compresses like text, and random bytes that do not', () => {
    const random = seededRandom('text')
    const into = Buffer.alloc(1 << 17)
    const size = (bytes: Uint8Array) => zstd.compress(into, bytes, { level: 1 }) / bytes.length
    assert.ok(size(textOf(random, 1 << 16)) < 0.6)
    assert.ok(size(random.bytes(1 << 16)) > 0.99)
  })
})

describe('the limit', () => {
  it('is the slowest part', () => {
    assert.equal(backupLimit(MACHINE).by, 'processor')
    assert.equal(backupLimit({ ...MACHINE, disk: { ...MACHINE.disk, read: 50e6 } }).by, 'reading')
    assert.equal(backupLimit({ ...MACHINE, disk: { ...MACHINE.disk, publish: 20e6 } }).by, 'writing')
    assert.deepEqual(restoreLimit(MACHINE), { by: 'writing', rate: 200e6 })
  })

  it('counts what is stored, not what is protected, where the pool is written', () => {
    const slow = { ...MACHINE, disk: { ...MACHINE.disk, publish: 20e6 } }
    assert.equal(Math.round(backupLimit(slow).rate), 50e6)
  })

  it('gains nothing from more cores than there are workers', () => {
    assert.equal(backupLimit({ ...MACHINE, cores: 64 }).rate, backupLimit(MACHINE).rate)
    assert.ok(backupLimit({ ...MACHINE, cores: 1 }).rate < backupLimit(MACHINE).rate)
  })
})

describe('what is suggested', () => {
  it('is what limits, and the hash of new pools', () => {
    assert.deepEqual(aboutOf(MACHINE), ['first-backup', 'restore', 'hash'])
    assert.match(textAbout(MACHINE, 'first-backup'), /the processor is the limit.*a faster disk would not help/)
    assert.match(textAbout(MACHINE, 'restore'), /writing to the disk is the limit/)
    assert.match(textAbout(MACHINE, 'hash'), /new pools on this machine use BLAKE3 \(2\.0 times as fast as SHA-256 here\)/)
    const modern: Measures = { ...MACHINE, hasShaInstructions: true, poolHash: 'sha256', rates: { ...MACHINE.rates, sha256: 1.8e9 } }
    assert.match(textAbout(modern, 'hash'), /use SHA-256 \(3\.0 times as fast as BLAKE3 here\)/)
  })

  it('tells what is odd about a machine', () => {
    const odd: Measures = {
      ...MACHINE,
      cores: 1,
      rates: { ...MACHINE.rates, encrypt: 0.1e9 },
      disk: { ...MACHINE.disk, publishMs: 40, isCached: true },
    }
    assert.deepEqual(aboutOf(odd).slice(3), ['encryption', 'durability', 'cores', 'disk-cache'])
  })

  it('stands in both reports', () => {
    const report = { folder: '/backup', measures: MACHINE, suggestions: suggest(MACHINE), durationMs: 20_000 }
    const json = presentBench(report)
    assert.deepEqual(json.limits.restore, { bytes_per_second: 200e6, limited_by: 'writing' })
    assert.ok(!('message_type' in json), 'a query prints one document')
    const text = describeBench(new Output(fakeStreams(), { isJson: false, color: false, debug: false }), report)
    for (const suggestion of report.suggestions) assert.ok(text.includes(suggestion.text))
  })
})
