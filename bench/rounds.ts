/**
 * Interleaved rounds: in each one every program does every act, and who goes first changes from round to round, because machines drift and
 * neighbours come and go. In the first round what was restored is compared with its source, byte by byte, outside of the timed part.
 */
import { type Context, reasonOf } from './context.ts'
import type { Corpus } from './corpora/corpus.ts'
import { type Command, type Measured, run } from './measure.ts'
import type { BackupProgram } from './programs/program.ts'

export type Act = 'first' | 'unchanged' | 'force-read' | 'restore'

export interface Plan {
  /** Before the slash in the names of its samples. */
  readonly name: string
  readonly corpus: Corpus
  readonly programs: readonly BackupProgram[]
  readonly acts: readonly Act[]
  readonly isCold?: boolean
  /** What the row does not ask of a program. */
  readonly skip?: (program: BackupProgram, act: Act) => boolean
  readonly onMeasured?: (program: BackupProgram, act: Act, pair: number, measured: Measured) => void
}

/** Why they ended early, if they did: what was measured until then still counts. */
export async function runRounds(context: Context, plan: Plan): Promise<{ failure?: string }> {
  try {
    await allRounds(context, plan)
    return {}
  } catch (error) {
    return { failure: reasonOf(error) }
  }
}

async function allRounds(context: Context, plan: Plan): Promise<void> {
  const { programs, acts } = plan
  for (const program of programs) context.programs[program.name] = program.version
  for (let pair = 0; pair < context.options.pairs; pair++) {
    const order = programs.map((_, i) => programs[(i + pair) % programs.length] as BackupProgram)
    for (const program of order) await program.reset()
    for (const act of acts) {
      for (const program of order) {
        if (!plan.skip?.(program, act)) await perform(context, plan, program, act, pair)
      }
    }
  }
}

async function perform(context: Context, plan: Plan, program: BackupProgram, act: Act, pair: number): Promise<void> {
  const { name, corpus, isCold = false } = plan
  const target = act === 'restore' ? await context.emptyFolder('target') : undefined
  const command = commandFor(program, act, corpus, target)
  if (command === undefined) return
  const storedBytes = act === 'first' ? { storedBytes: () => program.storedBytes() } : {}
  const measured = await context.time(`${name}/${act}`, program.name, pair, command, { isCold, ...storedBytes })
  plan.onMeasured?.(program, act, pair, measured)
  if (target === undefined) return
  if (pair === 0) await compare(corpus.paths, target)
  await context.discard(target)
}

function commandFor(program: BackupProgram, act: Act, { paths }: Corpus, target: string | undefined): Command | undefined {
  if (target !== undefined) return program.restore(target)
  return act === 'force-read' ? program.forceRead?.(paths) : program.backup(paths)
}

/** A restore that is quick and wrong is none. */
async function compare(paths: readonly string[], target: string): Promise<void> {
  for (const path of paths) {
    const { code, stdout, stderr } = await run(['diff', '-rq', '--no-dereference', path, target + path])
    if (code !== 0) throw new Error(`what was restored differs from ${path}: ${(stdout + stderr).slice(0, 500).trim()}`)
  }
}
