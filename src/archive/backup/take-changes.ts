/** A backup of what was backed up before with the same settings: pages that are as they were are taken over whole, the rest is walked. */
import { crc32 } from 'node:zlib'
import type { Operation } from '../../base/operation.ts'
import type { WriteSession } from '../../repository/index.ts'
import type { BackupRun } from './backup-run.ts'
import type { Devices } from './devices.ts'
import { READ_IN_PLACE } from './places.ts'
import type { PreviousTree } from './previous.ts'
import { rootsOf } from './roots.ts'
import type { ScanCrew } from './scan/scan-crew.ts'
import type { ScanSettings } from './scan/scan-protocol.ts'
import { unchangedPages } from './scan/unchanged-pages.ts'
import { type WalkOptions, type WalkRange, walkRanges } from './walk.ts'

export interface TakeChangesParts {
  readonly session: WriteSession
  readonly run: BackupRun
  readonly previous: PreviousTree
  readonly devices: Devices
  readonly walkOptions: WalkOptions
  readonly excludes: readonly string[]
  /** Of the previous recovery point, in base64. */
  readonly unread: readonly string[]
  readonly isTurn: (pagePath: Buffer) => boolean
}

export async function takeChanges(op: Operation, parts: TakeChangesParts, openCrew: (settings: ScanSettings) => ScanCrew): Promise<void> {
  const { session, run, previous, devices, walkOptions } = parts
  const { places = READ_IN_PLACE } = walkOptions
  const roots = rootsOf(walkOptions.roots, places)
  devices.writeOutRoots(op, roots)
  previous.guide()
  const { excludeCaches, oneFileSystem, skip } = walkOptions
  const crew = openCrew({ roots, skip: [...skip], oneFileSystem, excludes: parts.excludes, excludeCaches, devices: places.devices })
  const range: WalkRange = { from: Buffer.alloc(0), to: undefined }
  const walked = walkRanges(walkOptions, range)
  try {
    const stretches = unchangedPages(op, {
      session,
      previous,
      crew,
      devices,
      unread: parts.unread.map((path) => Buffer.from(path, 'base64')),
      protectedRoot: roots[0]?.path.length === 0 ? roots[0].at : undefined,
      isExcluded: walkOptions.isExcluded,
      isFileExcluded: walkOptions.isFileExcluded,
      mustWalk: ({ firstPath }) => parts.isTurn(firstPath),
    })
    for await (const stretch of stretches) {
      if (stretch.kind === 'same') {
        await run.adopt(stretch.page, stretch.found)
        continue
      }
      if (stretch.page) previous.give(stretch.page)
      range.from = stretch.from
      range.to = stretch.to
      for (let item = walked.next().value; item; item = walked.next().value) await run.take(item)
    }
  } finally {
    walked.return(undefined)
    await crew.close()
  }
}

/** Whether it is the turn of a page's files to be read again: all pages come to it within 100 / `percent` turns. */
export function turnOf(percent: number, turn: number): (pagePath: Buffer) => boolean {
  if (percent <= 0) return () => false
  const turns = Math.max(1, Math.round(100 / percent))
  return (pagePath) => crc32(pagePath) % turns === turn % turns
}
