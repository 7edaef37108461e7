/**
 * How far the reading of a large file has come, noted in the pool each few GiB once everything up to there is durable: a backup of a file that takes a day and is cut
 * off in its twentieth hour goes on from there. docs/format.md §12, topic `resume`. A note is a help and never the truth: it counts only
 * while the file is the same by inode, size and times, and every chunk that it names is held.
 */
import { isKind, TerpError } from '../../base/errors.ts'
import type { Operation } from '../../base/operation.ts'
import { Semaphore } from '../../base/semaphore.ts'
import type { FileStat } from '../../platform/index.ts'
import { type Repository, readConfiguration, removeConfiguration, type WriteSession, writeConfiguration } from '../../repository/index.ts'
import type { Extent } from '../entry.ts'
import { TreeReader } from '../tree/tree-reader.ts'

const TOPIC = 'resume'

export interface Checkpoint {
  readonly path: Buffer
  readonly stat: FileStat
  readonly partBytes: number
  /** So many parts from its beginning are stored. */
  readonly parts: number
  readonly sparse: boolean
  /** Of these parts, folded. */
  readonly extents: readonly Extent[]
}

/** As it is stored. */
interface Note {
  readonly source: string
  readonly path: string
  readonly identity: readonly number[]
  readonly part_bytes: number
  readonly parts: number
  readonly sparse: boolean
  readonly extents: readonly { readonly kind: Extent['kind']; readonly chunk?: string; readonly offset?: number; readonly length: number }[]
}

export interface Resumed {
  readonly parts: number
  readonly sparse: boolean
  /** All, with no list among them. */
  readonly extents: readonly Extent[]
}

export class Checkpoints {
  readonly #session: WriteSession
  readonly #source: string
  readonly #flush: () => Promise<void>
  readonly #turn: Semaphore
  /** What the pool had of all sources when it was looked for first: those of this source change through this object alone. */
  #notes: readonly Note[] | undefined

  /** `flush`: everything stored so far is durable when it returns. */
  constructor(session: WriteSession, source: string, flush: () => Promise<void>) {
    this.#session = session
    this.#source = source
    this.#flush = flush
    this.#turn = turnOf(session.repository)
  }

  /** One after the other: several files may be under way, and several sessions. */
  note(op: Operation, checkpoint: Checkpoint): Promise<void> {
    return this.#turn.run(() => this.#noteAlone(op, checkpoint))
  }

  async #noteAlone(op: Operation, { path, stat, partBytes, parts, sparse, extents }: Checkpoint): Promise<void> {
    await this.#flush()
    const note: Note = {
      source: this.#source,
      path: path.toString('base64'),
      identity: identityOf(stat),
      part_bytes: partBytes,
      parts,
      sparse,
      extents: extents.map((extent) =>
        extent.kind === 'hole' ? { kind: extent.kind, length: extent.length } : { ...extent, chunk: extent.chunk.toString('hex') },
      ),
    }
    const others = (await this.#read(op)).filter((other) => other.source !== note.source || other.path !== note.path)
    await this.#write(op, [...others, note])
  }

  /** The new one is durable before the old one goes. */
  async #write(op: Operation, notes: readonly Note[]): Promise<void> {
    const { repository } = this.#session
    const name = notes.length > 0 ? await writeConfiguration(op, repository, TOPIC, { notes }) : undefined
    await removeConfiguration(op, repository, TOPIC, name)
    this.#notes = notes
  }

  /** Undefined when this file was not begun, changed since, or something of what was stored is gone. */
  async find(op: Operation, path: Buffer, stat: FileStat, partBytes: number): Promise<Resumed | undefined> {
    const name = path.toString('base64')
    const note = (await this.#load(op)).find((known) => known.source === this.#source && known.path === name)
    if (!note || note.part_bytes !== partBytes) return undefined
    const identity = identityOf(stat)
    if (note.identity.length !== identity.length || note.identity.some((value, i) => value !== identity[i])) return undefined
    const extents = await this.#resolve(op, note)
    return extents && { parts: note.parts, sparse: note.sparse, extents }
  }

  async #load(op: Operation): Promise<readonly Note[]> {
    this.#notes ??= await this.#read(op)
    return this.#notes
  }

  /** As it is now: other sessions note their files beside this one. */
  async #read(op: Operation): Promise<readonly Note[]> {
    try {
      return ((await readConfiguration(op, this.#session.repository, TOPIC)) as { notes: Note[] } | undefined)?.notes ?? []
    } catch (error) {
      if (!isKind(error, 'corrupt')) throw error
      return [] // then files are read from their beginning
    }
  }

  async #resolve(op: Operation, note: Note): Promise<Extent[] | undefined> {
    const { repository, index, known } = this.#session
    const folded = note.extents.map(
      (extent): Extent =>
        extent.kind === 'hole'
          ? { kind: 'hole', length: extent.length }
          : extent.kind === 'list'
            ? { kind: 'list', chunk: Buffer.from(extent.chunk ?? '', 'hex'), length: extent.length }
            : { kind: 'data', chunk: Buffer.from(extent.chunk ?? '', 'hex'), offset: extent.offset ?? 0, length: extent.length },
    )
    const reader = new TreeReader(repository, index, { root: Buffer.alloc(32), level: 0 })
    const extents: Extent[] = []
    let bytes = 0
    try {
      for await (const extent of reader.content(op, folded)) {
        if (extent.kind === 'data' && !known.has(extent.chunk)) return undefined
        bytes += extent.length
        extents.push(extent)
      }
    } catch (error) {
      if (!isKind(error, 'corrupt')) throw error
      return undefined
    }
    return bytes === note.parts * note.part_bytes ? extents : undefined
  }

  /** After the commit: what was noted of this source is part of a recovery point, or of no use any more. The point is there, whatever becomes of this. */
  async clear(op: Operation): Promise<void> {
    try {
      await this.#turn.run(async () => {
        const notes = await this.#read(op)
        const others = notes.filter(({ source }) => source !== this.#source)
        if (notes.length !== others.length) await this.#write(op, others)
      })
    } catch (error) {
      if (!(error instanceof TerpError)) throw error
      if (error.kind !== 'cancelled')
        op.warn({ code: error.code, message: `a note about a large file could not be removed: ${error.message}` })
    }
  }
}

/** Sessions of one writer take turns: each writes down what the others noted, too. */
const turns = new WeakMap<Repository, Semaphore>()
function turnOf(repository: Repository): Semaphore {
  const turn = turns.get(repository) ?? new Semaphore(1)
  turns.set(repository, turn)
  return turn
}

/** Whatever a change of content moves. The device is left out: its number changes when a machine starts. */
function identityOf(stat: FileStat): number[] {
  return [stat.ino, stat.sizeBytes, stat.mtimeSec, stat.mtimeNs, stat.ctimeSec, stat.ctimeNs]
}
