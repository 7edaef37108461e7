/** The content of recovery points, as tasks of a thread: pieces go out as fast as whoever wants them takes them. */
import { findEntry, type OpenedPoint, readFileContent, treePath } from '../../archive/index.ts'
import type { Operation } from '../../base/operation.ts'
import type { Task } from '../pools/task.ts'
import { type At, bytesOf, looking, openAt } from './look-tasks.ts'
import { type PlainEntry, plainEntry } from './plain-entry.ts'

/** Of a piece that crosses: small enough for a few of them not to matter. */
const PIECE_BYTES = 1 << 20

/** The bytes of one file. */
export const content: Task<At, { readonly bytes: number }, Uint8Array> = (place, { pointId, path }, emit) =>
  looking(place, async () => {
    const opened = await openAt(place, pointId)
    try {
      const found = await findEntry(place.op, opened, bytesOf(path))
      let bytes = 0
      await eachPiece(place.op, opened, found, async (piece) => {
        bytes += piece.length
        await emit(piece)
      })
      return { bytes }
    } finally {
      opened.close()
    }
  })

export type FolderItem =
  | { readonly kind: 'entry'; readonly entry: PlainEntry; readonly below: string }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }

/** A folder with all below it: each entry, and after a file's its bytes. `below`: the path from the folder's own name on. */
export const folder: Task<At, { readonly entries: number }, FolderItem> = (place, { pointId, path }, emit) =>
  looking(place, async () => {
    const { op } = place
    const opened = await openAt(place, pointId)
    try {
      const top = treePath(bytesOf(path))
      if (top.length > 0) await findEntry(op, opened, top)
      const cut = top.lastIndexOf(0x2f) + 1
      let entries = 0
      for await (const found of opened.tree.within(op, top)) {
        op.check()
        entries++
        await emit({ kind: 'entry', entry: plainEntry(found), below: found.path.subarray(cut).toString('utf8') })
        if (found.kind === 'file') await eachPiece(op, opened, found, (bytes) => emit({ kind: 'bytes', bytes }))
      }
      return { entries }
    } finally {
      opened.close()
    }
  })

async function eachPiece(
  op: Operation,
  opened: OpenedPoint,
  entry: Awaited<ReturnType<typeof findEntry>>,
  take: (piece: Uint8Array) => Promise<void>,
): Promise<void> {
  for await (const bytes of readFileContent(op, opened, entry)) {
    for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
      op.check()
      // A copy: what crosses is cloned with all the memory that it lies in.
      await take(new Uint8Array(bytes.subarray(at, at + PIECE_BYTES)))
    }
  }
}
