/** Run as a program of its own, with little memory: restores the latest point of a pool, and says what that took. Its order comes on standard input. */
import { readFileSync } from 'node:fs'
import { startOperation } from '../../base/operation.ts'
import { decodeKeyBundle, Repository } from '../../repository/index.ts'
import { openStore } from '../../storage/index.ts'
import { restorePoint } from './restore.ts'

const { pool, bundle, target } = JSON.parse(readFileSync(0, 'utf8')) as { pool: string; bundle: string; target: string }
const op = startOperation()
const keys = decodeKeyBundle(Buffer.from(bundle, 'hex'))
if (!keys) throw new Error('no key bundle')
const workerStore = { kind: 'local', path: pool } as const
const repository = await Repository.openWithBundle(op, await openStore(workerStore), keys, 'read')
const point = await repository.findPoint(op, 'latest')
const report = await restorePoint(op, { repository, point, target: Buffer.from(target), overwrite: 'always', workerStore, lanes: 2 })
const { filesRestored, filesFailed, bytesWritten } = report
process.stdout.write(JSON.stringify({ filesRestored, filesFailed, bytesWritten, peakMib: process.resourceUsage().maxRSS / 1024 }))
