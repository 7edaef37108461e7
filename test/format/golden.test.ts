/** What an earlier Terp wrote stays readable. The pools of test/golden are never made again; scripts/make-golden.ts made them. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { backUp, openPoint, readFileContent, verifyRepository } from '../../src/archive/index.ts'
import { startOperation } from '../../src/base/operation.ts'
import { systemDisk } from '../../src/platform/index.ts'
import { openWriteSession, parseKeyFile, Repository, readConfiguration } from '../../src/repository/index.ts'
import { LocalDiskStore } from '../../src/storage/index.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

interface Expected {
  type: string
  mode: number
  mtimeNs: string
  size: number
  sha256?: string
  target?: string
}

const GOLDEN = join(import.meta.dirname, '../golden')
const op = startOperation()

for (const version of fs.readdirSync(GOLDEN)) {
  describe(`the golden pool ${version}`, () => {
    const folder = join(GOLDEN, version)
    const expected = JSON.parse(fs.readFileSync(join(folder, 'expected.json'), 'utf8')) as Record<string, Expected>
    const open = async (pool: string, use: 'read' | 'write') => {
      const store = new LocalDiskStore(systemDisk(), pool)
      const secret = parseKeyFile(fs.readFileSync(join(folder, 'key')))
      return { store, repository: await Repository.open(op, store, secret, use) }
    }

    it('opens, and verifies to the last byte', async () => {
      const { repository } = await open(join(folder, 'pool'), 'read')
      const { findings, points } = await verifyRepository(op, repository, { readData: true })
      assert.deepEqual(findings, [])
      assert.equal(points, 2)
      assert.deepEqual(await readConfiguration(op, repository, 'golden'), { words: 'golden' })
    })

    it('gives back every entry and every byte', async () => {
      const { repository } = await open(join(folder, 'pool'), 'read')
      const opened = await openPoint(op, repository, await repository.findPoint(op, 'latest'))
      const found: Record<string, Expected> = {}
      for await (const entry of opened.tree.entries(op)) {
        if (entry.ancestor) continue
        const hash = createHash('sha256')
        if (entry.kind === 'file') for await (const piece of readFileContent(op, opened, entry)) hash.update(piece)
        found[entry.path.toString('hex')] = {
          type: entry.kind,
          mode: entry.mode,
          mtimeNs: String(BigInt(entry.mtimeSec) * 1_000_000_000n + BigInt(entry.mtimeNs)),
          size: entry.sizeBytes,
          ...(entry.kind === 'file' ? { sha256: hash.digest('hex') } : {}),
          ...(entry.target === undefined ? {} : { target: entry.target.toString() }),
        }
      }
      assert.deepEqual(found, expected)
    })

    it('takes another recovery point', async (t) => {
      const pool = join(temporaryFolder(t), 'pool')
      fs.cpSync(join(folder, 'pool'), pool, { recursive: true })
      const { repository, store } = await open(pool, 'write')
      const session = await openWriteSession(op, repository, { release: async () => {} }, store)
      const { point } = await backUp(op, {
        session,
        paths: [Buffer.from(folder)],
        source: 'golden',
        host: 'host',
        excludes: [],
        excludeCaches: false,
        oneFileSystem: false,
        forceRead: false,
        skipFolders: [],
        program: 'test',
      })
      assert.equal(point.sequence, 3)
      assert.deepEqual((await verifyRepository(op, repository, { readData: true })).findings, [])
    })
  })
}
