/** Where the time of a first backup goes: the profiles of all its threads, added up by function. */
import { readdirSync, readFileSync, realpathSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runOk } from '../command.ts'
import type { Context } from '../context.ts'
import { systemFolder } from '../corpora/system-folder.ts'
import { terp } from '../programs/terp.ts'
import type { ProfileLine } from '../results.ts'
import { warm } from '../warm.ts'

interface CpuProfile {
  readonly nodes: readonly { readonly id: number; readonly callFrame: CallFrame }[]
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}

interface CallFrame {
  readonly functionName: string
  readonly url: string
}

const MOST_LINES = 20

/** Not timed with the others: sampling costs some time itself. */
export async function profileFirstBackup(context: Context): Promise<ProfileLine[]> {
  const { options, folder } = context
  const corpus = context.remember(await systemFolder(options.systemFolder, options.scale))
  const program = await terp(folder, options.terp)
  await program.init()
  const profiles = await context.emptyFolder('profiles')
  const command = program.backup(corpus.paths)
  await warm({ contents: [...program.own, ...corpus.paths] })
  await runOk({ ...command, env: { ...command.env, NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${profiles}` } })
  await context.discard(...program.places)
  const read = readdirSync(profiles).map((name) => JSON.parse(readFileSync(join(profiles, name), 'utf8')) as CpuProfile)
  return addUp(read, dirname(realpathSync(options.terp)))
}

/** `root`: of the files that are named. */
export function addUp(profiles: readonly CpuProfile[], root: string): ProfileLine[] {
  const seconds = new Map<string, number>()
  for (const { nodes, samples, timeDeltas } of profiles) {
    const names = new Map(nodes.map(({ id, callFrame }) => [id, nameOf(callFrame, root)]))
    for (const [i, id] of samples.entries()) {
      const name = names.get(id)
      if (name !== undefined) seconds.set(name, (seconds.get(name) ?? 0) + (timeDeltas[i] ?? 0) / 1e6)
    }
  }
  const total = [...seconds.values()].reduce((sum, value) => sum + value, 0)
  const sorted = [...seconds].sort((a, b) => b[1] - a[1])
  const rest = sorted.slice(MOST_LINES).reduce((sum, [, value]) => sum + value, 0)
  return [...sorted.slice(0, MOST_LINES), ['everything else', rest] as const].map(([what, value]) => ({
    what,
    seconds: value,
    share: value / total,
  }))
}

/** Undefined for time in which a thread had nothing to do. */
function nameOf({ functionName, url }: CallFrame, root: string): string | undefined {
  if (functionName === '(idle)') return undefined
  if (functionName === '(program)') return 'native code, called by no JavaScript'
  if (functionName === '(garbage collector)') return 'garbage collection'
  const name = functionName === '' ? '(anonymous)' : functionName
  if (url.startsWith('file:')) return `${name}, ${relative(root, fileURLToPath(url))}`
  if (url.startsWith('wasm:')) return `${name}, WebAssembly`
  return url === '' ? `${name}, native` : `${name}, ${url}`
}
