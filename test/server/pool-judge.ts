/** What a pool holds when its server is stopped, read by the command line that knows no server. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import type { SimulatedWorld } from '../support/simulated-world.ts'
import { lastLine } from '../support/terp.ts'
import type { Point } from './world-run.ts'

export function keyFileOf(world: SimulatedWorld, poolId: string): string {
  return join(world.dataFolder, 'keys', `pool-${poolId}.key`)
}

/** Every stored byte is as it was written, and its recovery points are those that the API told. */
export async function assertPoolIsSound(world: SimulatedWorld, poolId: string, points: readonly Pick<Point, 'id'>[]): Promise<void> {
  const open = [world.poolFolder, '--key-file', keyFileOf(world, poolId), '--json']
  const listed = await world.run(['pool', 'list', ...open])
  assert.equal(listed.code, 0, listed.stdout + listed.stderr)
  const ids = (items: readonly { readonly id: string }[]) => items.map(({ id }) => id).sort()
  assert.deepEqual(ids(lastLine(listed.stdout)), ids(points), 'the pool and the API name other recovery points')
  const verified = await world.run(['pool', 'verify', ...open, '--read-data'])
  assert.equal(verified.code, 0, verified.stdout + verified.stderr)
  assert.deepEqual(lastLine(verified.stdout).findings, [])
}
