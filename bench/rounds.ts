/**
 * Interleaved rounds: in each one every program does every act, and who goes first changes from round to round, because machines drift and
 * neighbours come and go. In the first round what was restored is compared with its source, byte by byte, outside of the timed part.
 * What a round made goes at its end, all of it at once, so that no timed act comes right after a deletion.
 */
import { join } from 'node:path'
import { type Command, run } from './command.ts'
import { type Context, reasonOf } from './context.ts'
import type { Corpus } from './corpora/corpus.ts'
import type { Before, Measured } from './measure.ts'
import type { BackupProgram } from './programs/program.ts'

export type Act = 'first' | 'unchanged' | 'force-read' | 'restore'

export interface Plan {
  /** Before the slash in the names of its samples. */
  readonly name: string
  readonly corpus: Corpus
  readonly programs: readonly BackupProgram[]
  readonly acts: readonly Act[]
  readonly isCold?: boolean
  /** The repositories of the last round are for somebody else. */
  readonly keepsLast?: boolean
  /** What the row does not ask of a program. */
  readonly skip?: (program: BackupProgram, act: Act) => boolean
  readonly onMeasured?: (program: BackupProgram, act: Act, pair: number, measured: Measured) => void
}

/** Why they ended early, if they did: what was measured until then still counts. */
export async function runRounds(context: Context, plan: Plan): Promise<{ failure?: string }> {
  const { programs, keepsLast = false } = plan
  const { pairs } = context.options
  for (const program of programs) context.programs[program.name] = program.version
  for (let pair = 0; pair < pairs; pair++) {
    const places = programs.map((program) => targetOf(context, program))
    if (!keepsLast || pair < pairs - 1) places.push(...programs.flatMap((program) => program.places))
    try {
      await oneRound(context, plan, pair)
    } catch (error) {
      return { failure: reasonOf(error) }
    } finally {
      await context.discard(...places)
      await context.settle()
    }
  }
  return {}
}

async function oneRound(context: Context, plan: Plan, pair: number): Promise<void> {
  const { programs, acts } = plan
  const order = programs.map((_, i) => programs[(i + pair) % programs.length] as BackupProgram)
  for (const program of order) await program.init()
  for (const act of acts) {
    for (const program of order) {
      if (!plan.skip?.(program, act)) await perform(context, plan, program, act, pair)
    }
  }
}

async function perform(context: Context, plan: Plan, program: BackupProgram, act: Act, pair: number): Promise<void> {
  const { name, corpus, isCold = false } = plan
  const target = act === 'restore' ? await context.emptyFolder(targetName(program)) : undefined
  const command = commandFor(program, act, corpus, target)
  if (command === undefined) return
  const before = isCold ? 'cold' : beforeAct(program, act, corpus)
  const storedBytes = act === 'first' ? { storedBytes: () => program.storedBytes() } : {}
  const measured = await context.time(`${name}/${act}`, program.name, pair, command, { before, ...storedBytes })
  plan.onMeasured?.(program, act, pair, measured)
  if (target !== undefined && pair === 0) await compare(corpus.paths, target)
}

function targetName({ name }: BackupProgram): string {
  return `target-${name}`
}

function targetOf({ folder }: Context, program: BackupProgram): string {
  return join(folder, targetName(program))
}

function commandFor(program: BackupProgram, act: Act, { paths }: Corpus, target: string | undefined): Command | undefined {
  if (target !== undefined) return program.restore(target)
  return act === 'force-read' ? program.forceRead?.(paths) : program.backup(paths)
}

/** An unchanged backup opens no file; the first one has no repository to read. */
function beforeAct({ places, own }: BackupProgram, act: Act, { paths }: Corpus): Before {
  if (act === 'first') return { contents: [...own, ...paths] }
  if (act === 'unchanged') return { contents: [...own, ...places], names: paths }
  return { contents: [...own, ...places, ...(act === 'force-read' ? paths : [])] }
}

/** A restore that is quick and wrong is none. */
async function compare(paths: readonly string[], target: string): Promise<void> {
  for (const path of paths) {
    const { code, stdout, stderr } = await run(['diff', '-rq', '--no-dereference', path, target + path])
    if (code !== 0) throw new Error(`what was restored differs from ${path}: ${(stdout + stderr).slice(0, 500).trim()}`)
  }
}
