/**
 * A folder of a recovery point as a zip file, made while it is read. Names in it are safe wherever it is unpacked: relative, without `..`. What a zip file can not
 * hold well stays out (devices, sockets); symbolic links are files with the target as text, so that nothing that is unpacked leads out of its folder.
 */
import { once } from 'node:events'
import { PassThrough, type Readable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { ZipFile } from 'yazl'
import { fromTimestamp, toDate } from '../../base/clock.ts'
import type { FolderItem } from './content-tasks.ts'
import { recoveryError } from './errors.ts'
import type { PlainEntry } from './plain-entry.ts'

/** Above it, an entry needs the larger kind of header, which the writer has to know beforehand. */
const LARGE_BYTES = 0xf000_0000

export function zipOf(items: AsyncIterable<FolderItem>): Readable {
  const zip = new ZipFile()
  const out = new PassThrough()
  const stop = new AbortController()
  out.once('close', () => stop.abort())
  zip.once('error', (error: Error) => out.destroy(error))
  zip.outputStream.pipe(out)
  fill(zip, items, stop.signal).catch((error: unknown) => out.destroy(error instanceof Error ? error : new Error(String(error))))
  return out
}

async function fill(zip: ZipFile, items: AsyncIterable<FolderItem>, signal: AbortSignal): Promise<void> {
  const names = new SafeNames()
  let file: PassThrough | undefined
  const endFile = async () => {
    if (!file) return
    file.end()
    // One at a time, so that small files do not pile up before whoever reads slowly.
    await finished(file, { signal })
    file = undefined
  }
  for await (const item of items) {
    if (item.kind === 'bytes') {
      if (file && !file.write(item.bytes)) await once(file, 'drain', { signal })
      continue
    }
    await endFile()
    const { entry, below } = item
    if (below === '') continue
    const name = names.of(below)
    if (entry.kind === 'folder') zip.addEmptyDirectory(name, optionsOf(entry, 0o755))
    else if (entry.kind === 'symlink') zip.addBuffer(Buffer.from(entry.target ?? ''), name, optionsOf(entry, 0o644))
    else if (entry.kind === 'file') {
      file = new PassThrough()
      zip.addReadStream(file, name, { ...optionsOf(entry, entry.mode), forceZip64Format: entry.sizeBytes > LARGE_BYTES })
    }
  }
  await endFile()
  zip.end()
}

function optionsOf({ modified }: PlainEntry, mode: number) {
  // No set-user-ID: who unpacks it did not choose that.
  return { mtime: toDate(fromTimestamp(modified)), mode: mode & 0o777 }
}

class SafeNames {
  /** Of those that were changed: two may come to the same. */
  readonly #taken = new Set<string>()

  /** RECOVERY_NAME_UNSAFE. */
  of(path: string): string {
    const parts = path.split('/')
    if (parts.some((part) => part === '' || part === '.' || part === '..' || part.includes('\0'))) {
      throw recoveryError('RECOVERY_NAME_UNSAFE', 'a name in the recovery point leads out of its folder')
    }
    // A backslash separates names elsewhere, and a colon begins a drive.
    const safe = path.replace(/[\\:]/g, '_')
    if (safe === path && !path.includes('\ufffd')) return safe
    let name = safe
    for (let n = 2; this.#taken.has(name); n++) name = `${safe}~${n}`
    this.#taken.add(name)
    return name
  }
}
