/** Everything that `terp bench` measures, in a folder that is new and gone at the end. */
import { mkdir, rm } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { randomHex } from '../../base/random.ts'
import { hasShaInstructions } from '../../platform/index.ts'
import { cliError } from '../errors.ts'
import { errnoOf } from '../files.ts'
import { poolHash } from '../pool-hash.ts'
import type { Run } from '../run.ts'
import { measureDisk } from './disk.ts'
import type { Efforts } from './efforts.ts'
import type { Measures } from './measures.ts'
import { measurePrimitives } from './primitives.ts'
import { runTrial } from './trial.ts'

/** FILE_UNWRITABLE, STORAGE_FULL. */
export function measureAll(run: Run, folder: string, efforts: Efforts): Promise<Measures> {
  return withScratch(run, folder, async (scratch) => {
    const { op, disk, output } = run
    output.note('measuring the processor …')
    const { rates, compressed } = await op.step('processor', () => measurePrimitives(op, efforts))
    output.note('measuring the disk …')
    const objects = join(scratch, 'objects')
    const onDisk = await op.step('disk', () => measureDisk(op, disk, objects, efforts))
    await rm(objects, { recursive: true, force: true })
    output.note('one backup and one restore …')
    const trial = await op.step('trial', () => runTrial(run, scratch, onDisk.publish, efforts))
    return {
      cores: availableParallelism(),
      hasShaInstructions: hasShaInstructions(),
      poolHash: poolHash(),
      compressed,
      rates,
      disk: onDisk,
      trial,
    }
  })
}

/** Nobody else has it; it goes with its content, however the work ends. */
async function withScratch<T>(run: Run, parent: string, work: (folder: string) => Promise<T>): Promise<T> {
  const folder = join(parent, `.terp-bench-${randomHex(run.op.random, 8)}`)
  try {
    await mkdir(folder, { mode: 0o700 })
  } catch (error) {
    const message = `no folder can be made in ${parent}: ${errnoOf(error) ?? String(error)}`
    throw cliError('FILE_UNWRITABLE', message, { cause: error, context: { path: parent } })
  }
  try {
    return await work(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
