/** Kill -9 at random moments. The soak (npm run soak) does the same for as long as it is told to. */
import assert from 'node:assert/strict'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { KillRun } from '../support/kill-run.ts'
import {
  assertSound,
  backUp,
  makePlace,
  makePool,
  makeVault,
  newCredentials,
  register,
  startTerp,
  startVault,
  terp,
} from '../support/terp.ts'

const KILLS = 6
const FRESH_BYTES = 70_000_000
/** What the source holds: the changes of so many turns. */
const KEPT_TURNS = 2
const seed = process.env.TERP_SEED ?? String(Date.now())

describe('a kill', () => {
  it(`of a backup at ${KILLS} random moments costs nothing that was acknowledged`, async (t) => {
    t.diagnostic(`TERP_SEED=${seed}`)
    const place = makePlace(t)
    makePool(place)
    const run = new KillRun(place, `backup ${seed}`)
    run.change(FRESH_BYTES)
    run.backUp()
    for (let n = 0; n < KILLS; n++) {
      const fresh = run.change(FRESH_BYTES)
      run.forgetOldTurns(KEPT_TURNS)
      await run.killBackup(fresh)
    }
    for (const id of run.acknowledged.keys()) run.restoreOne(id)
    t.diagnostic(JSON.stringify(run.counts))
    assert.ok(run.counts.killed >= KILLS / 2, 'most runs were killed while they worked')
  })

  it(`of an upload at ${KILLS} random moments costs nothing that was sent`, async (t) => {
    t.diagnostic(`TERP_SEED=${seed}`)
    const place = makePlace(t)
    makePool(place)
    const vault = await startVault(t, join(place.folder, 'vault'))
    const { credentials } = makeVault(vault, place)
    register(place, credentials)
    const run = new KillRun(place, `upload ${seed}`)
    run.change(FRESH_BYTES)
    run.backUp()
    run.upload()
    for (let n = 0; n < KILLS; n++) {
      run.change(FRESH_BYTES)
      run.forgetOldTurns(KEPT_TURNS)
      run.backUp()
      await run.killUpload(vault)
    }
    assertSound(place)
    const fresh = newCredentials(vault, place)
    for (const id of run.acknowledged.keys()) run.recoverOne(fresh, id)
    t.diagnostic(JSON.stringify(run.counts))
    assert.ok(run.counts.killed >= KILLS / 2, 'most runs were killed while they worked')
  })
})

describe('an interrupt', () => {
  it('of a backup ends it with 130, leaves the pool sound, and the next run completes', async (t) => {
    const place = makePlace(t)
    makePool(place)
    const source = join(place.folder, 'source')
    fs.mkdirSync(source)
    backUp(place, [source])
    const run = new KillRun({ ...place, folder: source }, seed)
    run.change(300_000_000)
    const { child, ended } = startTerp(['pool', 'backup', place.pool, source, ...place.open, '--json'])
    // The first pack says that it is in the middle of its work.
    await new Promise<void>((resolve) => {
      const packs = join(place.pool, 'packs')
      const before = countFiles(packs)
      const watcher = fs.watch(packs, { recursive: true }, () => {
        if (countFiles(packs) > before) {
          watcher.close()
          resolve()
        }
      })
    })
    child.kill('SIGINT')
    const { code, stdout, stderr } = await ended
    assert.equal(code, 130, stdout + stderr)
    assert.match(stdout + stderr, /CANCELLED/)
    assert.doesNotMatch(stderr, /^\s+at /m)
    assert.equal(terp(['pool', 'verify', place.pool, '--read-data', ...place.open]).code, 0)
    const { files_new } = backUp(place, [source])
    assert.ok(files_new > 0)
    assert.deepEqual(fs.readdirSync(join(place.pool, 'tmp')), [], 'the next writer deletes what was half written')
    assertSound(place)
  })
})

function countFiles(folder: string): number {
  return fs.readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).length
}
