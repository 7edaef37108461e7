/** Small files of the command line: secrets and credentials that are read, key files that are made. */
import { lstatSync, readdirSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { TerpError } from '../base/errors.ts'
import type { Disk } from '../platform/index.ts'
import { plainText } from './arguments.ts'
import { cliError } from './errors.ts'

export function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

export function isAbsent(error: unknown): boolean {
  return errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR'
}

/** FILE_NOT_FOUND, FILE_UNREADABLE. `what` is for people: `the key file`. */
export async function readSmallFile(disk: Disk, path: string, what: string): Promise<Buffer> {
  const name = plainText(path, what)
  try {
    return await disk.read(name)
  } catch (error) {
    throw unreadable(error, name, what)
  }
}

function unreadable(error: unknown, path: string, what: string): TerpError {
  const details = { cause: error, context: { path } }
  if (isAbsent(error)) return cliError('FILE_NOT_FOUND', `${what} ${path} does not exist`, details)
  return cliError('FILE_UNREADABLE', `${what} ${path} can not be read: ${errnoOf(error) ?? String(error)}`, details)
}

/** For its owner only, whole and durable; FILE_EXISTS, FILE_UNWRITABLE. */
export async function makePrivateFile(disk: Disk, path: string, text: string, what: string): Promise<void> {
  const name = plainText(path, what)
  let isMade = false
  try {
    const file = await disk.createFile(name)
    isMade = true
    try {
      await file.write(Buffer.from(text))
      await file.sync()
    } finally {
      await file.close()
    }
    await disk.syncFolder(dirname(resolve(name)))
  } catch (error) {
    // Half a key is worse than none.
    if (isMade) await disk.unlink(name).catch(() => undefined)
    throw unwritable(error, name, what)
  }
}

/** The same in place of what is there. FILE_UNWRITABLE. */
export async function replacePrivateFile(disk: Disk, path: string, text: string, what: string): Promise<void> {
  const fresh = `${path}.new`
  try {
    if ((await disk.size(fresh)) !== undefined) await disk.unlink(fresh)
    await makePrivateFile(disk, fresh, text, what)
    await disk.rename(fresh, path)
    await disk.syncFolder(dirname(resolve(path)))
  } catch (error) {
    throw error instanceof TerpError ? error : unwritable(error, path, what)
  }
}

function unwritable(error: unknown, path: string, what: string): TerpError {
  const details = { cause: error, context: { path } }
  if (errnoOf(error) === 'EEXIST') return cliError('FILE_EXISTS', `${what} ${path} exists already`, details)
  return cliError('FILE_UNWRITABLE', `${what} ${path} can not be made: ${errnoOf(error) ?? String(error)}`, details)
}

/** Also for a link that leads nowhere: making a file there would fail. */
export function isThere(path: string): boolean {
  try {
    lstatSync(path)
    return true
  } catch (error) {
    if (isAbsent(error)) return false
    throw cliError('FILE_UNREADABLE', `${path} can not be looked at: ${errnoOf(error) ?? String(error)}`, {
      cause: error,
      context: { path },
    })
  }
}

export function isInside(path: string, folder: string): boolean {
  const way = relative(resolve(folder), resolve(path))
  return way === '' || !(way === '..' || way.startsWith('../'))
}

/** Undefined when there is no such folder; FILE_UNREADABLE, USAGE_INVALID for what is no folder. */
export function namesIn(folder: string): string[] | undefined {
  try {
    return readdirSync(folder)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    if (errnoOf(error) === 'ENOTDIR') throw cliError('USAGE_INVALID', `${folder} is not a folder`, { hint: 'Give a folder.' })
    throw cliError('FILE_UNREADABLE', `${folder} is no folder that can be read: ${errnoOf(error) ?? String(error)}`, {
      cause: error,
      context: { path: folder },
    })
  }
}

/** Whether there is any file at all below it. */
export function holdsFiles(folder: string): boolean {
  return readdirSync(folder, { withFileTypes: true }).some((entry) => !entry.isDirectory() || holdsFiles(join(folder, entry.name)))
}

/** With its parents. */
export async function makeFolders(disk: Disk, path: string): Promise<void> {
  try {
    await disk.makeFolder(path)
  } catch (error) {
    if (!isAbsent(error) || dirname(path) === path) throw unwritable(error, path, 'the folder')
    await makeFolders(disk, dirname(path))
    await disk.makeFolder(path).catch((again: unknown) => {
      throw unwritable(again, path, 'the folder')
    })
  }
}
