/**
 * Which pages of the previous tree are as they were, and which parts of the source have to be walked. Pages are scanned ahead, in parallel; what was found
 * is put together here, in their order.
 *
 * A page stands for all paths from its first up to the first of the next page. It is walked if an entry of it changed, or if a name came into that
 * range. Names come only into folders whose times moved: of such a folder all names are known (`ChangedFolder`), and a page whose entries are all still there
 * has got none of them new when the folder has as many names in the page's range as the page has entries directly in that folder.
 */
import { fromPlainError, isKind, type TerpError } from '../../../base/errors.ts'
import type { Operation } from '../../../base/operation.ts'
import { close, O_DIRECTORY, O_RDONLY, openPath } from '../../../platform/index.ts'
import { type ChunkLocation, locate, type WriteSession } from '../../../repository/index.ts'
import { comparePaths, isWithin } from '../../entry.ts'
import type { PageChild } from '../../tree/page-codec.ts'
import type { Devices } from '../devices.ts'
import type { PreviousTree } from '../previous.ts'
import { type NameRules, namesIn } from './names-in.ts'
import type { PageFindings } from './page-scanner.ts'
import type { ScanCrew } from './scan-crew.ts'

export type Stretch =
  | { readonly kind: 'same'; readonly page: PageChild; readonly found: PageFindings }
  /** `page` is that of the previous tree, unless it is damaged. */
  | { readonly kind: 'walk'; readonly from: Buffer; readonly to: Buffer | undefined; readonly page: PageChild | undefined }

export interface UnchangedPagesParts extends NameRules {
  readonly session: WriteSession
  readonly previous: PreviousTree
  readonly crew: ScanCrew
  readonly devices: Devices
  /** What the previous tree lacks although it is there. */
  readonly unread: readonly Buffer[]
  /** Where `/` is read, if all of it is chosen. */
  readonly protectedRoot: Buffer | undefined
  /** Pages that are walked whatever the scan says. */
  readonly mustWalk: (page: PageChild) => boolean
}

interface OpenFolder {
  readonly path: Buffer
  readonly names: readonly Uint8Array[] | undefined
}

interface Scanned {
  readonly page: PageChild
  readonly found: PageFindings | { readonly damage: TerpError }
}

const TASK_PAGES = 16
const EMPTY = Buffer.alloc(0)

/** Together the stretches are the whole source, in order. */
export async function* unchangedPages(op: Operation, parts: UnchangedPagesParts): AsyncGenerator<Stretch> {
  const open: OpenFolder[] = parts.unread.map((path) => ({ path, names: undefined }))
  if (parts.protectedRoot) open.push({ path: EMPTY, names: namesInRoot(parts.protectedRoot, parts) })
  let from: Buffer = EMPTY
  for await (const [scanned, next] of withNext(scannedPages(op, parts))) {
    const { page, found } = scanned
    if ('damage' in found) {
      parts.previous.noteDamage(found.damage)
      break
    }
    const to = next?.page.firstPath
    // The first may have got something new before it; behind the last that could be read there may be more.
    const isAtDoubtfulEnd = from === EMPTY || (!to && parts.previous.isDamaged)
    const isInDoubt = isAtDoubtfulEnd || (found.hasLists && parts.session.hasGaps)
    const isWalked = !found.same || isInDoubt || parts.mustWalk(page) || hasNews(open, page, to, found)
    for (const { path, names } of found.changed) open.push({ path: asBuffer(path), names })
    if (isWalked) yield { kind: 'walk', from, to, page }
    else yield { kind: 'same', page, found }
    if (!to) return
    from = to
  }
  yield { kind: 'walk', from, to: undefined, page: undefined }
}

/** True if something may lie in the page's range that is no entry of it. Forgets folders that lie behind. */
function hasNews(open: OpenFolder[], page: PageChild, to: Buffer | undefined, found: PageFindings): boolean {
  const first = page.firstPath
  let news = false
  for (let i = open.length - 1; i >= 0; i--) {
    const folder = open[i] as OpenFolder
    const isBelow = isWithin(first, folder.path)
    if (!isBelow && comparePaths(first, folder.path) > 0) open.splice(i, 1)
    else if (!folder.names) news ||= to === undefined || comparePaths(folder.path, to) < 0
    else if (isBelow && first.length > folder.path.length) {
      news ||= namesInRange(folder.path, folder.names, first, to) !== (found.direct[depthOf(folder.path)] ?? 0)
    }
  }
  return news
}

/** How many names of the folder lie in [first, to), where `first` lies below the folder. Pure. */
export function namesInRange(folder: Buffer, names: readonly Uint8Array[], first: Buffer, to: Buffer | undefined): number {
  const start = placeOf(folder, names, first)
  const end = to && isWithin(to, folder) && to.length > folder.length ? placeOf(folder, names, to) : names.length
  return end - start
}

/** The number of names whose paths come before this one. */
function placeOf(folder: Buffer, names: readonly Uint8Array[], path: Buffer): number {
  const start = folder.length === 0 ? 0 : folder.length + 1
  const slash = path.indexOf(0x2f, start)
  const name = path.subarray(start, slash < 0 ? path.length : slash)
  let low = 0
  let high = names.length
  while (low < high) {
    const middle = (low + high) >> 1
    const order = Buffer.compare(names[middle] as Uint8Array, name)
    // A path inside the folder of that name comes after it.
    if (order < 0 || (order === 0 && slash >= 0)) low = middle + 1
    else high = middle
  }
  return low
}

function depthOf(folder: Buffer): number {
  if (folder.length === 0) return 0
  let depth = 1
  for (const byte of folder) if (byte === 0x2f) depth++
  return depth
}

/** `/` has no entry that would tell. */
function namesInRoot(at: Buffer, rules: NameRules): readonly Buffer[] {
  const fd = openPath(at.length === 0 ? '/' : at, O_RDONLY | O_DIRECTORY)
  try {
    return namesIn(fd, EMPTY, rules).wanted
  } finally {
    close(fd)
  }
}

async function* scannedPages(op: Operation, { session, previous, crew, devices }: UnchangedPagesParts): AsyncGenerator<Scanned> {
  const tasks: Promise<Scanned[]>[] = []
  let isEnd = false
  while (!isEnd || tasks.length > 0) {
    while (!isEnd && tasks.length < crew.tasksAhead) {
      const pages: PageChild[] = []
      while (pages.length < TASK_PAGES && !isEnd) {
        const page = await previous.nextPage()
        if (page) pages.push(page)
        else isEnd = true
      }
      if (pages.length === 0) break
      const task = scanTask(op, session, crew, devices, pages)
      task.catch(() => {}) // awaited in order, below
      tasks.push(task)
    }
    const first = tasks.shift()
    if (first) yield* await first
  }
}

async function scanTask(
  op: Operation,
  session: WriteSession,
  crew: ScanCrew,
  devices: Devices,
  pages: readonly PageChild[],
): Promise<Scanned[]> {
  const locations: ChunkLocation[] = []
  let lost: TerpError | undefined
  for (const { id } of pages) {
    try {
      locations.push(locate(session.index, id))
    } catch (error) {
      if (!isKind(error, 'corrupt')) throw error
      lost = error
      break
    }
  }
  const answer = await crew.scan(op, { pages: locations, devices: devices.telling })
  const scanned = answer.map((found, i): Scanned => {
    const page = pages[i] as PageChild
    return { page, found: 'damage' in found ? { damage: fromPlainError(found.damage) } : found }
  })
  const [firstLost] = pages.slice(locations.length)
  return lost && firstLost ? [...scanned, { page: firstLost, found: { damage: lost } }] : scanned
}

/** Each with the one after it. */
async function* withNext<T>(items: AsyncIterable<T>): AsyncGenerator<[T, T | undefined]> {
  let last: T | undefined
  for await (const item of items) {
    if (last !== undefined) yield [last, item]
    last = item
  }
  if (last !== undefined) yield [last, undefined]
}

/** Buffers arrive from another thread as plain Uint8Arrays. */
function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
