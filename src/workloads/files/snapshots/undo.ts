/**
 * What was made for a snapshot and has to go again: each step is written down before it is done, so that the next start of an agent that was killed knows what to clean. To undo
 * a step that was not done, or undone already, does nothing.
 */
import { mkdir, readdir, readFile, rm, rmdir, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import type { Operation } from '../../../base/operation.ts'
import { randomHex } from '../../../base/random.ts'
import { close, O_DIRECTORY, O_RDONLY, openPath, PosixError, systemDisk, thawFileSystem } from '../../../platform/index.ts'
import { NoSnapshot, run } from './command.ts'
import { mountTable } from './mount-table.ts'

const stepShape = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('folder'), path: z.string() }),
  z.object({ kind: z.literal('file'), path: z.string() }),
  z.object({ kind: z.literal('mount'), path: z.string() }),
  /** A loop device over this file. */
  z.object({ kind: z.literal('loop'), file: z.string() }),
  z.object({ kind: z.literal('logical-volume'), name: z.string() }),
  /** Below the top of a btrfs, which is mounted in `top` to reach it. */
  z.object({ kind: z.literal('subvolume'), device: z.string(), top: z.string(), name: z.string() }),
  z.object({ kind: z.literal('freeze'), path: z.string() }),
])
const undoShape = z.object({ version: z.literal(1), steps: z.array(stepShape) })

export type UndoStep = z.infer<typeof stepShape>

const SUFFIX = '.undo.json'
const DISK = systemDisk()

export class Undo {
  /** Part of the names of all that is made. */
  readonly id: string
  readonly folder: string
  readonly #path: string
  readonly #steps: UndoStep[]

  private constructor(folder: string, id: string, steps: UndoStep[]) {
    this.id = id
    this.folder = folder
    this.#path = join(folder, `${id}${SUFFIX}`)
    this.#steps = steps
  }

  static async begin(op: Operation, folder: string): Promise<Undo> {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    return new Undo(folder, randomHex(op.random, 8), [])
  }

  /** Those that an agent which was killed left behind. */
  static async left(folder: string): Promise<Undo[]> {
    const names = await readdir(folder).catch(() => [])
    const left: Undo[] = []
    for (const name of names.filter((candidate) => candidate.endsWith(SUFFIX))) {
      const parsed = undoShape.safeParse(parse(await readFile(join(folder, name), 'utf8')))
      // Written whole or not at all: half of one says that its first step was not done.
      left.push(new Undo(folder, name.slice(0, -SUFFIX.length), parsed.success ? parsed.data.steps : []))
    }
    return left
  }

  /** Before it is done. */
  async note(...steps: readonly UndoStep[]): Promise<void> {
    this.#steps.push(...steps)
    const fresh = `${this.#path}.new`
    await rm(fresh, { force: true })
    const file = await DISK.createFile(fresh)
    try {
      await file.write(Buffer.from(JSON.stringify({ version: 1, steps: this.#steps })))
      await file.sync()
    } finally {
      await file.close()
    }
    await DISK.rename(fresh, this.#path)
    await DISK.syncFolder(this.folder)
  }

  /** Backwards; what can't be undone is told, kept for the next time, and ends it. */
  async run(op: Operation): Promise<void> {
    for (let step = this.#steps.at(-1); step; step = this.#steps.at(-1)) {
      await undoStep(op, step)
      this.#steps.pop()
    }
    await rm(this.#path, { force: true })
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

async function undoStep(op: Operation, step: UndoStep): Promise<void> {
  if (step.kind === 'folder') await rmdir(step.path).catch(ifThere)
  else if (step.kind === 'file') await unlink(step.path).catch(ifThere)
  else if (step.kind === 'mount') await unmount(op, step.path)
  else if (step.kind === 'loop') {
    for (const line of (await run(op, 'losetup', ['-n', '-O', 'NAME', '-j', step.file])).split('\n').filter(Boolean))
      await run(op, 'losetup', ['-d', line.trim()])
  } else if (step.kind === 'logical-volume') {
    const exists = await run(op, 'lvs', [step.name]).then(
      () => true,
      () => false,
    )
    if (exists) await run(op, 'lvremove', ['-f', '-y', step.name])
  } else if (step.kind === 'subvolume') await removeSubvolume(op, step)
  else thaw(step.path)
}

/** After a restart of the machine the top is mounted no more. */
async function removeSubvolume(op: Operation, { device, top, name }: Extract<UndoStep, { kind: 'subvolume' }>): Promise<void> {
  const wasMounted = await isMounted(top)
  if (!wasMounted) {
    await mkdir(top, { recursive: true })
    await run(op, 'mount', ['-t', 'btrfs', '-o', 'subvolid=5', device, top])
  }
  try {
    const list = await readdir(join(top, name, '..')).catch((): string[] => [])
    if (list.includes(name.slice(name.lastIndexOf('/') + 1))) await run(op, 'btrfs', ['subvolume', 'delete', join(top, name)])
  } finally {
    if (!wasMounted) await unmount(op, top)
  }
}

async function unmount(op: Operation, path: string): Promise<void> {
  if (!(await isMounted(path))) return
  // What still reads there ends by itself.
  await run(op, 'umount', [path]).catch(() => run(op, 'umount', ['-l', path]))
}

async function isMounted(path: string): Promise<boolean> {
  const mounts = mountTable(await readFile('/proc/self/mountinfo', 'latin1'))
  return mounts.some((mount) => mount.path.equals(Buffer.from(path)))
}

function thaw(path: string): void {
  try {
    const fd = openPath(Buffer.from(path), O_RDONLY | O_DIRECTORY)
    try {
      thawFileSystem(fd)
    } finally {
      close(fd)
    }
  } catch (error) {
    if (!(error instanceof PosixError)) throw error // mounted no more, or it can't be frozen
  }
}

function ifThere(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw new NoSnapshot(`what was made for a snapshot could not be removed: ${error.message}`)
}
