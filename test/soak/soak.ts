/**
 * Kills at random moments, for as long as one likes: npm run soak -- --minutes 10 --seed 7 --kills 50; of a backup server with agents: --server (test/server/soak.ts). Ends when the time is over or all kills are
 * done, whichever comes first, and says how often what happened. The same seed draws the same changes; moments are of the machine.
 */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { KillRun } from '../support/kill-run.ts'
import { assertSound, makePlace, makePool, makeVault, newCredentials, register, startVault } from '../support/terp.ts'

if (process.argv.includes('--server')) {
  await import('../server/soak.ts')
  process.exit()
}

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    kills: { type: 'string', default: '50' },
    bytes: { type: 'string', default: '70000000' },
    folder: { type: 'string', default: '/tmp' },
  },
})
const endMs = performance.now() + Number(values.minutes) * 60_000
const kills = Number(values.kills)
/** After so many kills the pool is made anew, so that room and time stay bounded. */
const KILLS_PER_POOL = 10
console.log(`soak: seed ${values.seed}, ${kills} kills of each kind or ${values.minutes} minutes`)

const total: Record<string, number> = { backupKills: 0, uploadKills: 0, pools: 0 }
for (let round = 0; (total.backupKills ?? 0) < kills && performance.now() < endMs; round++) await soakOnePool(round)
console.log(`soak: ${JSON.stringify(total)}`)

async function soakOnePool(round: number): Promise<void> {
  const cleaners: (() => void)[] = []
  const scope = { after: (clean: () => void) => void cleaners.unshift(clean) }
  try {
    const place = makePlace(scope, values.folder)
    makePool(place)
    const vault = await startVault(scope, join(place.folder, 'vault'))
    register(place, makeVault(vault, place).credentials)
    const run = new KillRun(place, `${values.seed}/${round}`)
    const bytes = Number(values.bytes)
    run.change(bytes)
    run.backUp()
    run.upload()
    let last = ''
    for (let n = 0; n < KILLS_PER_POOL && (total.backupKills ?? 0) < kills && performance.now() < endMs; n++) {
      const fresh = run.change(run.draw(bytes) + 1_000_000)
      run.forgetOldTurns(2)
      await run.killBackup(fresh)
      total.backupKills = (total.backupKills ?? 0) + 1
      await run.killUpload(vault)
      total.uploadKills = (total.uploadKills ?? 0) + 1
      last = [...run.acknowledged.keys()].at(-1) as string
      console.log(`soak: kill ${total.backupKills} of ${kills}: ${JSON.stringify(run.counts)}`)
    }
    assertSound(place)
    for (const id of run.acknowledged.keys()) run.restoreOne(id)
    if (last !== '') run.recoverOne(newCredentials(vault, place), last)
    await vault.stop()
    total.pools = (total.pools ?? 0) + 1
    for (const [name, count] of Object.entries(run.counts)) {
      total[name] = name.startsWith('most') ? Math.max(total[name] ?? 0, count) : (total[name] ?? 0) + count
    }
  } finally {
    for (const clean of cleaners) clean()
  }
}
