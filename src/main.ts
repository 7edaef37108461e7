/** The composition root: the only file that knows all programs. Those that a command does not need are not loaded. */
import { enableCompileCache } from 'node:module'
import { dirname, join } from 'node:path'
import manifest from '../package.json' with { type: 'json' }
import type { Programs } from './cli/index.ts'

const projectFolder = dirname(import.meta.dirname)
// Half of the time of a short command is compiling. The cache is keyed by content; where it can't be written there is none. A quickstart
// promises to change nothing outside its data folder.
if (!process.argv.includes('quickstart')) {
  const { directory } = enableCompileCache(join(projectFolder, 'node_modules/.cache/terp'))
  if (directory !== undefined) process.env.NODE_COMPILE_CACHE ??= dirname(directory)
}

const programs: Programs = {
  version: manifest.version,
  projectFolder,
  vault: {
    start: async (op, options) => (await import('./vault/index.ts')).startVault(op, options),
    createVault: async (op, dataFolder, options) => (await import('./vault/index.ts')).createVault(op, dataFolder, options),
    downloadCredentials: async (op, dataFolder, options) => (await import('./vault/index.ts')).downloadCredentials(op, dataFolder, options),
  },
  page: {
    start: async (op, options) => (await import('./page/index.ts')).startPage(op, options),
  },
}

const { runCli } = await import('./cli/index.ts')
process.exit(await runCli(process.argv.slice(2), programs))
