/**
 * Many agents in one process: the real program, over real connections with keys of their own, on sources of its own making. Only the worker threads that a large backup
 * would have are left out, since fifty machines share two cores here.
 *
 *     node bench/server/agents-process.ts     (begun by bench/server/load.ts, which sends `Begin`)
 */
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { enroll, runAgent } from '../../src/agent/index.ts'
import { startOperation } from '../../src/base/operation.ts'
import { seededRandom } from '../../src/base/random.ts'
import { systemDisk } from '../../src/platform/index.ts'
import { filesWorkload, type Workload } from '../../src/workloads/index.ts'

export interface Begin {
  readonly agents: readonly {
    readonly name: string
    readonly token: string
    /** Of its identity. */
    readonly folder: string
    readonly sources: readonly string[]
  }[]
  /** In each source. */
  readonly files: number
  /** Of all sources, how many change each second. */
  readonly changesPerSecond: number
}

export type FromAgents =
  | { readonly type: 'enrolled'; readonly agents: readonly { readonly name: string; readonly agentId: string }[] }
  | { readonly type: 'ended'; readonly name: string; readonly error: string }

const MOST_FILE_BYTES = 8192

const onThisThread: Workload = {
  ...filesWorkload,
  backUp: (op, parts) => filesWorkload.backUp(op, { ...parts, workerStore: undefined }),
}

if (import.meta.main) {
  process.once('message', (message: Begin) => void begin(message))
  process.on('disconnect', () => process.exit())
}

async function begin({ agents, files, changesPerSecond }: Begin): Promise<void> {
  const tell = (message: FromAgents) => process.send?.(message)
  const op = startOperation()
  const disk = systemDisk()
  const random = seededRandom(agents[0]?.name ?? '')
  const enrolled: { name: string; agentId: string }[] = []
  for (const { name, token, folder, sources } of agents) {
    for (const source of sources)
      makeSource(source, files, () => random.bytes(1 + (random.bytes(1)[0] as number) * (MOST_FILE_BYTES / 256)))
    const identity = await enroll(op, { disk, folder, token, name, version: 'bench', replace: false })
    enrolled.push({ name, agentId: identity.agentId })
    runAgent(op, { identity, folder, version: 'bench', workloads: [onThisThread] }).catch((error: unknown) => {
      tell({ type: 'ended', name, error: String(error) })
    })
  }
  const all = agents.flatMap(({ sources }) => sources)
  setInterval(() => {
    const source = all[random.bytes(4).reduce((sum, byte) => sum * 256 + byte, 0) % all.length] as string
    appendFileSync(join(source, 'journal'), random.bytes(200))
  }, 1000 / changesPerSecond)
  tell({ type: 'enrolled', agents: enrolled })
}

function makeSource(folder: string, files: number, content: () => Uint8Array): void {
  mkdirSync(join(folder, 'deep'), { recursive: true })
  for (let n = 0; n < files; n++) writeFileSync(join(folder, n % 2 === 0 ? '' : 'deep', `file-${n}`), content())
}
