/** The contract with other people's scripts: names of fields. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Difference, Entry } from '../archive/index.ts'
import type { RecoveryPoint } from '../repository/index.ts'
import type { MeasuredBackup } from './backup.ts'
import {
  type DifferenceLists,
  mergeWarnings,
  presentBackup,
  presentEntry,
  presentFinding,
  presentPath,
  presentPoint,
  presentRestore,
  presentVerify,
  sortDifference,
} from './present.ts'

const ID = '0123456789abcdef0123456789abcdef'

const POINT: RecoveryPoint = {
  id: ID,
  source: 'web',
  sequence: 3,
  started: '2026-11-22T13:00:00.000Z',
  finished: '2026-11-22T13:00:01.000Z',
  host: 'web',
  paths: [{ text: '/srv', base64: 'c3J2' }],
  excludes: [],
  root: '',
  level: 0,
  epoch: 1,
  program: 'terp 0',
  statistics: { files: 2, folders: 1, others: 0, total_bytes: 30, data_added: 20, data_added_packed: 10 },
  warnings: 0,
  previous_point: null,
  object: 'points/x',
  publicPart: { id: ID, source: 's', sequence: 3, previous: null },
}

const WARNING = { code: 'SOURCE_CHANGED', message: 'it changed', item: '/srv/a' }

const BACKUP: MeasuredBackup = {
  point: POINT,
  filesNew: 1,
  filesChanged: 2,
  filesUnmodified: 3,
  foldersNew: 4,
  foldersChanged: 5,
  foldersUnmodified: 6,
  filesProcessed: 7,
  bytesProcessed: 8,
  dataAdded: 9,
  dataAddedPacked: 10,
  durationMs: 1234,
  warnings: [WARNING],
  warningCount: 1,
  loopDelay: { p50Ms: 0.1, p99Ms: 12, maxMs: 34.5 },
}

const ENTRY: Entry = {
  path: Buffer.from('srv/a'),
  kind: 'file',
  unsettled: false,
  sparse: false,
  ancestor: false,
  mode: 0o644,
  uid: 1,
  gid: 2,
  userName: 'ann',
  groupName: undefined,
  mtimeSec: 1_700_000_000,
  mtimeNs: 7,
  ctimeSec: 0,
  ctimeNs: 0,
  bornSec: undefined,
  bornNs: 0,
  dev: 1,
  ino: 2,
  links: 1,
  sizeBytes: 30,
  inodeFlags: undefined,
  xattrs: [],
  extents: [],
  target: undefined,
  major: 0,
  minor: 0,
}

describe('JSON', () => {
  it('of a backup has every promised field', () => {
    const summary = presentBackup(BACKUP, [WARNING])
    const promised = {
      message_type: 'summary',
      recovery_point_id: ID,
      files_new: 1,
      files_changed: 2,
      files_unmodified: 3,
      dirs_new: 4,
      dirs_changed: 5,
      dirs_unmodified: 6,
      total_files_processed: 7,
      total_bytes_processed: 8,
      data_added: 9,
      data_added_packed: 10,
      total_duration: 1.234,
      event_loop_delay_ms: { p50: 0.1, p99: 12, max: 34.5 },
      warnings: [WARNING],
      warnings_count: 1,
    }
    assert.deepEqual({ ...summary, ...promised }, summary)
  })

  it('of a recovery point has every promised field', () => {
    const { id, source, time, paths, total_bytes, total_files } = presentPoint(POINT)
    assert.deepEqual([id, source, time, paths, total_bytes, total_files], [ID, 'web', POINT.finished, ['/srv'], 30, 2])
  })

  it('of a restore, a verify and a finding too', () => {
    const report = { filesRestored: 1, bytesRestored: 2, othersRestored: 3, filesSkipped: 4, filesFailed: 5, skipped: [], failed: [] }
    const more = { bytesWritten: 6, filesUnchanged: 7, warnings: [], durationMs: 1, foundDamage: false }
    const restore = presentRestore({ ...report, ...more }, [], false)
    assert.deepEqual([restore.files_restored, restore.bytes_restored, restore.files_skipped, restore.files_failed], [1, 2, 4, 5])
    assert.deepEqual([restore.bytes_written, restore.files_unchanged], [6, 7])
    assert.deepEqual(presentVerify({ findings: [], damage: new Map(), points: 1, packs: 2, bytesRead: 3, durationMs: 4 }).findings, [])
    const finding = { code: 'PACK_DAMAGED', severity: 'damage', object: 'packs/x', message: 'm', recoveryPoints: [ID] } as const
    assert.deepEqual(presentFinding(finding), {
      code: 'PACK_DAMAGED',
      severity: 'damage',
      object: 'packs/x',
      recovery_points: [ID],
      message: 'm',
    })
  })

  it('of an entry says who, when and what', () => {
    const { path, name, type, size, mode, mtime, owner, group } = presentEntry(ENTRY)
    assert.deepEqual([path, name, type, size, mode, mtime], ['/srv/a', 'a', 'file', 30, '0644', '2023-11-14T22:13:20.000000007Z'])
    assert.deepEqual([owner, group], ['ann', '2'])
  })

  it('of a path adds its bytes where the text is not the whole truth', () => {
    assert.deepEqual(presentPath(Buffer.from('a/ü')), { path: '/a/ü' })
    const bad = presentPath(Buffer.from([0x61, 0xff]))
    assert.deepEqual(Buffer.from(bad.path_base64 ?? '', 'base64'), Buffer.from([0x2f, 0x61, 0xff]))
  })

  it('of a difference sorts by what happened', () => {
    const lists: DifferenceLists = { added: [], removed: [], changed: [] }
    const difference = (change: Difference['change']): Difference => ({ path: '/srv/a', change, before: ENTRY, after: ENTRY })
    for (const change of ['added', 'removed', 'content', 'metadata'] as const) sortDifference(lists, difference(change))
    assert.deepEqual(lists.added, [{ path: '/srv/a' }])
    assert.deepEqual(lists.removed, [{ path: '/srv/a' }])
    assert.deepEqual(
      lists.changed.map(({ what }) => what),
      ['content', 'metadata'],
    )
  })

  it('tells a warning once, however it came', () => {
    assert.deepEqual(mergeWarnings([WARNING], [{ ...WARNING }]), [WARNING])
  })
})
