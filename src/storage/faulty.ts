/**
 * A store with scripted faults in front of another, for tests. A fault waits for its call, happens, and is used up; `assertAllHit`
 * fails a test whose script was not played to its end, because then it tested nothing.
 */
import type { Operation } from '../base/operation.ts'
import { storageError } from './errors.ts'
import type { ByteRange, ImmediateReads, ObjectInfo, ObjectMove, OpenObject, PruningStore, SessionBoard } from './object-store.ts'

export type Verb = 'put' | 'get' | 'head' | 'list' | 'quarantine' | 'remove' | 'move'

export type FaultEffect =
  /** Nothing is done; the error is thrown. */
  | { readonly kind: 'error'; readonly error?: Error }
  /** It is done, but the caller sees the error: the reply was lost. A list fails after its last entry. */
  | { readonly kind: 'lost-reply'; readonly error?: Error }
  /** The clock of the operation passes before anything is done. */
  | { readonly kind: 'delay'; readonly delayMs: number }
  /** get: one bit of what was read is wrong; which one is counted from the start, and wraps around. */
  | { readonly kind: 'flip-bit'; readonly bit?: number }
  /** get: the last bytes are missing. */
  | { readonly kind: 'short-read'; readonly missingBytes?: number }

export type Fault = FaultEffect & {
  readonly verb: Verb
  /** Only for this name, or names (a list: prefixes) that match. */
  readonly name?: string | RegExp
  /** How many matching calls pass before the fault happens. Default 0. */
  readonly skip?: number
  /** How many matching calls it happens to. Default 1. */
  readonly times?: number
}

interface Pending {
  readonly fault: Fault
  skip: number
  left: number
}

export class FaultyStore implements PruningStore {
  readonly #inner: PruningStore
  readonly #script: Pending[]

  constructor(inner: PruningStore, script: readonly Fault[] = []) {
    this.#inner = inner
    this.#script = script.map((fault) => ({ fault, skip: fault.skip ?? 0, left: fault.times ?? 1 }))
  }

  get description(): string {
    return `${this.#inner.description} (with faults)`
  }

  /** Throws when a scripted fault did not happen as often as it should. */
  assertAllHit(): void {
    const missed = this.#script.filter((pending) => pending.left > 0).map(({ fault, left }) => `${fault.verb} ${fault.kind} (${left} left)`)
    if (missed.length > 0) throw new Error(`faults that never happened: ${missed.join(', ')}`)
  }

  put(op: Operation, name: string, bytes: Uint8Array): Promise<'stored' | 'already-there'> {
    return this.#act(op, 'put', name, () => this.#inner.put(op, name, bytes))
  }

  async get(op: Operation, name: string, range?: ByteRange): Promise<Buffer> {
    return this.#act(op, 'get', name, () => this.#inner.get(op, name, range), distort)
  }

  head(op: Operation, name: string): Promise<ObjectInfo | undefined> {
    return this.#act(op, 'head', name, () => this.#inner.head(op, name))
  }

  async *list(op: Operation, prefix: string): AsyncGenerator<ObjectInfo> {
    const fault = this.#next('list', prefix)
    await before(op, fault)
    yield* this.#inner.list(op, prefix)
    after(fault)
  }

  /** Faults of `get`, `head` and `list` happen here too; but time does not pass in an immediate read. */
  get immediate(): ImmediateReads | undefined {
    const { immediate } = this.#inner
    if (!immediate) return undefined
    const open = (name: string, object: OpenObject): OpenObject => ({
      sizeBytes: object.sizeBytes,
      handle: object.handle,
      read: (offset, length, into) => this.#actNow('get', name, () => object.read(offset, length, into), distort),
      close: () => object.close(),
    })
    return {
      head: (name) => this.#actNow('head', name, () => immediate.head(name)),
      open: (name) => open(name, immediate.open(name)),
      adopt: (handle, sizeBytes) => open(`object ${handle}`, immediate.adopt(handle, sizeBytes)),
      names: (prefix) => this.#actNow('list', prefix, () => immediate.names(prefix)),
    }
  }

  async putParts(op: Operation, parts: AsyncIterable<Uint8Array>, nameOf: () => string): Promise<string> {
    return this.#act(op, 'put', 'an object in parts', () => this.#inner.putParts(op, parts, nameOf))
  }

  quarantine(op: Operation, name: string): Promise<void> {
    return this.#act(op, 'quarantine', name, () => this.#inner.quarantine(op, name))
  }

  beginEpoch(op: Operation, epoch: number): Promise<void> {
    return this.#inner.beginEpoch(op, epoch)
  }

  remove(op: Operation, name: string): Promise<void> {
    return this.#act(op, 'remove', name, () => this.#inner.remove(op, name))
  }

  removeAll(op: Operation, names: readonly string[]): Promise<void> {
    return this.#act(op, 'remove', names[0] ?? '', () => this.#inner.removeAll(op, names))
  }

  moveAll(op: Operation, moves: readonly ObjectMove[]): Promise<void> {
    return this.#act(op, 'move', moves[0]?.from ?? '', () => this.#inner.moveAll(op, moves))
  }

  beginPrune(op: Operation, number: number): Promise<void> {
    return this.#inner.beginPrune(op, number)
  }

  get sessions(): SessionBoard {
    return this.#inner.sessions
  }

  async #act<T>(op: Operation, verb: Verb, name: string, act: () => Promise<T>, change?: (value: T, fault: Fault) => T): Promise<T> {
    const fault = this.#next(verb, name)
    await before(op, fault)
    const result = await act()
    after(fault)
    return fault && change ? change(result, fault) : result
  }

  #actNow<T>(verb: Verb, name: string, act: () => T, change?: (value: T, fault: Fault) => T): T {
    const fault = this.#next(verb, name)
    if (fault?.kind === 'error') throw errorOf(fault)
    const result = act()
    after(fault)
    return fault && change ? change(result, fault) : result
  }

  /** The first fault of the script that is due for this call; calls are counted for all faults that they match. */
  #next(verb: Verb, name: string): Fault | undefined {
    let due: Pending | undefined
    for (const pending of this.#script) {
      if (pending.left === 0 || pending.fault.verb !== verb || !matches(pending.fault.name, name)) continue
      if (pending.skip > 0) pending.skip--
      else due ??= pending
    }
    if (due) due.left--
    return due?.fault
  }
}

function matches(wanted: string | RegExp | undefined, name: string): boolean {
  if (wanted === undefined) return true
  return typeof wanted === 'string' ? wanted === name : wanted.test(name)
}

function errorOf(fault: { readonly error?: Error }): Error {
  return fault.error ?? storageError('STORAGE_IO', 'a scripted fault')
}

async function before(op: Operation, fault: Fault | undefined): Promise<void> {
  if (fault?.kind === 'error') throw errorOf(fault)
  if (fault?.kind === 'delay') await op.clock.sleep(fault.delayMs, op.signal)
}

function after(fault: Fault | undefined): void {
  if (fault?.kind === 'lost-reply') throw errorOf(fault)
}

function distort(bytes: Buffer, fault: Fault): Buffer {
  if (fault.kind === 'short-read') return bytes.subarray(0, Math.max(0, bytes.length - (fault.missingBytes ?? 1)))
  if (fault.kind === 'flip-bit' && bytes.length > 0) {
    const bit = (fault.bit ?? 0) % (bytes.length * 8)
    const at = bit >> 3
    bytes[at] = (bytes[at] as number) ^ (1 << (bit & 7))
  }
  return bytes
}
