/** The door of the command line: src/main.ts calls `runCli`; documents and tests read the tables. */
export { cliError } from './errors.ts'
export { EXIT_CODES, EXIT_MEANINGS, EXIT_OF_CODE, EXIT_OF_KIND, type ExitCode, exitCodeOf } from './exit-codes.ts'
export type { PageProgram, Programs, Running, VaultProgram, VaultStartOptions } from './programs.ts'
export { buildProgram, runCli } from './run-cli.ts'
