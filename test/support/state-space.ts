/**
 * Breadth-first search of every state that a small protocol can reach. A state is four 32-bit words; states lie in one growing array, and an open-addressing
 * table of their numbers tells which were met before. Breadth first, so that the way to the first violation is a shortest one.
 */
const WORDS = 4

export interface Protocol {
  /** Writes the first state. */
  begin(state: Int32Array): void
  /** Calls `reach` for every step that is possible, with what it leads to: four words that the search copies. */
  steps(state: Int32Array, reach: (step: number, next: Int32Array) => void): void
  /** What is wrong with a state, if anything. */
  violation(state: Int32Array): string | undefined
  describe(step: number): string
}

export interface Search {
  readonly states: number
  /** How often each step was taken, by its name up to the first blank. */
  readonly steps: ReadonlyMap<string, number>
  /** The steps that lead to the first state that is wrong. */
  readonly counterexample: { readonly what: string; readonly steps: readonly string[] } | undefined
  /** False when there were more states than the search may hold. */
  readonly isComplete: boolean
}

/** Ends at the first violation. */
export function searchStates(protocol: Protocol, mostStates = 16_000_000): Search {
  let states = new Int32Array(WORDS * 65_536)
  let parents = new Int32Array(65_536)
  let stepTo = new Uint8Array(65_536)
  let table = new Int32Array(262_144)
  let count = 0
  const taken = new Float64Array(256)

  const grow = () => {
    const larger = new Int32Array(states.length * 2)
    larger.set(states)
    states = larger
    const moreParents = new Int32Array(parents.length * 2)
    moreParents.set(parents)
    parents = moreParents
    const moreSteps = new Uint8Array(stepTo.length * 2)
    moreSteps.set(stepTo)
    stepTo = moreSteps
    table = new Int32Array(table.length * 2)
    for (let n = 0; n < count; n++) {
      let slot = hash(states, n * WORDS) & (table.length - 1)
      while (table[slot] !== 0) slot = (slot + 1) & (table.length - 1)
      table[slot] = n + 1
    }
  }
  /** True when it is new. */
  const add = (state: Int32Array, parent: number, step: number): boolean => {
    const mask = table.length - 1
    let slot = hash(state, 0) & mask
    for (; table[slot] !== 0; slot = (slot + 1) & mask) {
      const at = ((table[slot] as number) - 1) * WORDS
      if (states[at] === state[0] && states[at + 1] === state[1] && states[at + 2] === state[2] && states[at + 3] === state[3]) return false
    }
    states.set(state, count * WORDS)
    parents[count] = parent
    stepTo[count] = step
    table[slot] = ++count
    if (count * WORDS >= states.length) grow()
    return true
  }
  const way = (to: number): string[] => {
    const steps: string[] = []
    for (let n = to; n > 0; n = parents[n] as number) steps.push(protocol.describe(stepTo[n] as number))
    return steps.reverse()
  }
  const result = (isComplete: boolean, wrong?: { what: string; at: number }): Search => {
    const steps = new Map<string, number>()
    taken.forEach((times, step) => {
      const name = times > 0 ? (protocol.describe(step).split(' ')[0] as string) : ''
      if (name !== '') steps.set(name, (steps.get(name) ?? 0) + times)
    })
    return { states: count, steps, counterexample: wrong && { what: wrong.what, steps: way(wrong.at) }, isComplete }
  }

  const state = new Int32Array(WORDS)
  protocol.begin(state)
  add(state, 0, 0)
  let wrong: { what: string; at: number } | undefined
  for (let n = 0; n < count; n++) {
    state.set(states.subarray(n * WORDS, n * WORDS + WORDS))
    protocol.steps(state, (step, next) => {
      taken[step] = (taken[step] as number) + 1
      if (wrong || !add(next, n, step)) return
      const what = protocol.violation(next)
      if (what !== undefined) wrong = { what, at: count - 1 }
    })
    if (wrong) return result(false, wrong)
    if (count >= mostStates) return result(false)
  }
  return result(true)
}

function hash(words: Int32Array, at: number): number {
  let h = Math.imul(words[at] as number, 0x9e3779b1)
  h = Math.imul((h ^ (h >>> 15)) + (words[at + 1] as number), 0x85ebca77)
  h = Math.imul((h ^ (h >>> 13)) + (words[at + 2] as number), 0xc2b2ae3d)
  h = Math.imul((h ^ (h >>> 16)) + (words[at + 3] as number), 0x27d4eb2f)
  return h ^ (h >>> 15)
}
