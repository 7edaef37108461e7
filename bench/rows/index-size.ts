/** Row 8: the index of a large pool, made through the real code. */
import { measureIndexApart } from './index-measure.ts'
import type { RowGroup } from './row.ts'

const CHUNKS = 10_000_000

export const indexRow: RowGroup = {
  rows: [8],
  title: 'A large index',
  async run(context) {
    const chunks = Math.round(CHUNKS * context.options.scale)
    const measured = await measureIndexApart(context, chunks)
    const figures = [
      { what: 'open', value: measured.openSeconds, unit: 's', bar: { atMost: 5 } },
      { what: 'open to write', value: measured.openToWriteSeconds, unit: 's', bar: { atMost: 5 } },
      { what: 'look-ups', value: measured.lookUpsPerSecond, unit: '/s', bar: { atLeast: 1_000_000 } },
      { what: 'look-ups of chunks that are not there', value: measured.missesPerSecond, unit: '/s', bar: { atLeast: 1_000_000 } },
      { what: 'look-ups, the first ones of a process', value: measured.firstLookUpsPerSecond, unit: '/s' },
      { what: 'the whole process', value: measured.peakMib, unit: 'MiB', bar: { atMost: 600 } },
      { what: 'on disk, per chunk', value: measured.diskBytesPerChunk, unit: 'bytes', bar: { atMost: 48 } },
    ]
    const notes = ['The whole process holds the ids that it asks for, too. Making the index is another process.']
    return { rows: [{ row: 8, title: `Index of ${chunks.toLocaleString('en-US')} chunks`, figures, notes }] }
  },
}
