/**
 * A manifest that came from outside says what it likes: its seal only proves that an agent made it. What goes on into the pool is read by everybody who lists recovery
 * points, so each field is what it should be.
 */
import { fromTimestamp } from '../../base/clock.ts'
import { repositoryError } from '../errors.ts'
import type { RecoveryPoint } from '../manifest/manifest.ts'

const MOST_TEXT = 65_536
const HIGHEST_LEVEL = 255

/** VIEW_POINT_INVALID. */
export function checkPoint(point: RecoveryPoint): RecoveryPoint {
  const wrong = wrongField(point)
  if (wrong === undefined) return point
  throw repositoryError('VIEW_POINT_INVALID', `the recovery point was not taken: its ${wrong} is not what it should be`)
}

function wrongField(point: RecoveryPoint): string | undefined {
  const { statistics, selection } = point
  const checks: Record<string, boolean> = {
    id: isHex(point.id, 32),
    source: isText(point.source),
    started: isText(point.started) && Number.isFinite(fromTimestamp(point.started)),
    host: isText(point.host),
    paths: isList(point.paths, (path) => isObject(path) && isText(path.text) && isText(path.base64)),
    excludes: isList(point.excludes, isText),
    root: isHex(point.root, 64),
    level: isCount(point.level) && point.level <= HIGHEST_LEVEL,
    program: isText(point.program),
    statistics:
      isObject(statistics) &&
      [
        statistics.files,
        statistics.folders,
        statistics.others,
        statistics.total_bytes,
        statistics.data_added,
        statistics.data_added_packed,
      ].every(isCount),
    warnings: isCount(point.warnings),
    selection:
      selection === undefined ||
      (isObject(selection) &&
        typeof selection.exclude_caches === 'boolean' &&
        typeof selection.one_file_system === 'boolean' &&
        isList(selection.skipped, isText) &&
        isList(selection.unread, isText) &&
        isCount(selection.turn)),
  }
  return Object.keys(checks).find((name) => !checks[name])
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.length <= MOST_TEXT
}

function isHex(value: unknown, digits: number): boolean {
  return typeof value === 'string' && value.length === digits && /^[0-9a-f]*$/.test(value)
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

function isList(value: unknown, isRight: (item: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every(isRight)
}
