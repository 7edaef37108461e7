/** The composition root: the only file that knows all programs. Those that a command does not need are not loaded. */
import { enableCompileCache, getCompileCacheDir } from 'node:module'
import { dirname, join } from 'node:path'
import manifest from '../package.json' with { type: 'json' }
import type { Programs } from './cli/index.ts'

const projectFolder = dirname(import.meta.dirname)
// Half of the time of a short command is compiling. The launcher (`terp`) names the cache before this file is compiled; for those who start Node
// by themselves it begins here. It is keyed by content, and where it can't be written there is none. A quickstart promises to change nothing outside
// its data folder.
if (process.argv[2] !== 'quickstart' && getCompileCacheDir() === undefined) {
  const folder = join(projectFolder, 'node_modules/.cache/terp')
  // Worker threads go by the environment.
  if (enableCompileCache(folder).directory !== undefined) process.env.NODE_COMPILE_CACHE = folder
}

const { version } = manifest
/** EX_TEMPFAIL, for who starts programs again: where a runtime can not become another program. */
const RESTART_ME = 75
const programs: Programs = {
  version,
  projectFolder,
  vault: {
    start: async (op, options) => (await import('./vault/index.ts')).startVault(op, options),
    createVault: async (op, dataFolder, options) => (await import('./vault/index.ts')).createVault(op, dataFolder, options),
    downloadCredentials: async (op, dataFolder, options) => (await import('./vault/index.ts')).downloadCredentials(op, dataFolder, options),
  },
  page: {
    start: async (op, options) => (await import('./page/index.ts')).startPage(op, options),
  },
  server: {
    start: async (op, options) => (await import('./server/index.ts')).runServer(op, { ...options, version }),
    look: async (disk, dataFolder) => (await import('./server/index.ts')).lookAtServer(disk, dataFolder),
    restore: async (op, options) => (await import('./server/index.ts')).restoreServer(op, options),
    resetAdministrator: async (op, options) => (await import('./server/index.ts')).resetAdministrator(op, options),
  },
  agent: {
    enroll: async (op, options) => (await import('./agent/index.ts')).enroll(op, { ...options, version }),
    describe: async (folder, disk) => (await import('./agent/index.ts')).describeAgent(folder, disk),
    bundle: async (op, options) =>
      (await import('./agent/index.ts')).makeBundle(op, { ...options, project: projectFolder, runtime: process.execPath, version }),
    start: async (op, { acceptsUpdates, ...options }) => {
      const { startAgent } = await import('./agent/index.ts')
      const bundle = acceptsUpdates ? process.env.TERP_BUNDLE : undefined
      await startAgent(op, { ...options, version, bundle })
      // Its file is another now: the same process goes on as that, or whoever watches over it begins it anew.
      if (bundle !== undefined && !op.signal.aborted) {
        process.execve?.(bundle, [bundle, ...process.argv.slice(2)], process.env)
        process.exit(RESTART_ME)
      }
    },
  },
}

const { runCli } = await import('./cli/index.ts')
process.exit(await runCli(process.argv.slice(2), programs))
