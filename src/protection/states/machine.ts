/** State machines as data: which event leads from which state to which. What is not in the table is refused. */
import { type Refusal, refuse } from '../refusal.ts'

export interface Machine<State extends string, Event extends string> {
  readonly name: string
  readonly initial: State
  /** From state, by event, to state. */
  readonly table: Readonly<Record<State, Readonly<Partial<Record<Event, State>>>>>
}

export type Transition<State extends string> =
  | { readonly isLegal: true; readonly to: State }
  | { readonly isLegal: false; readonly refusal: Refusal }

export function transition<State extends string, Event extends string>(
  machine: Machine<State, Event>,
  from: State,
  event: Event,
): Transition<State> {
  const to = machine.table[from][event]
  if (to !== undefined) return { isLegal: true, to }
  const legal = eventsFrom(machine, from)
  const hint = legal.length === 0 ? 'Nothing leads out of this state.' : `Possible now: ${legal.join(', ')}.`
  return {
    isLegal: false,
    refusal: refuse('STATE_TRANSITION_ILLEGAL', `${machine.name} that is ${from} can not take "${event}"`, { hint }),
  }
}

export function eventsFrom<State extends string, Event extends string>(machine: Machine<State, Event>, from: State): Event[] {
  return Object.keys(machine.table[from]) as Event[]
}

/** States that nothing leads out of. */
export function finalStates<State extends string>(machine: Machine<State, string>): State[] {
  return (Object.keys(machine.table) as State[]).filter((state) => eventsFrom(machine, state).length === 0)
}
