/** Which of the many states after a crash a test looks at: the extremes, every change alone, every change missing, then random ones. */
import { seededRandom } from '../../src/base/random.ts'
import type { ContentFate, CrashChoice, SimulatedDisk } from './simulated-disk.ts'

const FATES: readonly ContentFate[] = ['lost', 'torn', 'zeros', 'whole']

export interface CrashState {
  /** For the message of a failed test. */
  readonly description: string
  readonly disk: SimulatedDisk
}

export function* crashStates(disk: SimulatedDisk, limit: number, seed: string): Generator<CrashState> {
  let count = 0
  for (const { description, choice } of choices(disk.unsyncedChanges, seed)) {
    if (count++ >= limit) return
    yield { description, disk: disk.crash(choice) }
  }
}

interface DescribedChoice {
  readonly description: string
  readonly choice: CrashChoice
}

function fixed(description: string, keepChange: CrashChoice['keepChange'], fate: ContentFate): DescribedChoice {
  return { description: `${description}, content ${fate}`, choice: { keepChange, content: () => fate, tornShare: () => 0.5 } }
}

function* choices(changes: number, seed: string): Generator<DescribedChoice> {
  for (const fate of FATES) {
    yield fixed('no change kept', () => false, fate)
    yield fixed('all changes kept', () => true, fate)
  }
  for (let only = 0; only < changes; only++) {
    yield fixed(`only change ${only} kept`, (n) => n === only, 'zeros')
    yield fixed(`only change ${only} lost`, (n) => n !== only, 'torn')
  }
  const random = seededRandom(seed)
  const byte = () => random.bytes(1)[0] ?? 0
  for (let n = 0; ; n++) {
    const choice: CrashChoice = {
      keepChange: () => byte() < 128,
      content: () => FATES[byte() % FATES.length] ?? 'lost',
      tornShare: () => byte() / 256,
    }
    yield { description: `random state ${n} of ${seed}`, choice }
  }
}
