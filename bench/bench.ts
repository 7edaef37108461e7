/**
 * Terp beside restic on one machine, in one run: `npm run bench -- [--pairs N] [--corpus FOLDER] [--work FOLDER]`.
 *
 * Each pair runs both programs one after the other, the first of them alternating, because machines drift; medians and the median of the pairs' ratios
 * are printed, with the CPU time and peak memory that the system counted for the whole process tree. The file cache is warm: the corpus is read once before.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'

const ROOT = resolve(import.meta.dirname, '..')

interface Sample {
  readonly seconds: number
  readonly cpuSeconds: number
  readonly peakMib: number
}

interface Contender {
  readonly name: 'terp' | 'restic'
  init(): void
  backup(): string[]
  restore(target: string): string[]
  readonly environment: Record<string, string>
  readonly store: string
}

const { values } = parseArgs({
  options: {
    pairs: { type: 'string', default: '3' },
    corpus: { type: 'string', default: '/usr/lib' },
    work: { type: 'string', default: tmpdir() },
  },
})
const pairs = Number(values.pairs)
const corpus = resolve(values.corpus)
const work = mkdtempSync(join(values.work, 'terp-bench-'))

/** GNU time counts children too, which Node's own resource usage of a child does not give. */
function run(contender: Contender, command: readonly string[]): Sample {
  const report = join(work, 'time')
  const [program = '', ...rest] = command
  const result = spawnSync('/usr/bin/time', ['-f', '%e %U %S %M', '-o', report, program, ...rest], {
    env: { ...process.env, ...contender.environment },
    stdio: ['ignore', 'ignore', 'pipe'],
    encoding: 'utf8',
  })
  if (result.status !== 0) throw new Error(`${command.join(' ')} ended with ${result.status}: ${result.stderr}`)
  const [seconds = 0, user = 0, system = 0, peakKib = 0] =
    readFileSync(report, 'utf8').trim().split('\n').at(-1)?.split(' ').map(Number) ?? []
  return { seconds, cpuSeconds: user + system, peakMib: peakKib / 1024 }
}

function terp(): Contender {
  const pool = join(work, 'terp')
  const key = join(work, 'terp.key')
  writeFileSync(key, 'a key for measuring only: 0123456789abcdef\n')
  const program = join(ROOT, 'terp')
  return {
    name: 'terp',
    environment: { TERP_KEY_FILE: key },
    store: pool,
    init: () => execFileSync(program, ['pool', 'init', pool, '--key-file', key], { stdio: 'ignore' }),
    backup: () => [program, 'pool', 'backup', pool, corpus],
    restore: (target) => [program, 'pool', 'restore', pool, 'latest', '--target', target],
  }
}

function restic(): Contender {
  const folder = join(ROOT, '.bench', 'restic')
  mkdirSync(folder, { recursive: true })
  const program = execFileSync(join(ROOT, 'bench', 'fetch-restic.sh'), [folder], { encoding: 'utf8' }).trim()
  const repository = join(work, 'restic')
  const environment = { RESTIC_PASSWORD: 'a password for measuring only', RESTIC_CACHE_DIR: join(work, 'restic-cache') }
  console.log(execFileSync(program, ['version'], { encoding: 'utf8' }).trim())
  return {
    name: 'restic',
    environment,
    store: repository,
    init: () => execFileSync(program, ['init', '-q', '-r', repository], { env: { ...process.env, ...environment } }),
    backup: () => [program, 'backup', '-q', '-r', repository, corpus],
    restore: (target) => [program, 'restore', '-q', '-r', repository, 'latest', '--target', target],
  }
}

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? (sorted[middle] ?? 0) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2
}

const contenders = [terp(), restic()]
const phases = ['first backup', 'unchanged backup', 'restore'] as const
const samples = new Map<string, Sample[]>()
const stored: Record<string, number> = {}

try {
  console.log(`corpus ${corpus}, ${pairs} pairs, warm cache, work in ${work}`)
  spawnSync('sh', ['-c', 'find "$1" -type f -exec cat {} + >/dev/null', 'sh', corpus])
  for (let pair = 0; pair < pairs; pair++) {
    const order = pair % 2 === 0 ? contenders : [...contenders].reverse()
    for (const contender of order) {
      rmSync(contender.store, { recursive: true, force: true })
      contender.init()
    }
    for (const phase of phases) {
      for (const contender of order) {
        const target = join(work, 'target')
        const command = phase === 'restore' ? contender.restore(target) : contender.backup()
        const sample = run(contender, command)
        samples.set(`${phase}/${contender.name}`, [...(samples.get(`${phase}/${contender.name}`) ?? []), sample])
        if (phase === 'first backup')
          stored[contender.name] = Number(execFileSync('du', ['-sm', contender.store], { encoding: 'utf8' }).split('\t')[0])
        if (phase === 'restore') rmSync(target, { recursive: true, force: true })
        console.log(
          `pair ${pair + 1} ${phase} ${contender.name}: ${sample.seconds.toFixed(2)} s, CPU ${sample.cpuSeconds.toFixed(1)} s, peak ${sample.peakMib.toFixed(0)} MiB`,
        )
      }
    }
  }
  console.log('\nmedians                terp s   restic s   ratio   CPU ratio   terp peak MiB')
  for (const phase of phases) {
    const ours = samples.get(`${phase}/terp`) ?? []
    const theirs = samples.get(`${phase}/restic`) ?? []
    const ratio = median(ours.map((sample, i) => sample.seconds / (theirs[i]?.seconds ?? 1)))
    const cpuRatio = median(ours.map((sample, i) => sample.cpuSeconds / (theirs[i]?.cpuSeconds ?? 1)))
    const columns = [median(ours.map((s) => s.seconds)), median(theirs.map((s) => s.seconds)), ratio, cpuRatio].map((n) =>
      n.toFixed(2).padStart(9),
    )
    console.log(
      `${phase.padEnd(20)} ${columns.join(' ')}   ${median(ours.map((s) => s.peakMib))
        .toFixed(0)
        .padStart(9)}`,
    )
  }
  console.log(
    `stored: terp ${stored.terp} MiB, restic ${stored.restic} MiB, ratio ${((stored.terp ?? 0) / (stored.restic ?? 1)).toFixed(3)}`,
  )
} finally {
  rmSync(work, { recursive: true, force: true })
}
