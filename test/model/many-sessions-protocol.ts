/**
 * The sessions of one writer as a small machine (docs/adr/0014-many-sessions.md): what they share lies in its memory, beside expirations, a prune, sessions
 * that come to nothing, and a writer that is killed and opened again. Steps are named like the functions of src/repository/pool-writer/,
 * src/repository/write-session.ts and src/repository/prune/ that take them. The prune itself is that of prune-protocol.ts, with the rules that were found there.
 *
 * Two chunks, each with room for two packs that hold it alone; three recovery points. A gate is a step that is atomic. Over 400 lines, as that one.
 */
import type { Protocol } from '../support/state-space.ts'

export interface SharingRules {
  /** When other sessions learn of a chunk: as soon as one is about to store it; once its pack is durable; once that is listed too, and offered. */
  readonly known: 'at once' | 'once durable' | 'once listed'
  /** What is shared is opened anew when the record of deletion changed. */
  readonly opensAnew: boolean
  /** What was listed is offered under the gate, by a session that stands, without what has a tombstone. */
  readonly offersUnderGate: boolean
  /** A session that ends waits for the segment that it is publishing. */
  readonly endsAfterListing: boolean
  /** What earlier sessions left is looked at, under the gate, before it is taken over. */
  readonly looksAtWhatWasLeft: boolean
  /** What a session listed, and did not offer, is found again because what is shared is opened anew. Not for safety: shows that nothing depends on it. */
  readonly remembers: boolean
}

export const SHARING: SharingRules = {
  known: 'once listed',
  opensAnew: true,
  offersUnderGate: true,
  endsAfterListing: true,
  looksAtWhatWasLeft: true,
  remembers: true,
}

export interface SharingBounds {
  /** In all; two at a time. */
  readonly sessions: number
  readonly prunes: number
  /** Sessions that come to nothing, or are taken for ended, writers and prunes that are killed. */
  readonly faults: number
}

const CHUNKS = 2
const PACKS = CHUNKS * 2
const ALL = (1 << PACKS) - 1
const POINTS = 3
const SESSIONS = 2
const CONTENTS = (1 << CHUNKS) - 1

const ABSENT = 0
const VISIBLE = 1
const TRASH = 2
const GONE = 3

/** Of a session. */
const NONE = 0
const BEGUN = 1
const STORED = 2
const SEALED = 3
/** Its segment is being published: it may be visible, and the session has not heard of it. */
const LISTING = 4
const LISTED = 5

/** Of a prune. */
const IDLE = 0
const MARKED = 1
const ENTOMBED = 2
const DECIDED = 3
const REWRITTEN = 4

const STEPS = [
  'begin',
  'store',
  'seal',
  'publishIndex',
  'offer',
  'commit',
  'end',
  'lapse',
  'crashWriter',
  'openWriter',
  'expirePoint',
  'listAndMark',
  'repack',
  'entomb',
  'recheck',
  'rewriteIndex',
  'deletePack',
  'forget',
  'crashPrune',
  'lateOffer',
] as const
type Step = (typeof STEPS)[number]
const numberOf = new Map<Step, number>(STEPS.map((name, n) => [name, n]))
const WAYS = 8

/** Of packs, as sets of bits. One number per field. */
class Fields {
  present = 0
  listed = 0
  tomb = 0
  /** For each pack, two bits: the sessions that its tombstone waits for. */
  waits = 0
  readonly content = new Int32Array(POINTS)
  readonly status = new Int32Array(POINTS)
  readonly held = new Int32Array(POINTS)
  /** Of the writer: open, what a session that begins now would count on, that the record changed since, and what sessions left. */
  writer = 1
  shared = 0
  changed = 0
  left = 0
  readonly phase = new Int32Array(SESSIONS)
  /** Chunks of a base whose tree is trusted; once it stored, what its point will name. */
  readonly chunks = new Int32Array(SESSIONS)
  /** Packs that it counts on, its own among them. */
  readonly known = new Int32Array(SESSIONS)
  readonly own = new Int32Array(SESSIONS)
  readonly seen = new Int32Array(SESSIONS)
  lapsed = 0
  /** Packs of a session that ended while its segment was on the way, which it will offer when it hears of it. */
  late = 0
  prune = IDLE
  marks = 0
  doomed = 0
  due = 0
  sessions = 0
  prunes = 0
  faults = 0

  read(w: Int32Array): void {
    const a = w[0] as number
    this.present = a & 15
    this.listed = (a >> 4) & 15
    this.tomb = (a >> 8) & 15
    this.waits = (a >> 12) & 255
    this.writer = (a >> 20) & 1
    this.shared = (a >> 21) & 15
    this.changed = (a >> 25) & 1
    this.left = (a >> 26) & 15
    const b = w[1] as number
    for (let p = 0; p < POINTS; p++) {
      this.content[p] = (b >> (p * 6)) & 3
      this.status[p] = (b >> (p * 6 + 2)) & 3
      this.held[p] = (b >> (p * 6 + 4)) & 3
    }
    this.prune = (b >> 18) & 7
    this.marks = (b >> 21) & 3
    this.doomed = (b >> 23) & 15
    this.due = (b >> 27) & 7
    const c = w[2] as number
    for (let s = 0; s < SESSIONS; s++) {
      this.phase[s] = (c >> (s * 14)) & 7
      this.chunks[s] = (c >> (s * 14 + 3)) & 3
      this.known[s] = (c >> (s * 14 + 5)) & 15
      this.own[s] = (c >> (s * 14 + 9)) & 15
    }
    this.lapsed = (c >> 28) & 3
    const d = w[3] as number
    for (let s = 0; s < SESSIONS; s++) this.seen[s] = (d >> (s * 4)) & 15
    this.late = (d >> 8) & 15
    this.sessions = (d >> 12) & 7
    this.prunes = (d >> 15) & 7
    this.faults = (d >> 18) & 7
  }

  write(w: Int32Array): void {
    w[0] =
      this.present |
      (this.listed << 4) |
      (this.tomb << 8) |
      (this.waits << 12) |
      (this.writer << 20) |
      (this.shared << 21) |
      (this.changed << 25) |
      (this.left << 26)
    let b = (this.prune << 18) | (this.marks << 21) | (this.doomed << 23) | (this.due << 27)
    for (let p = 0; p < POINTS; p++)
      b |= ((this.content[p] as number) | ((this.status[p] as number) << 2) | ((this.held[p] as number) << 4)) << (p * 6)
    w[1] = b
    let c = this.lapsed << 28
    for (let s = 0; s < SESSIONS; s++) {
      const one = (this.phase[s] as number) | ((this.chunks[s] as number) << 3) | ((this.known[s] as number) << 5)
      c |= (one | ((this.own[s] as number) << 9)) << (s * 14)
    }
    w[2] = c
    let d = (this.late << 8) | (this.sessions << 12) | (this.prunes << 15) | (this.faults << 18)
    for (let s = 0; s < SESSIONS; s++) d |= (this.seen[s] as number) << (s * 4)
    w[3] = d
  }

  get live(): number {
    let live = 0
    for (let s = 0; s < SESSIONS; s++) if (this.phase[s] !== NONE) live |= 1 << s
    return live & ~this.lapsed
  }

  unwait(s: number): void {
    for (let p = 0; p < PACKS; p++) this.waits &= ~(1 << (p * 2 + s))
    for (let p = 0; p < POINTS; p++) this.held[p] = (this.held[p] as number) & ~(1 << s)
  }

  endSession(s: number): void {
    this.unwait(s)
    this.phase[s] = NONE
    this.chunks[s] = 0
    this.known[s] = 0
    this.own[s] = 0
    this.seen[s] = 0
    this.lapsed &= ~(1 << s)
  }

  endPrune(): void {
    this.prune = IDLE
    this.marks = 0
    this.doomed = 0
    this.due = 0
    this.prunes++
  }
}

export function manySessions(rules: SharingRules, bounds: SharingBounds): Protocol {
  const f = new Fields()
  const next = new Int32Array(4)

  return {
    begin(state) {
      // Chunk 0 belongs to a recovery point.
      f.read(state)
      f.present = f.listed = f.shared = 0b0001
      f.writer = 1
      f.status[0] = VISIBLE
      f.content[0] = 0b01
      f.write(state)
    },
    steps(state, reach) {
      const take = (name: Step, way: number, act: () => boolean | undefined) => {
        f.read(state)
        if (act() === false) return
        f.write(next)
        reach((numberOf.get(name) as number) * WAYS + way, next)
      }
      f.read(state)
      const { faults, sessions, prunes, prune, writer } = f
      const phases = [f.phase[0] as number, f.phase[1] as number]
      const free = phases.indexOf(NONE)
      if (writer === 1 && free >= 0 && sessions < bounds.sessions)
        for (let base = -1; base < POINTS; base++) take('begin', base + 1, () => begin(free, base))
      for (let s = 0; s < SESSIONS; s++) {
        const phase = phases[s] as number
        if (phase === BEGUN) for (let content = 1; content <= CONTENTS; content++) take('store', s * 4 + content, () => store(s, content))
        if (phase === STORED) take('seal', s, () => seal(s))
        if (phase === SEALED) take('publishIndex', s, () => publishIndex(s))
        if (phase === LISTING) take('offer', s, () => offer(s))
        if (phase === LISTED) take('commit', s, () => commit(s))
        if (phase === NONE || faults >= bounds.faults) continue
        take('end', s, () => end(s))
        take('lapse', s, () => {
          if ((f.lapsed & (1 << s)) !== 0) return false
          f.faults++
          f.unwait(s)
          f.lapsed |= 1 << s
        })
      }
      if (!rules.endsAfterListing) take('lateOffer', 0, lateOffer)
      if (writer === 1 && faults < bounds.faults) take('crashWriter', 0, crashWriter)
      if (writer === 0) take('openWriter', 0, openWriter)
      for (let p = 0; p < POINTS; p++) take('expirePoint', p, () => expirePoint(p))
      if (prune === IDLE && prunes < bounds.prunes) take('listAndMark', 0, listAndMark)
      if (prune === MARKED) {
        for (let c = 0; c < CHUNKS; c++) take('repack', c, () => repack(c))
        take('entomb', 0, entomb)
      }
      if (prune === ENTOMBED) take('recheck', 0, recheck)
      if (prune === DECIDED) take('rewriteIndex', 0, rewriteIndex)
      if (prune === REWRITTEN) take('deletePack', 0, deletePack)
      if (prune === REWRITTEN) take('forget', 0, forget)
      if (prune !== IDLE && faults < bounds.faults) {
        take('crashPrune', 0, () => {
          f.faults++
          f.endPrune()
        })
      }
    },
    violation(state) {
      f.read(state)
      let there = 0
      for (let c = 0; c < CHUNKS; c++) if (((f.present & f.listed) >> (c * 2)) & 3) there |= 1 << c
      for (let p = 0; p < POINTS; p++) {
        const lost = (f.content[p] as number) & ~there
        if (f.status[p] === VISIBLE && lost !== 0)
          return `recovery point ${p} names chunks ${lost.toString(2).padStart(CHUNKS, '0')} that no listed pack holds`
      }
      return undefined
    },
    describe(step) {
      return `${STEPS[Math.floor(step / WAYS)]} ${step % WAYS}`
    },
  }

  // --- The writer and its sessions: src/repository/pool-writer/, src/repository/write-session.ts -------------------------------------------

  /** Announced, then the tombstones, under the gate; what is shared is opened anew if they may have changed. What was left is taken over. */
  function begin(s: number, base: number): boolean | undefined {
    if (base >= 0 && f.status[base] !== VISIBLE) return false
    f.sessions++
    f.phase[s] = BEGUN
    if (rules.opensAnew && f.changed === 1) openAnew()
    f.seen[s] = f.tomb
    f.known[s] = f.shared
    f.chunks[s] = base >= 0 ? (f.content[base] as number) : 0
    const left = rules.looksAtWhatWasLeft ? f.left & f.present & ~f.tomb : f.left
    f.left = 0
    f.own[s] = left
    f.known[s] = (f.known[s] as number) | left
  }

  /** Segments are opened; whether a pack is there is not looked at. */
  function openAnew(): void {
    f.shared = f.listed & ~f.tomb
    f.changed = 0
  }

  /** What the point needs and the session does not know goes into packs, which are in memory at first. */
  function store(s: number, content: number): boolean | undefined {
    for (let c = 0; c < CHUNKS; c++) {
      if ((content & (1 << c)) === 0) continue
      const isKnown = ((f.chunks[s] as number) & (1 << c)) !== 0 || (((f.known[s] as number) >> (c * 2)) & 3) !== 0
      if (isKnown) continue
      const begun = (f.own[0] as number) | (f.own[1] as number)
      const taken = ((f.present | f.listed | f.tomb | f.left | f.late | f.shared | begun) >> (c * 2)) & 3
      if (taken === 3) return false
      f.own[s] = (f.own[s] as number) | (1 << (c * 2 + (taken & 1)))
    }
    f.chunks[s] = content
    f.known[s] = (f.known[s] as number) | (f.own[s] as number)
    f.phase[s] = STORED
    if (rules.known === 'at once') tellAll(f.own[s] as number)
  }

  function tellAll(packs: number): void {
    f.shared |= packs
    for (let s = 0; s < SESSIONS; s++) if (f.phase[s] !== NONE) f.known[s] = (f.known[s] as number) | packs
  }

  /** What was taken over is durable already, or gone: then nothing makes it again. */
  function seal(s: number): undefined {
    const fresh = (f.own[s] as number) & chunkPacks(f.chunks[s] as number) & ~f.listed & ~f.tomb
    f.present |= fresh
    f.phase[s] = SEALED
    if (rules.known === 'once durable') tellAll(f.own[s] as number)
  }

  function chunkPacks(chunks: number): number {
    let packs = 0
    for (let c = 0; c < CHUNKS; c++) if ((chunks & (1 << c)) !== 0) packs |= 3 << (c * 2)
    return packs
  }

  function publishIndex(s: number): undefined {
    f.listed |= f.own[s] as number
    f.phase[s] = LISTING
  }

  /** Under the gate, by a session that stands, or not at all. */
  function offer(s: number): undefined {
    const isStanding = (f.lapsed & (1 << s)) === 0
    if (rules.known === 'once listed') {
      if (!rules.offersUnderGate) tellAll(f.own[s] as number)
      else if (isStanding) tellAll((f.own[s] as number) & ~f.tomb)
    }
    f.phase[s] = LISTED
  }

  /** Only where a session that ended does not wait for its segment. */
  function lateOffer(): boolean | undefined {
    if (f.late === 0) return false
    tellAll(f.late)
    f.late = 0
  }

  /** Under the gate: refused when others took the session for ended, or when a tombstone that it has not seen does not wait for it. */
  function commit(s: number): boolean | undefined {
    const p = f.status.indexOf(ABSENT)
    if (p < 0) return false
    let isFenced = (f.lapsed & (1 << s)) !== 0
    const unseen = f.tomb & ~(f.seen[s] as number)
    for (let n = 0; n < PACKS; n++) if ((unseen & (1 << n)) !== 0 && (f.waits & (1 << (n * 2 + s))) === 0) isFenced = true
    if (!isFenced) {
      f.status[p] = VISIBLE
      f.content[p] = f.chunks[s] as number
    } else if (rules.remembers) f.changed = 1
    f.endSession(s)
  }

  /** Without a point: durable packs that it did not list are left, also those of which it does not know whether it did. */
  function end(s: number): undefined {
    f.faults++
    const phase = f.phase[s]
    if (phase === SEALED || phase === LISTING) f.left |= (f.own[s] as number) & ALL
    if (phase === LISTING && !rules.endsAfterListing) f.late |= f.own[s] as number
    if (phase === LISTED && rules.remembers) f.changed = 1
    f.endSession(s)
  }

  function crashWriter(): undefined {
    f.faults++
    for (let s = 0; s < SESSIONS; s++) if (f.phase[s] !== NONE) f.endSession(s)
    f.writer = f.shared = f.changed = f.left = f.late = 0
  }

  /** Packs that no segment lists get one; packs that are not there count as nothing. */
  function openWriter(): undefined {
    f.writer = 1
    f.listed |= f.present & ~f.tomb
    f.shared = f.listed & f.present & ~f.tomb
  }

  // --- Expire and prune: src/repository/prune/, as in prune-protocol.ts ---------------------------------------------------------------------

  function expirePoint(p: number): boolean | undefined {
    if (f.status[p] !== VISIBLE) return false
    f.status[p] = TRASH
    f.held[p] = f.live
  }

  function mark(): void {
    for (let p = 0; p < POINTS; p++) {
      const isLive = f.status[p] === VISIBLE || (f.status[p] === TRASH && (f.due & (1 << p)) === 0)
      if (isLive) f.marks |= f.content[p] as number
    }
  }

  function listAndMark(): undefined {
    for (let p = 0; p < POINTS; p++) if (f.status[p] === TRASH && f.held[p] === 0) f.due |= 1 << p
    mark()
    f.prune = MARKED
  }

  function repack(c: number): boolean | undefined {
    if ((f.marks & (1 << c)) === 0) return false
    const begun = (f.own[0] as number) | (f.own[1] as number) | f.left | f.late
    const good = (f.present & f.listed & ~f.tomb) >> (c * 2)
    const taken = ((f.present | f.listed | f.tomb | begun | f.shared) >> (c * 2)) & 3
    if ((good & 3) !== taken || (taken !== 1 && taken !== 2)) return false
    const old = c * 2 + (taken === 1 ? 0 : 1)
    f.present |= 1 << (old ^ 1)
    f.listed |= 1 << (old ^ 1)
    f.doomed |= 1 << old
  }

  function hasCopy(pack: number): boolean {
    return (f.present & f.listed & ~f.tomb & (1 << (pack ^ 1))) !== 0
  }

  function isMarked(pack: number): boolean {
    return (f.marks & (1 << (pack >> 1))) !== 0
  }

  function entomb(): undefined {
    mark()
    const repacked = f.doomed
    f.doomed = 0
    const { live } = f
    for (let p = 0; p < PACKS; p++) {
      if ((f.present & f.listed & ~f.tomb & (1 << p)) === 0) continue
      if (isMarked(p) && ((repacked & (1 << p)) === 0 || !hasCopy(p))) continue
      f.tomb |= 1 << p
      f.waits |= live << (p * 2)
      f.changed = 1
    }
    f.prune = ENTOMBED
  }

  function recheck(): undefined {
    mark()
    for (let p = 0; p < PACKS; p++) {
      if ((f.tomb & (1 << p)) === 0 || ((f.waits >> (p * 2)) & 3) !== 0) continue
      if (isMarked(p) && !hasCopy(p)) {
        f.tomb &= ~(1 << p)
        f.changed = 1
      } else f.doomed |= 1 << p
    }
    f.prune = DECIDED
  }

  function rewriteIndex(): undefined {
    f.listed &= ~f.doomed
    f.prune = REWRITTEN
  }

  function deletePack(): boolean | undefined {
    const victims = f.present & f.doomed
    if (victims === 0) return false
    f.present &= ~(victims & -victims)
  }

  function forget(): boolean | undefined {
    if ((f.present & f.doomed) !== 0) return false
    if (f.doomed !== 0 || f.due !== 0) f.changed = 1
    f.tomb &= ~f.doomed
    for (let p = 0; p < POINTS; p++) if ((f.due & (1 << p)) !== 0) f.status[p] = GONE
    f.endPrune()
  }
}
