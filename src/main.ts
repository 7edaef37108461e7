/** The composition root: the only file that knows all programs. Those that a command does not need are not loaded. */
import { dirname } from 'node:path'
import manifest from '../package.json' with { type: 'json' }
import { type Programs, runCli } from './cli/index.ts'

const programs: Programs = {
  version: manifest.version,
  projectFolder: dirname(import.meta.dirname),
  vault: {
    start: async (op, options) => (await import('./vault/index.ts')).startVault(op, options),
    createVault: async (op, dataFolder, options) => (await import('./vault/index.ts')).createVault(op, dataFolder, options),
    downloadCredentials: async (op, dataFolder, options) => (await import('./vault/index.ts')).downloadCredentials(op, dataFolder, options),
  },
  page: {
    start: async (op, options) => (await import('./page/index.ts')).startPage(op, options),
  },
}

process.exit(await runCli(process.argv.slice(2), programs))
