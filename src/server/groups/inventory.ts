/**
 * What agents said there is on their machines: their volumes, with size and whether they can be written to (§3.3). Asked anew when a group is looked at and what is known is
 * not fresh; an agent that does not answer in time is judged by what it said last, and of one that never said anything no rule refuses the unknown.
 */
import { z } from 'zod'
import type { DataSourceFacts, Member } from '../../protection/index.ts'
import type { CommandQueue } from '../agents/command-queue.ts'
import type { Questions } from '../agents/questions.ts'
import type { ServerContext } from '../context.ts'
import { asJson } from '../settings/setting.ts'

const volumeShape = z.object({
  path: z.string(),
  sizeBytes: z.number().optional(),
  isReadOnly: z.boolean().optional(),
  isRemovable: z.boolean().optional(),
  /** Of an application: what belongs to it. */
  parts: z.array(z.string()).optional(),
})
const inventoryShape = z.object({ atMs: z.number(), volumes: z.array(volumeShape).max(10_000) })
export type Volume = z.infer<typeof volumeShape>
export type MachineInventory = z.infer<typeof inventoryShape>

const FRESH_MS = 10 * 60_000
const PATIENCE_MS = 5_000

const nameOf = (agentId: string) => `inventory-${agentId}`

export class Inventory {
  readonly #context: ServerContext
  readonly #queue: Pick<CommandQueue, 'isConnected'>
  readonly #questions: Pick<Questions, 'ask'>

  constructor(context: ServerContext, queue: Pick<CommandQueue, 'isConnected'>, questions: Pick<Questions, 'ask'>) {
    this.#context = context
    this.#queue = queue
    this.#questions = questions
  }

  async of(agentId: string): Promise<MachineInventory | undefined> {
    const stored = inventoryShape.safeParse((await this.#context.catalog.settings.find(nameOf(agentId)))?.value)
    return stored.success ? stored.data : undefined
  }

  /** Of many agents at once; each is waited for a few seconds. */
  async fresh(agentIds: readonly string[]): Promise<ReadonlyMap<string, MachineInventory>> {
    const known = new Map<string, MachineInventory>()
    await Promise.all(
      [...new Set(agentIds)].map(async (agentId) => {
        const inventory = await this.#fresh(agentId)
        if (inventory) known.set(agentId, inventory)
      }),
    )
    return known
  }

  async #fresh(agentId: string): Promise<MachineInventory | undefined> {
    const { clock } = this.#context.op
    const known = await this.of(agentId)
    if (known && Math.abs(clock.nowMs() - known.atMs) < FRESH_MS) return known
    if (!this.#queue.isConnected(agentId)) return known
    return (await this.refresh(agentId).catch(() => undefined)) ?? known
  }

  /** AGENT_AWAY, AGENT_SILENT, and what the agent says. */
  async refresh(agentId: string): Promise<MachineInventory> {
    const { clock } = this.#context.op
    const over = new AbortController()
    const answered = new AbortController()
    void clock.sleep(PATIENCE_MS, answered.signal).then(
      () => over.abort(),
      () => undefined,
    )
    try {
      const { sources } = await this.#questions.ask(agentId, { kind: 'discover' }, over.signal)
      const volumes = sources.map(({ path, detail }) => volumeOf(Buffer.from(path, 'base64').toString('utf8'), detail))
      const inventory = { atMs: clock.nowMs(), volumes }
      await this.#context.catalog.settings.put(nameOf(agentId), asJson(inventory), { by: 'server' })
      return inventory
    } finally {
      answered.abort()
    }
  }
}

function volumeOf(path: string, detail: Readonly<Record<string, unknown>>): Volume {
  const { total_bytes: size, read_only: isReadOnly, removable: isRemovable, parts } = detail
  return {
    path,
    ...(typeof size === 'number' && { sizeBytes: size }),
    ...(typeof isReadOnly === 'boolean' && { isReadOnly }),
    ...(typeof isRemovable === 'boolean' && { isRemovable }),
    ...(Array.isArray(parts) && { parts: parts.filter((part) => typeof part === 'string') }),
  }
}

/** A folder is on the volume whose path is the longest that leads to it. */
export function volumeAt({ volumes }: MachineInventory, path: string): Volume | undefined {
  let found: Volume | undefined
  for (const volume of volumes) if (isBelow(path, volume.path) && volume.path.length > (found?.path.length ?? -1)) found = volume
  return found
}

/** What the inventory says of a member whose place is a folder. */
export function factsFrom(inventory: MachineInventory, { selection }: Pick<Member, 'selection'>): Omit<DataSourceFacts, 'id'> {
  const volume = volumeAt(inventory, selection.includes[0] ?? '/')
  const mountPoints = inventory.volumes
    .map(({ path }) => path)
    .filter((path) => selection.includes.some((included) => path !== included && isBelow(path, included)))
  return {
    mountPoints,
    ...(volume && { volumeName: volume.path }),
    ...(volume?.sizeBytes !== undefined && { volumeSizeBytes: volume.sizeBytes }),
    ...(volume?.isReadOnly !== undefined && { isWritable: !volume.isReadOnly }),
    ...(volume?.isRemovable !== undefined && { isFixed: !volume.isRemovable }),
  }
}

function isBelow(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith('/') ? folder : `${folder}/`)
}
