/** All tasks, each loaded when it is first asked for. */
const TASKS = {
  points: async () => (await import('./maintenance.ts')).points,
  facts: async () => (await import('./maintenance.ts')).facts,
  verify: async () => (await import('./maintenance.ts')).verify,
  expire: async () => (await import('./maintenance.ts')).expire,
  prune: async () => (await import('./maintenance.ts')).prune,
  copyPoints: async () => (await import('./move-tasks.ts')).copyPoints,
  readPoints: async () => (await import('./move-tasks.ts')).readPoints,
  browse: async () => (await import('../recovery/look-tasks.ts')).browse,
  entry: async () => (await import('../recovery/look-tasks.ts')).entry,
  versions: async () => (await import('../recovery/look-tasks.ts')).versions,
  differences: async () => (await import('../recovery/look-tasks.ts')).differences,
  plan: async () => (await import('../recovery/look-tasks.ts')).plan,
  content: async () => (await import('../recovery/content-tasks.ts')).content,
  folder: async () => (await import('../recovery/content-tasks.ts')).folder,
  testRestore: async () => (await import('../recovery/test-restore-task.ts')).testRestore,
  chain: async () => (await import('../search/name-tasks.ts')).chain,
  names: async () => (await import('../search/name-tasks.ts')).names,
}

export type TaskName = keyof typeof TASKS
type TaskOf<K extends TaskName> = Awaited<ReturnType<(typeof TASKS)[K]>>
export type ArgsOf<K extends TaskName> = Parameters<TaskOf<K>>[1]
export type ResultOf<K extends TaskName> = Awaited<ReturnType<TaskOf<K>>>
export type ItemOf<K extends TaskName> =
  TaskOf<K> extends (place: never, args: never, emit: (item: infer I) => Promise<void>) => unknown ? I : never

export function loadTask<K extends TaskName>(name: K): Promise<TaskOf<K>> {
  return TASKS[name]() as Promise<TaskOf<K>>
}
