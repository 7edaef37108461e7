/** A setting: a name, the shape of its document, what it is while nobody has said anything, and who may read and change it. */
import type { z } from 'zod'
import type { Json, Role } from '../../catalog/index.ts'
import type { ServerContext } from '../context.ts'

export interface SettingDefinition<S extends z.ZodType = z.ZodType> {
  /** Also its path: `/settings/NAME`. */
  readonly name: string
  readonly summary: string
  /** Takes `{}`, so that every part of it has a default. */
  readonly shape: S
  readonly readers: readonly Role[]
  readonly writers: readonly Role[]
  readonly stepUp: boolean
  /** Whether a change takes protection away, and so needs a second person. With `stepUp`. */
  needsSecond?(before: z.output<S>, after: z.output<S>): boolean
}

export function defineSetting<S extends z.ZodType>(definition: SettingDefinition<S>): SettingDefinition<S> {
  return definition
}

export interface ReadSetting<T> {
  readonly value: T
  /** 0 while it is as delivered. */
  readonly version: number
}

/** What is stored was judged by the shape of its time: parts that came later have their defaults. */
export async function readSetting<S extends z.ZodType>(
  { catalog }: Pick<ServerContext, 'catalog'>,
  { name, shape }: SettingDefinition<S>,
): Promise<ReadSetting<z.output<S>>> {
  const stored = await catalog.settings.find(name)
  return { value: shape.parse(stored?.value ?? {}), version: stored?.version ?? 0 }
}

export function asJson(value: unknown): Json {
  return JSON.parse(JSON.stringify(value)) as Json
}
