/** A view of files that holds still, where their volumes have snapshots; else the live tree, and why. */
import { readFile, realpath } from 'node:fs/promises'
import type { ReadPlace } from '../../archive/index.ts'
import { hasCode, toPlainError } from '../../base/errors.ts'
import type { Operation } from '../../base/operation.ts'
import { AT_FDCWD, PosixError, statAt } from '../../platform/index.ts'
import type { BackupTask } from '../../wire/index.ts'
import { workloadError } from '../errors.ts'
import { isFrozen } from '../hold/holder.ts'
import type { ConsistentView } from '../workload.ts'
import { NoSnapshot } from './snapshots/command.ts'
import { isBelow, type MountedVolume, mountOf, mountTable } from './snapshots/mount-table.ts'
import { Undo } from './snapshots/undo.ts'
import { type Made, snapshotOf, type VolumeSnapshot } from './snapshots/volume-snapshot.ts'

const SLASH = 0x2f
const MOST_NOTE = 2000
const LIVE = 'read from the live tree; each file was the same before and after it was read, or is told'

interface Found {
  readonly path: Buffer
  readonly place?: ReadPlace
  readonly snapshot?: VolumeSnapshot
  readonly whyLive?: string
}

/** SNAPSHOT_FAILED where the task requires one. `folder`: where it may mount snapshots, and notes what it made. */
export async function openFilesView(op: Operation, task: BackupTask, folder: string | undefined): Promise<ConsistentView> {
  const paths = task.paths.map((path) => Buffer.from(path, 'base64'))
  if (task.snapshot === 'never') return liveView(paths, `${LIVE}: the group asks for no snapshot`)
  if (folder === undefined) return liveOrRefused(task, paths, 'this agent has no folder for snapshots')
  const undo = await Undo.begin(op, folder)
  const release = releaseOnce(undo)
  try {
    const mounts = mountTable(await readFile('/proc/self/mountinfo', 'latin1'))
    const made: Made = new Map()
    const found: Found[] = []
    const rules = { mounts, undo, made, isWhole: !task.oneFileSystem, mayBeFrozen: task.scripts?.before !== undefined }
    for (const path of paths) found.push(await lookAt(op, path, rules))
    const isWhole = found.every(({ whyLive }) => whyLive === undefined)
    const note = noteOf(found)
    if (!isWhole && task.snapshot === 'required') throw workloadError('SNAPSHOT_FAILED', note)
    return {
      readAt: found.map(({ place }) => place),
      excludes: found.flatMap(({ path, snapshot }) => (snapshot?.leaveOut ? [literalPattern(`${path}/${snapshot.leaveOut}`)] : [])),
      consistency: isWhole ? 'snapshot' : 'live',
      note,
      async check(again) {
        for (const { snapshot } of found) {
          const why = await snapshot?.lostWhy(again)
          if (why !== undefined) throw workloadError('SNAPSHOT_LOST', why)
        }
      },
      release,
    }
  } catch (error) {
    await release(op)
    throw error
  }
}

/** Removes what agents that were killed left of their snapshots. */
export async function removeLeftSnapshots(op: Operation, folder: string): Promise<void> {
  for (const undo of await Undo.left(folder)) await releaseOnce(undo)(op)
}

/** Never throws: a snapshot that stays is a warning, and is tried again at the agent's next start. */
function releaseOnce(undo: Undo): (op: Operation) => Promise<void> {
  let released: Promise<void> | undefined
  return (op) => {
    released ??= undo.run(op).catch((error: unknown) => {
      op.warn({ code: 'SNAPSHOT_LEFT', message: `a snapshot could not be removed: ${toPlainError(error).message}`, item: undo.id })
    })
    return released
  }
}

interface Rules {
  readonly mounts: readonly MountedVolume[]
  readonly undo: Undo
  readonly made: Made
  readonly isWhole: boolean
  /** A script went before. */
  readonly mayBeFrozen: boolean
}

async function lookAt(op: Operation, path: Buffer, { mounts, undo, made, isWhole, mayBeFrozen }: Rules): Promise<Found> {
  try {
    const real = await realPath(path)
    // What is not there is told by the backup.
    if (!real) return { path }
    const mount = mountOf(mounts, real)
    if (!mount) throw new NoSnapshot('no volume is mounted there')
    const isCrossed = isWhole && mounts.some((other) => other.path.length > real.length && isBelow(other.path, real))
    if (isCrossed) throw new NoSnapshot('other volumes are mounted below it')
    // To make a snapshot of it would wait for the script after the job.
    if (mayBeFrozen && (await isFrozen(op, mount.path))) throw new NoSnapshot('a script holds the volume still')
    const recorded = statAt(AT_FDCWD, real).dev
    const snapshot = await snapshotOf(op, { path: real, mount, undo, made, isWhole })
    const read = statAt(AT_FDCWD, snapshot.at).dev
    return { path, snapshot, place: { at: snapshot.at, settledMs: snapshot.settledMs, device: { read, recorded } } }
  } catch (error) {
    op.check()
    if (error instanceof NoSnapshot || error instanceof PosixError || hasCode(error, 'FREEZE_FAILED'))
      return { path, whyLive: error.message }
    throw error
  }
}

/** Without links on the way; a link at the end stays one, unless a slash stands behind it. */
async function realPath(path: Buffer): Promise<Buffer | undefined> {
  const real = (way: Buffer) => realpath(way, { encoding: 'buffer' }).catch(() => undefined)
  const isFollowed = path.at(-1) === SLASH
  if (isFollowed) return real(path)
  const slash = path.lastIndexOf(SLASH)
  const folder = await real(path.subarray(0, slash + 1))
  if (!folder) return undefined
  const name = path.subarray(slash + 1)
  const whole = folder.length === 1 ? Buffer.concat([folder, name]) : Buffer.concat([folder, Buffer.from('/'), name])
  try {
    statAt(AT_FDCWD, whole)
    return whole
  } catch {
    return undefined
  }
}

function liveOrRefused(task: BackupTask, paths: readonly Buffer[], why: string): ConsistentView {
  if (task.snapshot === 'required') throw workloadError('SNAPSHOT_FAILED', why)
  return liveView(paths, `${LIVE}; no snapshot: ${why}`)
}

function liveView(paths: readonly Buffer[], note: string): ConsistentView {
  return { readAt: paths.map(() => undefined), excludes: [], consistency: 'live', note, check: async () => {}, release: async () => {} }
}

/** A path is meant as it is written, whatever it has of the characters of patterns. */
function literalPattern(path: string): string {
  return path.replace(/\/+/g, '/').replace(/[\\*?[\]{}()!+@|^$]/g, '\\$&')
}

/** Which paths were read how. */
function noteOf(found: readonly Found[]): string {
  const ways = new Map<string, string[]>()
  for (const { path, snapshot, whyLive } of found) {
    const way = snapshot ? `read from ${snapshot.how}` : whyLive === undefined ? 'not there' : `${LIVE}; no snapshot: ${whyLive}`
    ways.set(way, [...(ways.get(way) ?? []), path.toString('utf8')])
  }
  const text = [...ways].map(([way, of]) => (ways.size === 1 ? way : `${of.join(', ')}: ${way}`)).join('. ')
  return text.slice(0, MOST_NOTE)
}
