/**
 * Takes packs that agents sent into a pool (repository/view/take-pack.ts), for many sessions, on this thread. What is stored is in packs that are durable when `take`
 * returns. Each session's chunks go into packs of its own; memory for them is kept for the next, of whatever session.
 */
import type { Operation } from '../../base/operation.ts'
import {
  ChunkWriter,
  KnownChunks,
  type KnownChunksMemory,
  type PackClass,
  type RepositoryKeys,
  type SealedPack,
  takePack,
  type WriterGrant,
} from '../../repository/index.ts'
import type { ObjectStore } from '../../storage/index.ts'

export interface SentPack {
  /** Of the session in this process. */
  readonly session: string
  readonly grant: WriterGrant
  readonly keys: RepositoryKeys
  readonly name: string
  readonly bytes: Buffer
  readonly mostContentBytes: number
}

export interface ReceivedPack {
  /** 32 bytes each: what the pack held, new to the pool or not. */
  readonly ids: Uint8Array
  readonly sealed: readonly SealedPack[]
}

interface SessionState {
  readonly known: KnownChunks
  memory: KnownChunksMemory
  readonly writers: Map<PackClass, ChunkWriter>
  sealed: SealedPack[]
}

export class PackReceiver {
  readonly #store: ObjectStore
  readonly #sessions = new Map<string, SessionState>()
  readonly #spares: Buffer[] = []

  constructor(store: ObjectStore) {
    this.#store = store
  }

  async take(op: Operation, sent: SentPack): Promise<ReceivedPack> {
    const state = this.#stateOf(sent)
    try {
      const writerOf = (packClass: PackClass) => this.#writerOf(state, sent, packClass)
      const { records } = await takePack(op, sent.keys, sent.name, sent.bytes, { writerOf, mostContentBytes: sent.mostContentBytes })
      for (const writer of state.writers.values()) await writer.flush(op)
      const ids = new Uint8Array(records.length * 32)
      for (const [i, { id }] of records.entries()) ids.set(id, i * 32)
      return { ids, sealed: state.sealed }
    } catch (error) {
      // A writer that failed holds half a pack, and its chunks count as known: nothing of it goes on.
      this.forget(sent.session)
      throw error
    } finally {
      state.sealed = []
    }
  }

  forget(session: string): void {
    this.#sessions.delete(session)
  }

  #stateOf({ session, grant }: SentPack): SessionState {
    let state = this.#sessions.get(session)
    if (!state) {
      state = { known: new KnownChunks(grant.known, this.#store.immediate), memory: grant.known, writers: new Map(), sealed: [] }
      this.#sessions.set(session, state)
    } else if (state.memory !== grant.known) {
      state.known.adopt(grant.known)
      state.memory = grant.known
    }
    return state
  }

  #writerOf(state: SessionState, { grant }: SentPack, packClass: PackClass): ChunkWriter {
    const { keys, packBytes, padding } = grant
    const writer =
      state.writers.get(packClass) ??
      new ChunkWriter({
        store: this.#store,
        keys,
        known: state.known,
        packClass,
        packBytes,
        padding,
        spares: this.#spares,
        onSealed: (pack) => void state.sealed.push(pack),
      })
    state.writers.set(packClass, writer)
    return writer
  }
}
