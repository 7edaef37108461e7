/**
 * One backup: docs/architecture.md «One backup». The walk runs on this thread, side by side with the previous tree; files that changed go to
 * lanes; entries come back into the order of the tree, whatever the order in which lanes answer.
 */
import { toTimestamp } from '../../base/clock.ts'
import type { Operation, Warning } from '../../base/operation.ts'
import { AT_FDCWD, PosixError, statAt, systemAccounts } from '../../platform/index.ts'
import { PACK_CLASS, pageSeed, type RecoveryPoint, type WriteSession } from '../../repository/index.ts'
import type { StoreDescriptor } from '../../storage/index.ts'
import { absolutePath, isWithin, parentOf } from '../entry.ts'
import { archiveError } from '../errors.ts'
import type { BackupReport } from '../reports.ts'
import { displayPath, TreeReader } from '../tree/tree-reader.ts'
import { TreeWriter } from '../tree/tree-writer.ts'
import { BackupRun } from './backup-run.ts'
import { Checkpoints } from './checkpoints.ts'
import { Devices } from './devices.ts'
import { exclusionOf, fileExclusionOf } from './exclusion.ts'
import { openLanes } from './lanes.ts'
import { PART_SIZES, type PartSizes } from './large-parts.ts'
import { type Places, placesOf, type ReadPlace } from './places.ts'
import { PreviousTree } from './previous.ts'
import { type Root, rootsOf, trimSlashes } from './roots.ts'
import { openScanCrew } from './scan/scan-crew.ts'
import { type Asked, hasSameRoots, isSameSelection, selectionOf, UnreadPaths } from './selection.ts'
import { takeChanges, turnOf } from './take-changes.ts'
import { findRoot, type WalkOptions, walk } from './walk.ts'

export interface BackupOptions {
  readonly session: WriteSession
  /** Absolute paths as bytes; a slash at the end means: follow it if it is a link. */
  readonly paths: readonly Buffer[]
  /** Where each of them is read, if that is not where it is recorded: a snapshot. */
  readonly readAt?: readonly (ReadPlace | undefined)[]
  /** Asked when everything is stored, before it becomes a recovery point: what throws, ends the job without one. */
  readonly beforeCommit?: (op: Operation) => Promise<void>
  readonly source: string
  readonly host: string
  readonly excludes: readonly string[]
  readonly excludeCaches: boolean
  readonly oneFileSystem: boolean
  /** Read every file, also where times say that nothing changed. */
  readonly forceRead: boolean
  /** Of the files that look unchanged, so many in a hundred are read all the same, others each time: in 100 / n backups each comes to its turn. */
  readonly rereadPercent?: number
  /** Folders that are never entered, such as the pool itself. */
  readonly skipFolders: readonly Buffer[]
  /** How worker threads open the store; without it everything runs on this thread. */
  readonly workerStore?: StoreDescriptor
  readonly lanes?: number
  /** Without a recovery point before: count files and bytes first, so that progress has an end. Costs a walk. */
  readonly countFirst?: boolean
  readonly program: string
  /** How large files are divided; others than the usual are for tests. */
  readonly partSizes?: PartSizes
}

/** What has one of these is not in the tree, or something of it is not. */
const MISSING = new Set(['SOURCE_UNREADABLE', 'SOURCE_VANISHED'])
const KEPT_WARNINGS = 1000
const DEFAULT_LANES = 2

/** SOURCE_NOT_FOUND when none of the paths is there. Faults of the store fail the job; faults of single files are warnings of the report. */
export async function backUp(op: Operation, options: BackupOptions): Promise<BackupReport> {
  const { session } = options
  const startMs = op.clock.monotonicMs()
  const started = toTimestamp(op.clock.nowMs())
  const warnings: Warning[] = []
  let warningCount = 0
  const unread = new UnreadPaths()
  const warn = (warning: Warning, path?: Buffer) => {
    warningCount++
    if (warnings.length < KEPT_WARNINGS) warnings.push(warning)
    op.warn(warning)
    if (path && MISSING.has(warning.code)) unread.add(path)
  }
  const wanted = options.paths.map((path) => (path[0] === 0x2f ? path.subarray(1) : path))
  const places = placesOf(wanted, options.readAt ?? [])
  const roots = presentRoots(wanted, places, warn)
  warnOfLinks(rootsOf(roots, places), warn)
  const skip = identitiesOf(options.skipFolders)
  const asked: Asked = { ...options, roots, skip }
  const previous = await findPrevious(op, options, roots)
  const before = previous && isSameSelection(asked, previous) ? previous.selection : undefined
  const turn = before ? before.turn + 1 : 0
  const isTurn = turnOf(options.rereadPercent ?? 0, turn)
  const tree = new PreviousTree(op, session, previous && treeOf(session, previous))
  const walkOptions: WalkOptions = {
    roots,
    isExcluded: exclusionOf(options.excludes),
    isFileExcluded: fileExclusionOf(options.excludes),
    excludeCaches: options.excludeCaches,
    oneFileSystem: options.oneFileSystem,
    skip,
    warn,
    places,
  }
  const totals = previous?.statistics ?? (options.countFirst ? countSource(op, walkOptions) : undefined)
  const treeChunks = session.chunkWriter(PACK_CLASS.tree)
  const workers = options.workerStore ? { store: options.workerStore, count: options.lanes ?? DEFAULT_LANES } : undefined
  const lanes = openLanes(session, workers)
  const lists = session.chunkWriter(PACK_CLASS.tree)
  const checkpoints = new Checkpoints(session, options.source, async () => {
    await lanes.flush(op)
    await lists.flush(op)
  })
  const devices = new Devices(places)
  const seed = pageSeed(session.repository.keys)
  const run = new BackupRun(op, {
    lanes,
    tree: new TreeWriter(treeChunks, seed, () => tree.isDamaged),
    pageSeed: seed,
    previous: tree,
    accounts: systemAccounts(),
    devices,
    mustRead: (pagePath) => options.forceRead || (pagePath !== undefined && isTurn(pagePath)),
    warn,
    totals,
    onBatch: () => session.publishFullIndex(op),
    lists,
    checkpoints,
    partSizes: options.partSizes ?? PART_SIZES,
  })
  try {
    if (before && !options.forceRead) {
      const parts = { session, run, previous: tree, devices, walkOptions, excludes: options.excludes, unread: before.unread, isTurn }
      await takeChanges(op, parts, (settings) => openScanCrew(session, settings, workers))
    } else for (const item of walk(walkOptions)) await run.take(item)
    const root = await run.finish()
    await lanes.flush(op)
    await lists.flush(op)
    await treeChunks.flush(op)
    await options.beforeCommit?.(op)
    const { counts } = run
    const point = await session.commit(op, {
      source: options.source,
      started,
      host: options.host,
      paths: roots.map((path) => ({ text: displayPath(path), base64: path.toString('base64') })),
      excludes: options.excludes,
      root: root.id,
      level: root.level,
      program: options.program,
      statistics: {
        files: counts.files,
        folders: counts.folders,
        others: counts.others,
        total_bytes: counts.bytes,
        data_added: counts.added,
        data_added_packed: counts.packed,
      },
      warnings: warningCount,
      previousPoint: previous?.id ?? null,
      selection: selectionOf(asked, unread, turn),
    })
    await checkpoints.clear(op)
    return {
      point,
      filesNew: counts.filesNew,
      filesChanged: counts.filesChanged,
      filesUnmodified: counts.filesUnmodified,
      foldersNew: counts.foldersNew,
      foldersChanged: counts.foldersChanged,
      foldersUnmodified: counts.foldersUnmodified,
      filesProcessed: counts.files,
      bytesProcessed: counts.bytes,
      dataAdded: counts.added,
      dataAddedPacked: counts.packed,
      durationMs: op.clock.monotonicMs() - startMs,
      warnings,
      warningCount,
    }
  } finally {
    await lanes.close()
    run.close()
    await session.end()
  }
}

function countSource(op: Operation, options: WalkOptions): { files: number; total_bytes: number } {
  const totals = { files: 0, total_bytes: 0 }
  let seen = 0
  // What can't be looked at is told by the walk that follows.
  for (const { stat } of walk({ ...options, warn: () => {} })) {
    if (++seen % 4096 === 0) op.check()
    if (stat.kind !== 'file') continue
    totals.files++
    totals.total_bytes += stat.sizeBytes
  }
  return totals
}

function presentRoots(paths: readonly Buffer[], places: Places, warn: (warning: Warning) => void): Buffer[] {
  const roots: Buffer[] = []
  const missing: Buffer[] = []
  for (const path of paths) {
    if (findRoot(places.at(trimSlashes(path)))) roots.push(path)
    else missing.push(path)
  }
  if (roots.length === 0) {
    throw archiveError('SOURCE_NOT_FOUND', `there is nothing at ${missing.map(displayPath).join(', ')}`)
  }
  for (const path of missing) {
    warn({ code: 'SOURCE_NOT_FOUND', message: `there is nothing at ${displayPath(path)}`, item: displayPath(path) })
  }
  return roots
}

/** A link in a root is kept as a link, so nothing can lie behind it in the tree. */
function warnOfLinks(roots: readonly Root[], warn: (warning: Warning, path: Buffer) => void): void {
  for (const { path, isInner } of roots) {
    if (!isInner) continue
    for (let way = parentOf(path); roots.some((root) => way.length > root.path.length && isWithin(way, root.path)); way = parentOf(way)) {
      if (findRoot(absolutePath(way))?.kind !== 'symlink') continue
      const item = displayPath(path)
      warn(
        { code: 'SOURCE_IS_LINK', message: `${displayPath(way)} is a symbolic link; the link alone is protected, not ${item}`, item },
        path,
      )
      break
    }
  }
}

/** The newest of the source with the same paths, else the newest of the source. A damaged one is no help and no hindrance. */
async function findPrevious(op: Operation, options: BackupOptions, roots: readonly Buffer[]): Promise<RecoveryPoint | undefined> {
  const { session, source } = options
  const { points } = await session.repository.listPoints(op, source)
  const readable = points.filter((point) => session.index.find(Buffer.from(point.root, 'hex')) !== undefined)
  const same = readable.filter(({ paths }) => hasSameRoots(paths, roots))
  return same.at(-1) ?? readable.at(-1)
}

function treeOf(session: WriteSession, point: RecoveryPoint): TreeReader {
  return new TreeReader(session.repository, session.index, { root: Buffer.from(point.root, 'hex'), level: point.level })
}

function identitiesOf(folders: readonly Buffer[]): Set<string> {
  const identities = new Set<string>()
  for (const folder of folders) {
    try {
      const stat = statAt(AT_FDCWD, folder, { follow: true })
      identities.add(`${stat.dev}:${stat.ino}`)
    } catch (error) {
      if (!(error instanceof PosixError)) throw error // a folder that is not there need not be left out
    }
  }
  return identities
}
