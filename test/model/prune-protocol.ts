/**
 * The protocol of docs/adr/0010-prune.md as a small machine: two backup sessions at a time, expirations, prunes, crashes. Steps are named like the functions of
 * src/repository/prune/ and src/repository/write-session.ts that take them. `RULES` can be taken away one by one: each way to do without is a mistake
 * that another program made once, and the search finds it out.
 *
 * Three chunks, each with room for two packs that hold it alone; four recovery points, each a set of chunks. A gate is a step that is atomic.
 * Over 400 lines: one machine, and each of its steps is an alternative that the search takes.
 */
import type { Protocol } from '../support/state-space.ts'

export interface Rules {
  /** A pack is named by a durable tombstone before it is deleted; sessions that begin later take its chunks for unknown. */
  readonly tombstones: boolean
  /** A tombstone waits for the end of every session that was open when it was published. */
  readonly grace: boolean
  /** Recovery points committed since the list was made are marked too before tombstones are published and before packs are deleted. */
  readonly barrier: boolean
  /** What came to life during the grace is resurrected. */
  readonly recheck: boolean
  /** A session that others took for ended, or that a tombstone does not wait for, can not commit. */
  readonly fence: boolean
  /** An expired recovery point stays marked until every session that was open then has ended. */
  readonly holds: boolean
  /** A session announces itself before it reads the tombstones. */
  readonly announceFirst: boolean
  /** A copy in a pack with a tombstone is no copy. */
  readonly copiesCount: 'without tombstone' | 'all'
  /** Tombstones are dropped once their packs are gone. */
  readonly forgetLast: boolean
  /** In place of all these: a chunk that a session asked about since the mark is spared. */
  readonly recentTouch: boolean
}

export const RULES: Rules = {
  tombstones: true,
  grace: true,
  barrier: true,
  recheck: true,
  fence: true,
  holds: true,
  announceFirst: true,
  copiesCount: 'without tombstone',
  forgetLast: true,
  recentTouch: false,
}

export interface Bounds {
  /** In all; two at a time. */
  readonly sessions: number
  readonly prunes: number
  /** Crashes of a session or a prune, and sessions that others take for ended while they go on. */
  readonly faults: number
}

const CHUNKS = 3
const PACKS = CHUNKS * 2
const POINTS = 4
const SESSIONS = 2
const ALL_CHUNKS = (1 << CHUNKS) - 1

const ABSENT = 0
const VISIBLE = 1
const TRASH = 2
const GONE = 3

/** Of a session. */
const NONE = 0
const OPENED = 1
const LOADED = 2
const STORED = 3
const INDEXED = 4
const UNANNOUNCED = 5

/** Of a prune. */
const IDLE = 0
const LISTED = 1
const ENTOMBED = 2
const DECIDED = 3
const REWRITTEN = 4
const FORGOTTEN = 5

const STEPS = [
  'openSession',
  'announce',
  'loadIndex',
  'store',
  'publishIndex',
  'commit',
  'crashSession',
  'lapse',
  'expirePoint',
  'listAndMark',
  'repack',
  'entomb',
  'recheck',
  'rewriteIndex',
  'deletePack',
  'forget',
  'crashPrune',
] as const
type Step = (typeof STEPS)[number]
const numberOf = new Map<Step, number>(STEPS.map((name, n) => [name, n]))
const WAYS = 8

/** The state with room around it: one number per field. */
class Fields {
  present = 0
  listed = 0
  tomb = 0
  /** For each pack, two bits: the sessions that its tombstone waits for. */
  waits = 0
  readonly content = new Int32Array(POINTS)
  readonly status = new Int32Array(POINTS)
  readonly held = new Int32Array(POINTS)
  readonly phase = new Int32Array(SESSIONS)
  /** Chunks that a session need not store; once it stored, what its point will name. */
  readonly chunks = new Int32Array(SESSIONS)
  readonly seen = new Int32Array(SESSIONS)
  lapsed = 0
  prune = IDLE
  marks = 0
  doomed = 0
  due = 0
  sessions = 0
  prunes = 0
  faults = 0

  read(w: Int32Array): void {
    const a = w[0] as number
    this.present = a & 63
    this.listed = (a >> 6) & 63
    this.tomb = (a >> 12) & 63
    this.waits = (a >> 18) & 4095
    const b = w[1] as number
    for (let p = 0; p < POINTS; p++) {
      this.content[p] = (b >> (p * 7)) & 7
      this.status[p] = (b >> (p * 7 + 3)) & 3
      this.held[p] = (b >> (p * 7 + 5)) & 3
    }
    const c = w[2] as number
    for (let s = 0; s < SESSIONS; s++) {
      this.phase[s] = (c >> (s * 12)) & 7
      this.chunks[s] = (c >> (s * 12 + 3)) & 7
      this.seen[s] = (c >> (s * 12 + 6)) & 63
    }
    this.lapsed = (c >> 24) & 3
    const d = w[3] as number
    this.prune = d & 7
    this.marks = (d >> 3) & 7
    this.doomed = (d >> 6) & 63
    this.due = (d >> 12) & 15
    this.sessions = (d >> 16) & 7
    this.prunes = (d >> 19) & 7
    this.faults = (d >> 22) & 7
  }

  write(w: Int32Array): void {
    w[0] = this.present | (this.listed << 6) | (this.tomb << 12) | (this.waits << 18)
    let b = 0
    for (let p = 0; p < POINTS; p++)
      b |= ((this.content[p] as number) | ((this.status[p] as number) << 3) | ((this.held[p] as number) << 5)) << (p * 7)
    w[1] = b
    let c = this.lapsed << 24
    for (let s = 0; s < SESSIONS; s++)
      c |= ((this.phase[s] as number) | ((this.chunks[s] as number) << 3) | ((this.seen[s] as number) << 6)) << (s * 12)
    w[2] = c
    w[3] =
      this.prune |
      (this.marks << 3) |
      (this.doomed << 6) |
      (this.due << 12) |
      (this.sessions << 16) |
      (this.prunes << 19) |
      (this.faults << 22)
  }

  /** Sessions that others take for alive. */
  get live(): number {
    let live = 0
    for (let s = 0; s < SESSIONS; s++) if (this.phase[s] !== NONE && this.phase[s] !== UNANNOUNCED) live |= 1 << s
    return live & ~this.lapsed
  }

  /** What waits for a session goes on. */
  unwait(s: number): void {
    for (let p = 0; p < PACKS; p++) this.waits &= ~(1 << (p * 2 + s))
    for (let p = 0; p < POINTS; p++) this.held[p] = (this.held[p] as number) & ~(1 << s)
  }

  endSession(s: number): void {
    this.unwait(s)
    this.phase[s] = NONE
    this.chunks[s] = 0
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

  has(set: number, pack: number): boolean {
    return (set & (1 << pack)) !== 0
  }
}

export function pruneProtocol(rules: Rules, bounds: Bounds): Protocol {
  const f = new Fields()
  const next = new Int32Array(4)

  return {
    begin(state) {
      // Chunks 0 and 1 belong to a recovery point; chunk 2 was left by a backup that was killed.
      f.read(state)
      f.present = f.listed = 0b010101
      f.status[0] = VISIBLE
      f.content[0] = 0b011
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
      const { faults, sessions, prunes, prune } = f
      const phases = [f.phase[0] as number, f.phase[1] as number]
      const free = phases.indexOf(NONE)
      if (free >= 0 && sessions < bounds.sessions) take('openSession', free, () => openSession(free))
      for (let s = 0; s < SESSIONS; s++) {
        const phase = phases[s]
        if (phase === UNANNOUNCED) take('announce', s, () => announce(s))
        if (phase === OPENED) for (let base = -1; base < POINTS; base++) take('loadIndex', base + 1, () => loadIndex(s, base))
        if (phase === LOADED) for (let content = 1; content <= ALL_CHUNKS; content++) take('store', content, () => store(s, content))
        if (phase === STORED) take('publishIndex', s, () => publishIndex(s))
        if (phase === INDEXED) take('commit', s, () => commit(s))
        if (phase === NONE || faults >= bounds.faults) continue
        take('crashSession', s, () => {
          f.faults++
          f.endSession(s)
        })
        if (phase !== UNANNOUNCED && (f.lapsed & (1 << s)) === 0) {
          take('lapse', s, () => {
            if ((f.lapsed & (1 << s)) !== 0) return false
            f.faults++
            f.unwait(s)
            f.lapsed |= 1 << s
          })
        }
      }
      for (let p = 0; p < POINTS; p++) take('expirePoint', p, () => expirePoint(p))
      if (prune === IDLE && prunes < bounds.prunes) take('listAndMark', 0, listAndMark)
      if (prune === LISTED) {
        for (let c = 0; c < CHUNKS; c++) take('repack', c, () => repack(c))
        take('entomb', 0, entomb)
      }
      if (prune === ENTOMBED) take('recheck', 0, recheck)
      if (prune === DECIDED) take('rewriteIndex', 0, rewriteIndex)
      if (prune === REWRITTEN && !rules.forgetLast) take('forget', 0, forgetEarly)
      if (prune === REWRITTEN || prune === FORGOTTEN) take('deletePack', 0, deletePack)
      if (prune === REWRITTEN && rules.forgetLast) take('forget', 0, forget)
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
      for (let c = 0; c < CHUNKS; c++) if ((f.present >> (c * 2)) & 3) there |= 1 << c
      for (let p = 0; p < POINTS; p++) {
        const lost = (f.content[p] as number) & ~there
        if (f.status[p] === VISIBLE && lost !== 0) return `recovery point ${p} lost chunks ${lost.toString(2).padStart(CHUNKS, '0')}`
      }
      return undefined
    },
    describe(step) {
      return `${STEPS[Math.floor(step / WAYS)]} ${step % WAYS}`
    },
  }

  // --- A backup: src/repository/write-session.ts -------------------------------------------------------------------------------------

  /** Under the gate: announces itself and reads the tombstones. */
  function openSession(s: number): undefined {
    f.sessions++
    f.phase[s] = rules.announceFirst ? OPENED : UNANNOUNCED
    f.seen[s] = rules.tombstones && !rules.recentTouch ? f.tomb : 0
  }

  /** Only where the rule is taken away. */
  function announce(s: number): undefined {
    f.phase[s] = OPENED
  }

  /** What the packs of the index hold that have no tombstone; packs that no segment lists are taken in. The tree of a base is trusted as it is. */
  function loadIndex(s: number, base: number): boolean | undefined {
    if (base >= 0 && f.status[base] !== VISIBLE) return false
    const seen = f.seen[s] as number
    f.listed |= f.present & ~seen
    let known = base >= 0 ? (f.content[base] as number) : 0
    for (let p = 0; p < PACKS; p++) if (f.has(f.present & f.listed & ~seen, p)) known |= 1 << (p >> 1)
    f.chunks[s] = known
    f.phase[s] = LOADED
  }

  /** Publishes packs for what the new point needs and the session does not know. */
  function store(s: number, content: number): boolean | undefined {
    const known = f.chunks[s] as number
    for (let c = 0; c < CHUNKS; c++) {
      if ((content & (1 << c)) === 0) continue
      if ((known & (1 << c)) !== 0) {
        if (rules.recentTouch) f.tomb |= f.present & (3 << (c * 2))
        continue
      }
      const taken = ((f.present | f.listed | f.tomb) >> (c * 2)) & 3
      if (taken === 3) return false
      f.present |= 1 << (c * 2 + (taken & 1))
    }
    f.chunks[s] = content
    f.phase[s] = STORED
  }

  function publishIndex(s: number): undefined {
    f.listed |= f.present & ~(f.seen[s] as number)
    f.phase[s] = INDEXED
  }

  /** Under the gate: refused when others took the session for ended, or when a tombstone that it has not seen does not wait for it. */
  function commit(s: number): boolean | undefined {
    const p = f.status.indexOf(ABSENT)
    if (p < 0) return false
    let isFenced = (f.lapsed & (1 << s)) !== 0
    const unseen = f.tomb & ~(f.seen[s] as number)
    for (let n = 0; n < PACKS; n++) if (f.has(unseen, n) && (f.waits & (1 << (n * 2 + s))) === 0) isFenced = true
    if (!rules.fence || rules.recentTouch || !isFenced) {
      f.status[p] = VISIBLE
      f.content[p] = f.chunks[s] as number
    }
    f.endSession(s)
  }

  // --- Expire and prune: src/repository/prune/ ---------------------------------------------------------------------------------------

  /** Under the gate. */
  function expirePoint(p: number): boolean | undefined {
    if (f.status[p] !== VISIBLE) return false
    f.status[p] = TRASH
    f.held[p] = rules.holds ? f.live : 0
  }

  function mark(): void {
    for (let p = 0; p < POINTS; p++) {
      const isLive = f.status[p] === VISIBLE || (f.status[p] === TRASH && (f.due & (1 << p)) === 0)
      if (isLive) f.marks |= f.content[p] as number
    }
  }

  /** Every visible point, and every expired one that a session may still build on. */
  function listAndMark(): undefined {
    for (let p = 0; p < POINTS; p++) if (f.status[p] === TRASH && f.held[p] === 0) f.due |= 1 << p
    mark()
    if (rules.recentTouch) f.tomb = 0
    f.prune = LISTED
  }

  /** A chunk that lives is copied into a new pack; its old pack will get a tombstone. Packs of live chunks are noted in `doomed` until then. */
  function repack(c: number): boolean | undefined {
    if (rules.recentTouch || (f.marks & (1 << c)) === 0) return false
    const good = (f.present & f.listed & ~f.tomb) >> (c * 2)
    const taken = ((f.present | f.listed | f.tomb) >> (c * 2)) & 3
    if ((good & 3) !== taken || (taken !== 1 && taken !== 2)) return false
    const old = c * 2 + (taken === 1 ? 0 : 1)
    f.present |= 1 << (old ^ 1)
    f.listed |= 1 << (old ^ 1)
    f.doomed |= 1 << old
  }

  function hasCopy(pack: number): boolean {
    const sound = f.present & f.listed & (rules.copiesCount === 'all' ? ~0 : ~f.tomb)
    return f.has(sound, pack ^ 1)
  }

  function isMarked(pack: number): boolean {
    return (f.marks & (1 << (pack >> 1))) !== 0
  }

  /** Under the gate: points committed since are marked, then tombstones are published with the sessions that are open. */
  function entomb(): undefined {
    if (rules.barrier) mark()
    const repacked = f.doomed
    f.doomed = 0
    const live = rules.grace ? f.live : 0
    for (let p = 0; p < PACKS; p++) {
      if (!f.has(f.present & f.listed, p) || (!rules.recentTouch && f.has(f.tomb, p))) continue
      const isVictim = isMarked(p) ? f.has(repacked, p) && hasCopy(p) : true
      if (!isVictim) continue
      if (rules.tombstones && !rules.recentTouch) {
        f.tomb |= 1 << p
        f.waits |= live << (p * 2)
      } else f.doomed |= 1 << p
    }
    f.prune = ENTOMBED
  }

  /** Under the gate: what lives again is resurrected; what does not, and waits for nobody, is doomed. */
  function recheck(): undefined {
    if (rules.barrier && rules.recheck) mark()
    if (rules.tombstones && !rules.recentTouch) {
      for (let p = 0; p < PACKS; p++) {
        if (!f.has(f.tomb, p) || ((f.waits >> (p * 2)) & 3) !== 0) continue
        if (rules.recheck && isMarked(p) && !hasCopy(p)) f.tomb &= ~(1 << p)
        else f.doomed |= 1 << p
      }
    }
    f.prune = DECIDED
  }

  function rewriteIndex(): undefined {
    f.listed &= ~f.doomed
    f.prune = REWRITTEN
  }

  function deletePack(): boolean | undefined {
    const victims = f.present & f.doomed & (rules.recentTouch ? ~f.tomb : ~0)
    if (victims === 0) {
      if (f.prune !== FORGOTTEN) return false
      f.endPrune()
      return
    }
    f.present &= ~(victims & -victims)
  }

  /** Tombstones of packs that are gone, and expired points that explained why. */
  function forget(): boolean | undefined {
    if ((f.present & f.doomed & (rules.recentTouch ? ~f.tomb : ~0)) !== 0) return false
    f.tomb &= ~f.doomed
    for (let p = 0; p < POINTS; p++) if ((f.due & (1 << p)) !== 0) f.status[p] = GONE
    f.endPrune()
  }

  function forgetEarly(): undefined {
    f.tomb &= ~f.doomed
    f.prune = FORGOTTEN
  }
}
